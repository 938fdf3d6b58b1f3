"""Looking at a tree as tar will see it: how many members, how many bytes, what stays out."""

from __future__ import annotations

import errno
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
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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
    is for tar to fail on. TreeError when there is no such root."""
    names = normal_paths(root, paths)
    excluded = excluder(exclude)
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TreeError(
            f"{root} cannot be read: {error.strerror}", "See that it is there, and run it as root."
        ) from error
    try:
        walk = _Walk(fd, excluded, frozenset(names))
        for name in names:
            walk.top(name)
    finally:
        os.close(fd)
    size = -(-(walk.bytes + 1024) // RECORD) * RECORD
    return Survey(walk.members - twice(names), size, tuple(walk.warnings))


class _Walk:
    """Opens folders by their path below the root, as tar does: only that has a limit."""

    def __init__(self, root: int, excluded: Excluded, named: frozenset[str]) -> None:
        self.members = 0
        self.bytes = 0
        self.warnings: list[str] = []
        self._root = root
        self._excluded = excluded
        self._named = named
        self._linked: set[tuple[int, int]] = set()

    def top(self, name: str) -> None:
        try:
            found = os.lstat(name, dir_fd=self._root)
        except OSError:
            return  # tar fails on it, with the reason
        if self._excluded(os.fsencode(name)):
            return
        self._count(found, name)
        folders = [name] if stat.S_ISDIR(found.st_mode) else []
        while folders:
            for entry, member in self._entries(folders.pop()):
                try:
                    below = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                self._count(below, member)
                if not stat.S_ISDIR(below.st_mode):
                    continue
                if below.st_dev == found.st_dev:
                    folders.append(member)
                elif member.removeprefix("./") not in self._named:
                    self._warn(member, "is a file system of its own; its content is left out")

    def _entries(self, folder: str) -> Iterator[tuple[os.DirEntry[str], str]]:
        try:
            fd = os.open(folder, _FOLDER, dir_fd=self._root)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                self._warn(folder, "is too long a path to be restored by tar")
            return
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    member = f"{folder}/{entry.name}"
                    if not self._excluded(os.fsencode(member)):
                        yield entry, member
        except OSError:
            return  # for tar to fail on
        finally:
            os.close(fd)

    def _warn(self, member: str, what: str) -> None:
        name = shown(os.fsencode(member))
        self.warnings.append(f"{name if len(name) < 500 else name[:100] + '...'} {what}")

    def _count(self, found: os.stat_result, member: str) -> None:
        if stat.S_ISSOCK(found.st_mode):
            return
        self.members += 1
        self.bytes += _HEADERS
        if not stat.S_ISREG(found.st_mode):
            if found.st_nlink > 1 and not (
                stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)
            ):
                self._warn(member, "has several names, which come back as separate ones")
            return
        if found.st_nlink > 1:
            link = (found.st_dev, found.st_ino)
            if link in self._linked:
                return
            self._linked.add(link)
        held = min(found.st_size, found.st_blocks * 512)
        self.bytes += -(-held // 512) * 512
