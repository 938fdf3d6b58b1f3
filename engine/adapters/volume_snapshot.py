"""GNU tar's snapshot files, by which `--listed-incremental` knows what changed.

Format 2 (tar's manual, "Incremental File Formats"): a line `GNU tar-<version>-2`, then fields
each ended by NUL: the second and nanosecond of the dump, then for each directory nfs, mtime,
its nanoseconds, device, inode, name and its entries, each a letter (Y dumped, N not, D a
directory) and a name; an empty entry ends them, one more NUL the directory.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from engine.core.errors import TreeError

# Changes up to so long before a dump began are dumped again: the kernel stamps files with a clock
# that lags, and pages that a program maps into its memory may have been stamped before they
# were last written (writeback comes within about 35 s).
MARGIN = 120  # seconds
_HEAD = re.compile(rb"GNU tar-[^\n]{1,40}-2\n(\d{1,19})\0(\d{1,9})\0")
_CHUNK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(base: Path, root: Path, to: Path) -> None:
    """Copy the snapshot file `base` so that the next dump by it may be relied on: it looks MARGIN
    further back, and it knows only directories that are what and where they were. A directory
    that came from elsewhere is then dumped whole, for tar cannot restore every rename it notes
    ("Cannot rename: Directory not empty"). TreeError when base is not one that this understands.
    """
    with base.open("rb") as stream, to.open("wb") as out:
        head = _HEAD.match(stream.read(100))
        if head is None:
            raise _not_understood(base)
        stream.seek(head.end())
        earlier = str(max(0, int(head[1]) - MARGIN)).encode()
        out.write(stream_head(head, earlier))
        fields = _Fields(stream)
        known = 0
        while record := fields.take(6):
            known += 1
            entries = list(iter(fields.next, b""))
            fields.next()
            if _stands(root, record):
                out.write(b"\0".join([*record, *entries, b"", b"", b""]))
        if not known:
            raise _not_understood(base)


def stream_head(head: re.Match[bytes], second: bytes) -> bytes:
    """The head of a snapshot file with another second."""
    whole = head[0]
    return whole[: head.start(1)] + second + whole[head.end(1) :]


def _stands(root: Path, record: Sequence[bytes]) -> bool:
    """Whether the directory of a record is the one under its name now."""
    device, inode, name = record[3:6]
    try:
        found = (root / os.fsdecode(name)).lstat()
    except OSError:
        return False
    same = (b"%d" % found.st_dev, b"%d" % found.st_ino) == (device, inode)
    return same and stat.S_ISDIR(found.st_mode)


def members(file: Path, tops: int, left_out: Callable[[bytes], bool]) -> int:
    """How many members the tree had as the dump saw it: every directory's entries but those that
    were `left_out` by name, and the `tops` directories that were named. Sockets are among them,
    though no archive holds one."""
    count, seen = tops, 0
    with file.open("rb") as stream:
        head = _HEAD.match(stream.read(100))
        if head is None:
            raise _not_understood(file)
        stream.seek(head.end())
        fields = _Fields(stream)
        while record := fields.take(6):
            folder = record[5]
            seen += 1
            while entry := fields.next():
                known = entry[:1] in (b"Y", b"N", b"D")
                count += known and not left_out(folder + b"/" + entry[1:])
            fields.next()
    if not seen:
        raise _not_understood(file)
    return count


def strip_folders(root: Path) -> None:
    """Take every extended attribute and ACL off the directories below root, itself included,
    before the next archive of a chain, which brings all they should have: tar leaves on a
    directory that is there what the archive does not name. TreeError."""
    try:
        top = os.open(root, _FOLDER)
        try:
            folders = ["."]
            while folders:
                folders += _strip(top, folders.pop())
        finally:
            os.close(top)
    except OSError as error:
        raise TreeError(
            f"the directories below {root} cannot be made ready: {error.strerror}",
            "Choose a target on a local Linux file system, and restore as root.",
        ) from error


def _strip(top: int, folder: str) -> list[str]:
    """The folders in it."""
    fd = os.open(folder, _FOLDER, dir_fd=top)
    try:
        for name in os.listxattr(fd):
            with contextlib.suppress(OSError):  # such as a label that the kernel keeps
                os.removexattr(fd, name)
        with os.scandir(fd) as entries:
            return [f"{folder}/{e.name}" for e in entries if e.is_dir(follow_symlinks=False)]
    finally:
        os.close(fd)


class _Fields:
    """NUL-ended fields of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._read = stream.read
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

    def take(self, count: int) -> list[bytes]:
        """So many fields, none of them empty; nothing at the end."""
        found = [self.next() for _ in range(count)]
        return found if all(found) else []


def _not_understood(file: Path) -> TreeError:
    return TreeError(
        f"tar's snapshot file {os.fspath(file)} is not understood",
        "The next backup is a full one; see that GNU tar 1.31 or newer is installed.",
    )
