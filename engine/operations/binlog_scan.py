"""Reading a range of a server's log once, to learn what is in it before it is shipped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from engine.core.binlog import BinlogIndex
from engine.core.binlog_events import BinlogBroken, Reader
from engine.core.binlog_scan import Known, Scan
from engine.core.binlog_shipping import Range
from engine.core.errors import DatabaseError
from engine.operations.context import Context
from engine.ports import Binlogs

SMALL = 32 << 20  # bytes that are kept from this reading, so that the server is asked once


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a range holds. `content` are its bytes when they are few, else None."""

    scan: Scan
    sha256: str
    content: bytes | None


class _Tee:
    """Reads a pipe, hashing what passes and keeping it while it is small."""

    def __init__(self, fd: int, count: Callable[[int], None]) -> None:
        self._fd = fd
        self._count = count
        self.total = 0
        self.hash = hashlib.sha256()
        self._kept: list[bytes] | None = []

    def read(self, size: int) -> bytes:
        chunk = os.read(self._fd, size)
        self.total += len(chunk)
        self.hash.update(chunk)
        self._count(len(chunk))
        if self._kept is not None:
            self._kept.append(chunk)
            if self.total > SMALL:
                self._kept = None
        return chunk

    @property
    def content(self) -> bytes | None:
        return None if self._kept is None else b"".join(self._kept)


def scan(
    ctx: Context,
    binlogs: Binlogs,
    part: Range,
    flavor: str,
    before: BinlogIndex | None,
    count: Callable[[int], None] = lambda _bytes: None,
) -> Scanned:
    """Follow every event of the range. `before` is the index it continues, in the same file or
    the one before; None for a chain's first. DatabaseError when the server's file has fewer bytes
    or is no whole log; a file that a crash cut is followed as far as it is whole."""
    found = Scan(flavor, known_before(part, before))
    command = binlogs.read(part)
    with ctx.processes.pipeline([command], collect=True) as pipeline:
        tee = _Tee(pipeline.output, count)
        reader = Reader(tee.read, part.start)
        try:
            for event in reader:
                found.see(event)
        except BinlogBroken as error:
            _forgive(error, part, found, tee.total)
            while tee.read(1 << 18):
                pass
        except ValueError as error:
            raise _unreadable(part, error) from error
        ended = pipeline.wait()[0]
    if tee.total != part.end - part.start:
        why = next((line for line in reversed(ended.stderr) if line.strip()), "it ends there")
        raise DatabaseError(
            f"{part.file} gave {tee.total} of {part.end - part.start} bytes from {part.start}: "
            f"{why}",
            "Ship again; the server may have purged or reset its logs meanwhile.",
        )
    return Scanned(found, tee.hash.hexdigest(), tee.content)


def _forgive(error: BinlogBroken, part: Range, found: Scan, read: int) -> None:
    """Only the end of a file that grows no more may be cut: its server was killed."""
    torn = part.whole and not found.ended and found.format is not None
    if torn and "cut short" in str(error) and read >= part.end - part.start:
        return
    raise _unreadable(part, error) from error


def _unreadable(part: Range, error: ValueError) -> DatabaseError:
    return DatabaseError(
        f"{part.file} cannot be followed from {part.start}: {error}",
        "See that the server's log is not damaged (mysqlbinlog --verify-binlog-checksum), and "
        "take a new backup: what follows cannot be replayed.",
    )


def known_before(part: Range, before: BinlogIndex | None) -> Known:
    if before is None:
        return Known()
    return Known(before.checksums, before.gtids_after, before.high_at)
