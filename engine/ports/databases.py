"""One MySQL or MariaDB server, and a dump of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from engine.core.commands import Command
from engine.core.dump_split import Statement
from engine.core.errors import DatabaseError
from engine.core.snapshot import BinlogPosition, DatabaseFacts, TableFacts
from engine.ports.binlogs import Binlogs


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


class PhysicalCopy(Protocol):
    """A copy of a server's files. Used as: keep `note` durably, `make`, run `command` in a pipe,
    `facts`, and `close` in any case."""

    @property
    def tool(self) -> str:
        """What makes it, with its version."""

    @property
    def artifact(self) -> str:
        """Name of the artifact that the stream becomes."""

    @property
    def note(self) -> str:
        """For `PhysicalWays.undo`, should this process die; empty when nothing would be left."""

    def make(self) -> None:
        """What must be done before the files can be streamed; may take as long as copying them
        once. NoSpace when there is no room for it."""

    @property
    def command(self) -> Command:
        """Writes the files to stdout."""

    def facts(self, stderr: Sequence[str]) -> DatabaseFacts:
        """After the stream has ended, from the last lines of `command`: DatabaseError when it is
        not whole. Row counts only where nothing was written meanwhile. Fills `warnings`."""

    @property
    def warnings(self) -> Sequence[str]: ...

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What the last words of a copy that failed mean."""

    def close(self) -> None:
        """Remove all that was made in the server. DatabaseError when something is left."""


class PhysicalWays(Protocol):
    """Copies of files, and servers that stand on one."""

    def copy(self) -> PhysicalCopy:
        """A copy of all of this server, not yet begun. DatabaseError, with what to do, where it
        cannot be had."""

    def undo(self, note: str) -> None:
        """Undo what a dead copy or load left: its `note`. No error when it is gone."""

    def await_answer(self, timeout: float) -> DatabaseFacts:
        """Until the server answers, with or without a network; DatabaseError after `timeout`
        seconds, and when it does not let us in."""

    def unreadable(self, schemas: Sequence[str]) -> Sequence[str]:
        """Sentences about tables and schemas that cannot be read."""

    def position(self) -> BinlogPosition | None:
        """Where the donor's binlog stood when the copy was taken that this server stands on; None
        where the server does not know."""


class Probes(Protocol):
    """Questions to a server that was restored for a test, and is thrown away after."""

    def damaged(self, tables: Sequence[tuple[str, str]]) -> Sequence[str]:
        """CHECK TABLE on each (schema, table): sentences about those that are not whole."""

    def round_trip(self) -> None:
        """In a schema of its own, dropped again: make, write, read, change and delete rows.
        DatabaseError when the server does not do it."""

    def ask(self, sql: str) -> str | None:
        """The first value of one statement's answer; None for no row or NULL."""


class Loading(Protocol):
    """A load by several connections, on a server that is made fast for it. Used as: keep `note`
    durably, `begin`, `take` each statement in the dump's order, `settle`, then finish_load of the
    Database; `close` in any case."""

    @property
    def note(self) -> str:
        """For `PhysicalWays.undo`, should this process die; empty when nothing would be left."""

    def begin(self) -> None:
        """Change the server's settings, stop its events, and connect."""

    def take(self, statement: Statement) -> None:
        """Run a statement where it belongs. DatabaseError of it or of any before."""

    def settle(self) -> None:
        """Wait for all that was taken, and hang up."""

    def close(self) -> None:
        """Hang up; put back what finish_load has not, on a server that others use."""


class Database(Protocol):
    """One MySQL or MariaDB server, reached through its own client program. Errors are
    DatabaseError's. Credentials travel by pipes only."""

    @property
    def physical(self) -> PhysicalWays: ...

    @property
    def probes(self) -> Probes: ...

    @property
    def binlogs(self) -> Binlogs: ...

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

    def loading(self, *, fresh: bool) -> Loading:
        """The same by several connections, statement by statement. fresh: nobody else uses the
        server, and it is thrown away if the load fails, so it need not be safe meanwhile."""

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
