"""Looking at a tree as tar will see it: how many members, how many bytes, what stays out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.adapters.volume_exclude import Excluded, excluder
from engine.adapters.volume_words import shown
from engine.core.errors import TreeError

RECORD = 256 << 10  # bytes tar writes at once; an archive is a multiple of it
_HEADERS = 3 * 512  # a pax header, its times, and the member's own header
_PATH_LIMIT = 4095  # bytes; a longer path can be packed by tar, and by no tar unpacked


@dataclass(frozen=True, slots=True)
class Survey:
    """members and bytes of the archive-to-be; warnings name what it will not hold, or what could
    not be restored from it."""

    members: int
    bytes: int
    warnings: tuple[str, ...] = ()


def normal_paths(root: Path, paths: Sequence[str]) -> list[str]:
    """The paths relative to root, without those that another brings along: inside it and on the
    same file system. TreeError for one that leaves the root."""
    normal = []
    for path in paths:
        plain = os.path.normpath(path)
        if not path or path.startswith("/") or plain.split("/")[0] == ".." or "\0" in path:
            raise TreeError(
                f"{path!r} is no path inside the tree",
                "Correct `paths` of the source in the configuration.",
            )
        normal.append(plain)
    normal = list(dict.fromkeys(normal))
    return [p for p in normal if not any(_brings(root, q, p) for q in normal)]


def _brings(root: Path, folder: str, path: str) -> bool:
    if not within(path, folder):
        return False
    try:
        return (root / path).lstat().st_dev == (root / folder).lstat().st_dev
    except OSError:
        return False  # tar fails on it, with the reason


def within(path: str, folder: str) -> bool:
    """Whether path is strictly inside folder; both are normal paths."""
    return path != folder and (folder == "." or path.startswith(folder + "/"))


def twice(names: Sequence[str]) -> int:
    """How many of the paths tar meets twice: mount points named beside a folder around them."""
    return sum(any(within(p, q) for q in names) for p in names)


def survey(root: Path, paths: Sequence[str], exclude: Sequence[str]) -> Survey:
    """Walk the tree once, as tar will. What vanishes meanwhile is left out; what cannot be read
    is for tar to fail on."""
    names = normal_paths(root, paths)
    walk = _Walk(os.fsencode(root), excluder(exclude), frozenset(map(os.fsencode, names)))
    for name in names:
        walk.top(os.fsencode(name))
    size = -(-(walk.bytes + 1024) // RECORD) * RECORD
    return Survey(walk.members - twice(names), size, tuple(walk.warnings))


class _Walk:
    def __init__(self, root: bytes, excluded: Excluded, named: frozenset[bytes]) -> None:
        self.members = 0
        self.bytes = 0
        self.warnings: list[str] = []
        self._root = root
        self._excluded = excluded
        self._named = named
        self._linked: set[tuple[int, int]] = set()

    def top(self, name: bytes) -> None:
        path = self._root.rstrip(b"/") + b"/" + name
        try:
            found = os.lstat(path)
        except OSError:
            return  # tar fails on it, with the reason
        if self._excluded(name):
            return
        self._count(found)
        folders = [(path, name)] if stat.S_ISDIR(found.st_mode) else []
        while folders:
            for entry, member in self._entries(*folders.pop()):
                try:
                    below = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                self._count(below)
                if not stat.S_ISDIR(below.st_mode):
                    continue
                if below.st_dev == found.st_dev:
                    folders.append((entry.path, member))
                elif member.removeprefix(b"./") not in self._named:
                    self.warnings.append(
                        f"{shown(member)} is a file system of its own; its content is left out"
                    )

    def _entries(self, path: bytes, name: bytes) -> Iterator[tuple[os.DirEntry[bytes], bytes]]:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    member = name + b"/" + entry.name
                    if self._excluded(member):
                        continue
                    if len(member) > _PATH_LIMIT:
                        self._too_long(member)
                    yield entry, member
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
                self._too_long(name)

    def _too_long(self, name: bytes) -> None:
        self.warnings.append(
            f"{shown(name[:60])}... ({len(name)} bytes) is too long a path to be restored by tar"
        )

    def _count(self, found: os.stat_result) -> None:
        if stat.S_ISSOCK(found.st_mode):
            return
        self.members += 1
        self.bytes += _HEADERS
        if not stat.S_ISREG(found.st_mode):
            return
        if found.st_nlink > 1:
            link = (found.st_dev, found.st_ino)
            if link in self._linked:
                return
            self._linked.add(link)
        held = min(found.st_size, found.st_blocks * 512)
        self.bytes += -(-held // 512) * 512
