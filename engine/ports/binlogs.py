"""A server's binary logs: reading them, and replaying them into another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.core.binlog_shipping import Range, ServerLogs
from engine.core.commands import Command
from engine.core.errors import DatabaseError


class Binlogs(Protocol):
    """The binary logs of one server. Errors are DatabaseError's."""

    def status(self) -> ServerLogs:
        """What there is now. DatabaseError with binary logs off, or without the privilege."""

    def rotate(self) -> None:
        """Close the file in use and begin another (FLUSH BINARY LOGS)."""

    def read(self, part: Range) -> Command:
        """Writes the bytes of a range to stdout; fewer where the file has fewer: count them."""

    def decode(self) -> Command:
        """Reads one log from stdin, writes the SQL that does it again to stdout: the server's own
        mysqlbinlog or mariadb-binlog. DatabaseError where there is none."""

    def apply(self) -> Command:
        """Reads that SQL from stdin into the server, over one connection, unlogged where no
        replica needs it; fails at the first error."""

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What the last words of a replay that failed mean."""
