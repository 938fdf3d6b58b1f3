"""SQLite files in a tree: found by their header and shown to tar as copies of one moment.

A file copied while it is written is torn, and so is one whose write-ahead log is read at another
moment. Each is copied by SQLite's online backup, beside the tree on the same file system; tar
then runs in a mount namespace of its own in which the copies stand under the files' names, and
leaves their logs out: a copy needs none, and one of another moment would ruin it. Nobody else
sees that, and nothing in the tree is touched.

File format: https://www.sqlite.org/fileformat2.html (header, and 18-19: 2 for write-ahead logs).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.adapters import command as commands
from engine.adapters import volume_exclude, volume_kernel
from engine.adapters.volume_words import shown
from engine.core.commands import Command

_MAGIC = b"SQLite format 3\0"
_PAGE = 512  # the smallest page: a database's size is a multiple of it
_LOGS = ("-wal", "-shm", "-journal")
_BUSY_SECONDS = 30.0  # for a writer to let go
_TRIES = 3
_FIND_SECONDS = 600.0
_CAP_SYS_ADMIN = 21
# Pairs of paths up to `--`, then the command; exec keeps its process id and its exit code.
_SCRIPT = (
    'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 2; shift 2; done; shift; exec "$@"'
)


@dataclass(slots=True)
class SqliteCopies:
    """binds are (copy, file in the tree), logs the members that are left out; warnings name the
    files that are packed as they are. changing: folders that writers' logs come and go in."""

    binds: list[tuple[Path, Path]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    changing: set[Path] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    databases: int = 0

    def shown_to(self, command: Command) -> Command:
        """The command, run where the copies stand under the names of the files."""
        if not self.binds:
            return command
        pairs = [str(path) for pair in self.binds for path in pair]
        at = command.argv.index("--no-unquote")
        left_out = ("--no-wildcards", "--anchored", *(f"--exclude={log}" for log in self.logs))
        packing = (*command.argv[:at], *left_out, *command.argv[at:])
        space = ("unshare", "--mount", "--propagation=private", "sh", "-c", _SCRIPT, "sh")
        return replace(command, argv=(*space, *pairs, "--", *packing))

    def unexpected(self, said: Sequence[str], root: Path) -> list[str]:
        """The sentences but those of folders that change because a writer's log comes and goes."""
        folders = (os.fsencode(os.path.relpath(folder, root)) for folder in self.changing)
        harmless = {f"{shown(folder)} changed while it was read" for folder in folders}
        return [line for line in said if line not in harmless]


@contextlib.contextmanager
def copies(
    root: Path, paths: Sequence[str], exclude: Sequence[str], places: Sequence[Path], owner: str
) -> Iterator[SqliteCopies]:
    """Copies of every SQLite file in the tree, gone after the block. places: folders to keep them
    in, the first on a file's own file system serves. owner names who packs, one at a time."""
    made = SqliteCopies()
    found = list(_databases(root, paths, exclude))
    with contextlib.ExitStack() as stack:
        if found and not _may_mount():
            made.warnings += [f"{f} is a SQLite file, copied as it is: not root" for f in found]
            found = []
        folders: dict[int, Path | None] = {}
        for number, file in enumerate(found):
            try:
                device = file.stat().st_dev
                if device not in folders:
                    folders[device] = _folder(stack, device, places, owner)
                if _take(made, file, folders[device], number):
                    made.logs += [f"{_member(root, paths, file)}{suffix}" for suffix in _LOGS]
            except (OSError, sqlite3.Error, TimeoutError) as error:
                made.warnings.append(f"{file} is a SQLite file, copied as it is: {error}")
        yield made


def _databases(root: Path, paths: Sequence[str], exclude: Sequence[str]) -> Iterator[Path]:
    """By their header; hard links are left out, since a copy has one name only."""
    tops = [str(root / path) for path in paths]
    argv = ("find", *tops, "-xdev", "-type", "f", "-links", "1", "-size", "+0", "-printf")
    asked = Command((*argv, r"%s %p\0"), "find")
    ended = commands.run(asked, timeout=_FIND_SECONDS, check=False)
    excluded = volume_exclude.excluder(exclude)
    for entry in ended.stdout.split(b"\0"):
        size, _, name = entry.partition(b" ")
        if not name or int(size) % _PAGE or name.endswith(tuple(x.encode() for x in _LOGS)):
            continue
        if not excluded(os.fsencode(os.path.relpath(name, os.fsencode(root)))) and _is_one(name):
            yield Path(os.fsdecode(name))


def _is_one(name: bytes) -> bool:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME)
    except OSError:
        return False
    try:
        return os.read(fd, len(_MAGIC)) == _MAGIC
    finally:
        os.close(fd)


def _may_mount() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:") and not int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1:
            return False
    probe = Command(("unshare", "--mount", "--propagation=private", "true"), "unshare")
    return commands.run(probe, timeout=10, check=False).ok


def _folder(
    stack: contextlib.ExitStack, device: int, places: Sequence[Path], owner: str
) -> Path | None:
    """A private folder on this file system; what a killed run of the same owner left is removed."""
    prefix = f".mentat-dr-sqlite-{hashlib.sha256(owner.encode()).hexdigest()[:12]}-"
    for place in places:
        try:
            if place.stat().st_dev != device:
                continue
            for left in place.glob(f"{prefix}*"):
                shutil.rmtree(left, ignore_errors=True)
            made = tempfile.TemporaryDirectory(prefix=prefix, dir=place)
        except OSError:
            continue
        return Path(stack.enter_context(made))
    return None


def _member(root: Path, paths: Sequence[str], file: Path) -> str:
    """The file's name in the archive."""
    relative = os.path.relpath(file, root)
    return f"./{relative}" if "." in [os.path.normpath(path) for path in paths] else relative


def _take(made: SqliteCopies, file: Path, folder: Path | None, number: int) -> bool:
    if folder is None:
        raise OSError("there is no folder of ours on its file system to copy it to")
    if volume_kernel.free_bytes(folder) < file.stat().st_size:
        raise OSError("there is no room to copy it to")
    target = folder / str(number)
    if not _copy(file, target):
        return False
    _belongs_alike(file, target)
    made.binds.append((target, file))
    made.changing.add(file.parent)
    made.databases += 1
    return True


def _copy(file: Path, target: Path) -> bool:
    """One moment of the database. False where the file with its log is that already: nobody has
    it open, and its next reader recovers it."""
    for _ in range(_TRIES):
        log, index = (file.with_name(file.name + suffix) for suffix in ("-wal", "-shm"))
        logged = _size(log)
        if _write_ahead(file) and logged and not index.exists():
            return False
        # A log that nobody holds open must not be made by us: it would belong to root.
        alone = _write_ahead(file) and not logged and not index.exists()
        _online_backup(file, target, "immutable=1" if alone else "mode=ro")
        if not alone or not (_size(log) or index.exists()):
            return True
        target.unlink(missing_ok=True)
    raise OSError("it was opened and closed again and again while it was copied")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _write_ahead(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(20)[18:] == b"\2\2"


def _online_backup(file: Path, target: Path, how: str) -> None:
    until = time.monotonic() + _BUSY_SECONDS

    def watch(_status: int, _left: int, _pages: int) -> None:
        if time.monotonic() > until:
            raise TimeoutError("its writer did not let go of it")

    source = sqlite3.connect(f"file:{_quoted(file)}?{how}", uri=True, timeout=_BUSY_SECONDS)
    try:
        copy = sqlite3.connect(target)
        try:
            copy.execute("PRAGMA synchronous = OFF")
            # All pages in one step: a writer cannot come between two of them.
            source.backup(copy, pages=-1, progress=watch)
        finally:
            copy.close()
    finally:
        source.close()


def _quoted(file: Path) -> str:
    from urllib.parse import quote

    return quote(os.fsencode(file))


def _belongs_alike(original: Path, copy: Path) -> None:
    """Owner, mode, times and attributes as the original's."""
    found = original.stat()
    os.chown(copy, found.st_uid, found.st_gid)
    copy.chmod(found.st_mode & 0o7777)
    for name in os.listxattr(original):
        with contextlib.suppress(OSError):
            os.setxattr(copy, name, os.getxattr(original, name))
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
