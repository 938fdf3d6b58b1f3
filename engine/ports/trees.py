"""Files: volumes and configuration paths."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from engine.core.commands import Command


class MemberCounter(Protocol):
    """Counts the members that tar really packs; `members` is true once `counting` has ended."""

    members: int

    @property
    def listing(self) -> str:
        """What to give pack_command."""


class TreeSurvey(Protocol):
    """A walk over a tree: members and bytes as tar would write them, and what it leaves out."""

    @property
    def members(self) -> int: ...

    @property
    def bytes(self) -> int: ...

    @property
    def warnings(self) -> Sequence[str]: ...

    @property
    def left_out(self) -> int:
        """Sockets, and mount points inside."""


class SqliteCopies(Protocol):
    """Consistent copies of the SQLite files in a tree."""

    @property
    def logs(self) -> Sequence[str]:
        """Members that are left out of the archive for them."""

    databases: int

    @property
    def warnings(self) -> Sequence[str]:
        """The files that are packed as they are, and why."""

    def shown_to(self, command: Command) -> Command:
        """The pack command, run where the copies stand under the files' names and their logs are
        left out."""

    def unexpected(self, said: Sequence[str], root: Path) -> Sequence[str]:
        """The pack's warnings but those that a copied database's writer explains."""


class Trees(Protocol):
    """Files: volumes and configuration paths, by GNU tar. Errors are TreeError's."""

    def pack_command(
        self,
        root: Path,
        paths: Sequence[str],
        exclude: Sequence[str],
        listing_fd: str = "",
        changed_since: str = "",
    ) -> Command:
        """Writes a tar of `paths` (relative to root) to stdout: numeric owners, ACLs, xattrs,
        hardlinks, sparse; exit 1 (changed as read) is a warning.

        changed_since is the path of a snapshot file (GNU tar's listed incremental): where it
        exists, only what changed since it was written is packed; it then tells of this pack."""

    def sqlite_copies(
        self,
        root: Path,
        paths: Sequence[str],
        exclude: Sequence[str],
        places: Sequence[Path],
        owner: str,
    ) -> AbstractContextManager[SqliteCopies]:
        """Copies of the tree's SQLite files by the online backup, gone after the block. places:
        folders for them, one on the files' own file system serves; owner: who packs."""

    def follow_up(self, base: Path, root: Path, to: Path) -> None:
        """Make, at `to`, the snapshot file for an incremental pack from that of its base: so that
        no change is missed. TreeError when base's is not understood."""

    def strip_folders(self, root: Path) -> None:
        """Between two archives of a chain: take off the directories below root the attributes
        that the next one brings again, or that were taken off them."""

    def unsure(self, stderr: Sequence[str]) -> bool:
        """After an incremental pack: whether it may not restore, since directories moved under
        it. Then a full one is to be made."""

    def stamped_here(self, path: Path) -> bool:
        """Whether this machine's own clock stamps the files there."""

    def members_seen(
        self,
        snapshot_file: Path,
        root: Path,
        paths: Sequence[str],
        exclude: Sequence[str],
        without: Sequence[str] = (),
    ) -> int:
        """Members of the tree as the last pack by this snapshot file saw it, but for those of
        the names in `without`; those that no archive holds (sockets, what vanished) included."""

    def counting(self, root: Path, paths: Sequence[str]) -> AbstractContextManager[MemberCounter]:
        """Count what a pack writes; the block must not end before tar has."""

    def unpack_command(self, root: Path, *, incremental: bool = False) -> Command:
        """Reads a tar from stdin into root, everything as it was; fails on any member. An
        incremental one also removes and renames what was removed and renamed."""

    def list_command(self, listing: str) -> Command:
        """Reads a tar from stdin to its end and writes one line per member to the path `listing`
        (of `counting`); fails on what is no whole tar."""

    def compare_command(self, root: Path) -> Command:
        """Reads a tar from stdin and compares each member with what is below root: contents, type,
        mode, times, owners. Exit 1 with a line per difference on stderr."""

    def pack_warnings(self, stderr: Sequence[str], root: Path) -> Sequence[str]:
        """Files that vanished or changed while read, as sentences for the manifest. TreeError
        when one of them could in truth not be read."""

    def unpack_warnings(self, stderr: Sequence[str]) -> Sequence[str]:
        """Attributes that could not be set, as sentences."""

    def pack_error(self, stderr: Sequence[str]) -> Exception:
        """What made a pack fail, from its stderr."""

    def unpack_error(self, stderr: Sequence[str]) -> Exception:
        """What made an unpack fail, from its stderr; NoSpace for a full disk."""

    def survey(self, root: Path, paths: Sequence[str], exclude: Sequence[str]) -> TreeSurvey:
        """Walk the tree, quickly: for ETAs and for what a pack leaves out."""

    def count(self, root: Path, paths: Sequence[str]) -> int:
        """Members on disk now, counted as tar counts them (sockets left out)."""

    def exchange(self, new: Path, live: Path) -> None:
        """Swap two paths of one file system atomically (renameat2 RENAME_EXCHANGE)."""

    def free_bytes(self, path: Path) -> int: ...

    def sync(self, path: Path) -> None:
        """Make what was written below path durable."""
