"""One MySQL or MariaDB server, and a dump of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from engine.core.commands import Command
from engine.core.errors import DatabaseError
from engine.core.snapshot import DatabaseFacts, TableFacts


class Dump(Protocol):
    """A consistent dump under way. Used as: open, run `command` in a pipe, `begun()` from
    another thread, then `tables()`, and `check()` after the pipe has ended."""

    @property
    def command(self) -> Command:
        """Writes the SQL to stdout."""

    @property
    def users_sql(self) -> bytes:
        """CREATE USER and GRANT statements for all but the system's accounts and roles."""

    def begun(self, timeout: float) -> None:
        """Wait until the dump reads from the same moment as `facts`, then let writers go on."""

    def facts(self) -> DatabaseFacts:
        """Position, schemas, object counts, row counts and checksums of that same moment. Runs
        beside the dump; may take as long."""

    def completion_marker(self) -> bytes:
        """What the last bytes of the stream must contain."""

    def check(self) -> Sequence[str]:
        """After the dump: raises DatabaseError for DDL during it; returns warnings."""

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What the last words of a dump that failed mean."""


class Database(Protocol):
    """One MySQL or MariaDB server, reached through its own client program. Errors are
    DatabaseError's. Credentials travel by pipes only."""

    def identify(self) -> DatabaseFacts:
        """Flavor and version by asking the server; no tables."""

    def wait_ready(self, timeout: float) -> None: ...

    def size(self) -> int:
        """Bytes of data, about those of a dump, for ETAs."""

    def dump(self, schemas: Sequence[str] | None = None) -> AbstractContextManager[Dump]: ...

    def present(self, schemas: Sequence[str]) -> Sequence[str]:
        """Which of these schemas there are now."""

    def drop(self, schemas: Sequence[str]) -> None:
        """Drop these schemas with all they hold; those that are not there are no error."""

    def load_command(self) -> Command:
        """Reads SQL from stdin into the server; fails at the first error. Building it stops the
        server's events until finish_load."""

    def load_users(self, users_sql: bytes) -> Sequence[str]:
        """Create users and grants; warnings for those that cannot be had here. The account we
        are logged in with is altered by finish_load."""

    def finish_load(self, facts: DatabaseFacts) -> Sequence[str]:
        """The last act of a load, after any comparison: GTID state, statistics, events run
        again, our own account as in the snapshot (this Database may not log in after it).
        Returns warnings."""

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What the last words of a load that failed mean."""

    def tables(self, like: DatabaseFacts) -> Sequence[TableFacts]:
        """Row counts and checksums now, of the tables that `like` names, with its method. A
        table that is missing here is missing in the answer."""

    def objects(self, schemas: Sequence[str]) -> Mapping[str, int]:
        """Counts of views, triggers, routines, events, users."""
