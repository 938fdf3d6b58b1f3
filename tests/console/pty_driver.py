"""A child process on a pseudo-terminal: its bytes, its keys, its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class OnPty:
    def __init__(self, child: subprocess.Popen[bytes], master: int) -> None:
        self.child, self.master = child, master
        self.written = b""
        self._mark = 0

    def read(self, seconds: float) -> bytes:
        """What the child writes within so many seconds."""
        got, end = b"", monotonic() + seconds
        while (left := end - monotonic()) > 0:
            ready, _, _ = select.select([self.master], [], [], left)
            if not ready:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the child has closed its side
                break
            if not data:
                break
            got += data
        self.written += got
        return got

    def until(self, text: bytes) -> None:
        """Read until the text was written, after what the last call waited for."""
        end = monotonic() + PATIENCE
        while (found := self.written.find(text, self._mark)) < 0:
            ended = self.child.poll() is not None
            if not self.read(0.1) and ended:
                raise AssertionError(f"ended before {text!r}: {self.written[-3000:]!r}")
            assert monotonic() < end, f"never came: {text!r} in {self.written[-3000:]!r}"
        self._mark = found + len(text)

    def quiet(self, seconds: float = 1.0) -> None:
        """Read until nothing is written for so long."""
        end = monotonic() + PATIENCE
        while self.read(seconds):
            assert monotonic() < end, "the child never falls silent"

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        """The exit status, once the child has ended."""
        limit = monotonic() + PATIENCE
        while self.child.poll() is None:
            assert monotonic() < limit, "the child does not end"
            self.read(0.05)
        return self.child.returncode

    def hang_up(self) -> None:
        """Drop the terminal, as a lost connection does."""
        os.close(self.master)
        self.master = -1


@contextmanager
def on_pty(
    *argv: str, env: Mapping[str, str] | None = None, size: tuple[int, int] = (80, 24)
) -> Iterator[OnPty]:
    """`python -m argv` with a controlling terminal; killed at the end if it still runs."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    given = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/root"),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        **(env or {}),
    }
    child = subprocess.Popen(
        [sys.executable, "-m", *argv],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env=given,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(slave)
    driven = OnPty(child, master)
    try:
        yield driven
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        if driven.master >= 0:
            with contextlib.suppress(OSError):
                os.close(driven.master)
