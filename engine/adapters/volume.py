"""Files by GNU tar: what a volume or a configuration path holds, out and back in as it was."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.adapters import volume_exclude, volume_kernel, volume_walk
from engine.adapters.volume_walk import RECORD, Survey
from engine.adapters.volume_words import failures, sentences, shown, shrunk
from engine.core.commands import Command
from engine.core.errors import NoSpace, TreeError

_C = {"LC_ALL": "C", "LANG": "C"}  # messages in English, names in ASCII: volume_words reads them
_BLOCKING = f"--blocking-factor={RECORD // 512}"
_LOST = "See the kernel's log for the disk (dmesg). `exclude` leaves a lost file out."
_EVERYTHING = ("--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner")


class MemberCount:
    """Counts what tar lists while it packs. `members` is true once `counting` has ended."""

    def __init__(self, twice: int = 0) -> None:
        self.members = -twice
        self._source, self._sink = os.pipe()
        self._thread = threading.Thread(target=self._count, name="members", daemon=True)
        self._thread.start()

    @property
    def listing(self) -> str:
        """For pack_command: a path by which tar reaches the counter without inheriting it."""
        return f"/proc/{os.getpid()}/fd/{self._sink}"

    def _count(self) -> None:
        while chunk := os.read(self._source, 1 << 16):
            self.members += chunk.count(b"\n")

    def close(self) -> None:
        os.close(self._sink)
        self._thread.join()
        os.close(self._source)


class GnuTar:
    """The port Trees, by GNU tar 1.31 or newer (older ones took a file of no blocks for empty).

    A tree stays on its file system: what is mounted inside is left out, with a warning, unless
    its own path is among `paths`.
    """

    def pack_command(
        self, root: Path, paths: Sequence[str], exclude: Sequence[str], listing_fd: str = ""
    ) -> Command:
        """See the port. listing_fd is a path, for one line per member: `MemberCount.listing`.

        Exit 1: files vanished or changed while read. A file that cannot be read is exit 2."""
        names = volume_walk.normal_paths(root, paths)
        excluded = volume_exclude.excluder(exclude)
        for name in names:
            if excluded(os.fsencode(name)):
                raise TreeError(
                    f"the exclude patterns leave nothing of {root / name}",
                    "Correct `exclude` of the source in the configuration.",
                )
        listing = ("--verbose", f"--index-file={listing_fd}") if listing_fd else ()
        argv = (
            *("tar", "--create", "--file=-", "--format=posix", _BLOCKING, *_EVERYTHING),
            *("--sparse", "--one-file-system", "--sort=inode", "--quoting-style=escape"),
            *_quiet_reading(root),
            *listing,
            f"--directory={root}",
            *volume_exclude.tar_exclusions(exclude),
            *("--no-unquote", "--", *names),
        )
        return Command(argv, "tar", env=_C, warn_exits=frozenset({1}))

    def unpack_command(self, root: Path) -> Command:
        """See the port. Names that would leave root are refused, by tar. Owners need root: without
        it the files belong to who restores them."""
        owner = "--same-owner" if os.geteuid() == 0 else "--no-same-owner"
        argv = (
            *("tar", "--extract", "--file=-", _BLOCKING, *_EVERYTHING, owner),
            *("--same-permissions", "--sparse"),
            *("--warning=no-timestamp", "--quoting-style=escape", f"--directory={root}"),
        )
        return Command(argv, "tar", env=_C)

    def pack_warnings(self, stderr: Sequence[str], root: Path) -> Sequence[str]:
        """See the port. tar says of a file that breaks off in a read error that it shrank, and
        fills it with zeros: so those that shrank are read again, and a lost one is a TreeError."""
        for name in shrunk(stderr):
            _require_readable(os.fsencode(root) + b"/" + name)
        return sentences(stderr)

    def unpack_warnings(self, stderr: Sequence[str]) -> Sequence[str]:
        """Attributes that could not be set here, as sentences; tar ends with 0 all the same."""
        found = sentences(stderr)
        if os.geteuid():
            found.append("owners were not restored, since this does not run as root")
        return found

    def pack_error(self, stderr: Sequence[str]) -> Exception:
        first, more = _first(failures(stderr))
        if "No such file" in first:
            remedy = "It was there when the job began: see what removed it, then try again."
        elif "Permission denied" in first or "not permitted" in first:
            remedy = "Run it as root."
        else:
            remedy = _LOST
        return TreeError(f"not everything could be read: {first}{more}", remedy)

    def unpack_error(self, stderr: Sequence[str]) -> Exception:
        first, more = _first(failures(stderr))
        # A write that ends short is how tar often meets the end of the disk.
        if any(words in first for words in ("No space left", "quota exceeded", "Wrote only")):
            return NoSpace(
                f"the disk is full: {first}{more}", "Free space or choose another target."
            )
        remedy = "Choose a target on a local Linux file system, and run it as root."
        return TreeError(f"not everything could be restored: {first}{more}", remedy)

    @contextlib.contextmanager
    def counting(self, root: Path, paths: Sequence[str]) -> Iterator[MemberCount]:
        """Count the members that tar really packs: give `.listing` to pack_command, and read
        `.members` after the block, which must not end before tar has."""
        counter = MemberCount(volume_walk.twice(volume_walk.normal_paths(root, paths)))
        try:
            yield counter
        finally:
            counter.close()

    def survey(self, root: Path, paths: Sequence[str], exclude: Sequence[str]) -> Survey:
        """What pack_command would write, and warnings of what it leaves out."""
        return volume_walk.survey(root, paths, exclude)

    def count(self, root: Path, paths: Sequence[str]) -> int:
        return self.survey(root, paths, ()).members

    def exchange(self, new: Path, live: Path) -> None:
        volume_kernel.exchange(new, live)

    def free_bytes(self, path: Path) -> int:
        return volume_kernel.free_bytes(path)

    def sync(self, path: Path) -> None:
        volume_kernel.sync(path)


def _require_readable(path: bytes) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # gone since: it had shrunk
    try:
        while os.read(fd, 1 << 20):
            pass
    except OSError as error:
        raise TreeError(
            f"not everything could be read: {shown(path)}: {error.strerror}", _LOST
        ) from error
    finally:
        os.close(fd)


def _first(failed: Sequence[str]) -> tuple[str, str]:
    if not failed:
        return "tar does not say why", ""
    return failed[0], f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""


def _quiet_reading(root: Path) -> tuple[str, ...]:
    """Leave access times alone where the kernel lets us: tar gives up where it does not."""
    try:
        os.close(os.open(root, os.O_RDONLY | os.O_NOATIME | os.O_CLOEXEC))
    except OSError:
        return ()
    return ("--atime-preserve=system",) if os.geteuid() == 0 else ()
