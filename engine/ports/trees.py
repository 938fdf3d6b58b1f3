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


class Trees(Protocol):
    """Files: volumes and configuration paths, by GNU tar. Errors are TreeError's."""

    def pack_command(
        self, root: Path, paths: Sequence[str], exclude: Sequence[str], listing_fd: str = ""
    ) -> Command:
        """Writes a tar of `paths` (relative to root) to stdout: numeric owners, ACLs, xattrs,
        hardlinks, sparse; exit 1 (changed as read) is a warning."""

    def counting(self, root: Path, paths: Sequence[str]) -> AbstractContextManager[MemberCounter]:
        """Count what a pack writes; the block must not end before tar has."""

    def unpack_command(self, root: Path) -> Command:
        """Reads a tar from stdin into root, everything as it was; fails on any member."""

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
