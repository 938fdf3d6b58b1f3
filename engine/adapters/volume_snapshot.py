"""GNU tar's snapshot files, by which `--listed-incremental` knows what changed.

Format 2 (tar's manual, "Incremental File Formats"): a line `GNU tar-<version>-2`, then fields
each ended by NUL: the second and nanosecond of the dump, then for each directory nfs, mtime,
its nanoseconds, device, inode, name and its entries, each a letter (Y dumped, N not, D a
directory) and a name; an empty entry ends them, one more NUL the directory.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from engine.core.errors import TreeError

# Changes up to so long before a dump began are dumped again: the kernel stamps files with a clock
# that lags, and pages that a program maps into its memory may have been stamped before they
# were last written (writeback comes within about 35 s).
MARGIN = 120  # seconds
_HEAD = re.compile(rb"GNU tar-[^\n]{1,40}-2\n(\d{1,19})\0(\d{1,9})\0")
_CHUNK = 1 << 20


def backdate(file: Path) -> None:
    """Let the next dump by this snapshot file look MARGIN further back. TreeError when it is not
    one that this understands."""
    with file.open("r+b") as stream:
        head = _HEAD.match(stream.read(100))
        if head is None:
            raise _not_understood(file)
        before = head[1]
        earlier = str(max(0, int(before) - MARGIN)).encode()
        if len(earlier) > len(before):
            raise _not_understood(file)
        # tar reads a number, whatever its leading zeros, so the file keeps its length.
        stream.seek(head.start(1))
        stream.write(earlier.rjust(len(before), b"0"))


def members(file: Path, tops: int) -> int:
    """How many members the tree had as the dump saw it: every directory's entries, and the `tops`
    directories that were named. Sockets are among them, though no archive holds one."""
    count = tops
    with file.open("rb") as stream:
        head = _HEAD.match(stream.read(100))
        if head is None:
            raise _not_understood(file)
        stream.seek(head.end())
        fields = _Fields(stream)
        while fields.skip(6):
            while entry := fields.next():
                count += entry[:1] in (b"Y", b"N", b"D")
            fields.next()
    return count


class _Fields:
    """NUL-ended fields of a stream."""

    def __init__(self, stream: object) -> None:
        self._read = stream.read  # type: ignore[attr-defined]
        self._fields: list[bytes] = []
        self._rest = b""

    def next(self) -> bytes:
        """The next field; empty at the end, too."""
        while not self._fields:
            chunk = self._read(_CHUNK)
            if not chunk:
                return b""
            *fields, self._rest = (self._rest + chunk).split(b"\0")
            self._fields = fields[::-1]
        return self._fields.pop()

    def skip(self, count: int) -> bool:
        """Pass over so many fields; False at the end."""
        return all([self.next() != b"" for _ in range(count)])


def _not_understood(file: Path) -> TreeError:
    return TreeError(
        f"tar's snapshot file {os.fspath(file)} is not understood",
        "The next backup is a full one; see that GNU tar 1.31 or newer is installed.",
    )
