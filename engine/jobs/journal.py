"""The journal: an append-only file of JSON lines, durable event by event.

One writer at a time (it holds the job's lock), any number of readers. A line is written by one
write(2), so readers meet whole lines only; what a crash or a full disk tore is cut off by the
next writer and ignored by readers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.core.events import Event, Output, Record
from engine.jobs import codec

WINDOW = 4 << 20  # bytes looked at by one read
_TAIL = 2 * codec.LINE_LIMIT

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """The writer. Thread-safe. `append` returns when the event is on the disk, or raises
    OSError with the file as it was."""

    def __init__(self, path: Path, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o600)
        try:
            self._seq = self._repair()
        except BaseException:
            os.close(self._fd)
            raise
        self._whole = True

    def append(self, event: Event) -> Record:
        with self._lock:
            if not self._whole:
                self._seq = max(self._seq, self._repair())
            record = Record(self._seq + 1, self._clock().astimezone(UTC), event)
            line = codec.encode(record)
            # A signal may raise between any two lines here: until this is True again, the next
            # append looks at the file before it writes.
            self._whole = False
            self._write(line)
            self._seq = record.seq
            self._whole = True
            return record

    def _write(self, line: bytes) -> None:
        size = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, size)
            raise

    def _repair(self) -> int:
        """Cut a torn last line off and return the number of the last whole one."""
        size = os.fstat(self._fd).st_size
        start = max(0, size - _TAIL)
        tail = os.pread(self._fd, size - start, start)
        end = tail.rfind(b"\n") + 1
        if end != len(tail) and (end or start == 0):
            os.ftruncate(self._fd, start + end)
            os.fsync(self._fd)
        elif end != len(tail):
            os.write(self._fd, b"\n")  # no line of ours is this long: fence the strange bytes
        now = utc_now()
        lines = tail[:end].split(b"\n")[:-1]
        return max((codec.decode(line, 0, now).seq for line in lines), default=0)

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path, offset: int = 0) -> tuple[Sequence[Record], int]:
    """The records of the whole lines from byte `offset`, and the offset to go on from.

    Looks at WINDOW bytes at most: ask again until the offset stays. A missing file reads as
    empty. Lines that cannot be read come as an Output that says so.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return [], offset
    try:
        content = os.pread(fd, WINDOW, offset)
        at = datetime.fromtimestamp(os.fstat(fd).st_mtime, UTC)
    finally:
        os.close(fd)
    end = content.rfind(b"\n") + 1
    if not end:
        if len(content) < WINDOW:
            return [], offset
        strange = Output(f"unreadable bytes in the journal: {len(content)} without a line's end")
        return [Record(0, at, strange)], offset + len(content)
    records: list[Record] = []
    seq = 0
    for line in content[: end - 1].split(b"\n"):
        record = codec.decode(line, seq + 1, records[-1].at if records else at)
        seq = record.seq
        records.append(record)
    return records, offset + end


def read_all(path: Path, offset: int = 0) -> tuple[list[Record], int]:
    """`read` until nothing more comes."""
    records: list[Record] = []
    while True:
        more, after = read(path, offset)
        records.extend(more)
        if after == offset:
            return records, offset
        offset = after
