"""Handing secrets to a worker: through a pipe it inherits, or a FIFO where systemd starts it.

They never touch the disk, an argv or an environment block. A filled pipe is kept by the kernel,
so the launcher may be gone before the worker reads it. A FIFO's content is lost with its
writer, so there the launcher stays until the worker has read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.core.errors import Interrupted, UsageError

LIMIT = 48 * 1024  # bytes; a fresh pipe holds 64 KiB
_PATIENCE = 10.0  # seconds a worker waits for its secrets
_HEADER = struct.Struct(">I")


class Parcel(msgspec.Struct, frozen=True):
    """What is handed over: an operation's secrets, and variables for `{ env = ... }`."""

    secrets: dict[str, bytes] = {}
    environment: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Parcel({', '.join([*self.secrets, *self.environment])})"

    def __bool__(self) -> bool:
        return bool(self.secrets or self.environment)


_decoder = msgspec.json.Decoder(Parcel)


def pack(secrets: Mapping[str, bytes], environment: Mapping[str, str]) -> bytes:
    body = msgspec.json.encode(Parcel(dict(secrets), dict(environment)))
    if len(body) > LIMIT:
        raise UsageError(
            f"the secrets for this job take {len(body)} bytes; {LIMIT} can be handed over",
            "Keep large secrets in files and name the files in the configuration.",
        )
    return _HEADER.pack(len(body)) + body


def filled_pipe(packed: bytes) -> int:
    """The read end of a pipe that delivers `packed`."""
    read_end, write_end = os.pipe()
    try:
        _fill(write_end, packed)
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    return read_end


def _fill(fd: int, packed: bytes) -> None:
    os.set_blocking(fd, False)
    written = 0
    with contextlib.suppress(BlockingIOError):
        written = os.write(fd, packed)
    if written != len(packed):
        raise UsageError(
            "the secrets for this job do not fit the kernel's pipe buffers",
            "End some programs of this user, or run as root.",
        )


class Fifo:
    """The launcher's end of a FIFO at `path`, mode 0600, already filled."""

    def __init__(self, path: Path, packed: bytes) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        # Linux lets one open a FIFO both ways, so nobody waits for the other end.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            _fill(self._fd, packed)
        except BaseException:
            self.close()
            raise

    def wait_taken(self, timeout: float) -> bool:
        """Whether the worker read it all within `timeout` seconds."""
        until = time.monotonic() + timeout
        while self._waiting():
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def _waiting(self) -> int:
        count = fcntl.ioctl(self._fd, termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", count)[0])

    def close(self) -> None:
        """Drop what was not read and remove the FIFO."""
        self.path.unlink(missing_ok=True)
        os.close(self._fd)


def receive(fd: int | None, fifo: Path) -> Parcel:
    """What was handed over by the inherited `fd`, else by `fifo`, which is removed. Interrupted
    when the launcher is gone or gave nothing."""
    try:
        if fd is None:
            fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                raise _lost("what stands in its place is no FIFO")
        try:
            size = _HEADER.unpack(_read(fd, _HEADER.size))[0]
            if size > LIMIT:
                raise _lost("they are too long")
            return _decoder.decode(_read(fd, size))
        finally:
            os.close(fd)
    except (OSError, ValueError) as error:
        raise _lost(type(error).__name__) from None
    finally:
        fifo.unlink(missing_ok=True)


def _read(fd: int, size: int) -> bytes:
    os.set_blocking(fd, False)
    content = b""
    until = time.monotonic() + _PATIENCE
    while len(content) < size:
        try:
            # Before select: it waits on a FIFO that never had a writer, where this ends at once.
            chunk = os.read(fd, size - len(content))
        except BlockingIOError:
            left = until - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise _lost("they did not come in time") from None
            continue
        if not chunk:
            raise _lost("the program that started the job is gone")
        content += chunk
    return content


def _lost(why: str) -> Interrupted:
    return Interrupted(
        f"the job's secrets were not handed over: {why}", "Start the operation again."
    )
