"""A logical dump whose data, row counts, checksums and binlog position are of one moment.

How the moment is made: the dump program is started but waits at its gate (a user lock that our
session holds). Then, in `begun`: a global read lock, the position, our own snapshot, the gate
opened; as soon as the dump's own snapshot is seen, the lock is released. So writers wait for a
dump program's start, about 0.2 s, however long the pipeline took to be built. The lock belongs to
a client whose stdin is ours: if this process dies, it is gone.

DDL is not held off while the dump runs (LOCK INSTANCE FOR BACKUP and BACKUP LOCK could): a
deployment that hangs for the length of a dump is worse than a dump that says it must be repeated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.adapters.database.checksums import checksum_query, count_query, render
from engine.adapters.database.dialect import Dialect
from engine.adapters.database.failures import PRIVILEGE, ServerSaid, from_output
from engine.adapters.database.layout import (
    Layout,
    Table,
    count_objects,
    object_changes,
    read_layout,
    table_changes,
)
from engine.adapters.database.quoting import quote_text
from engine.adapters.database.session import Session
from engine.core.commands import Command
from engine.core.errors import DatabaseError
from engine.core.snapshot import BinlogPosition, DatabaseFacts, TableFacts

LOCK_ATTEMPTS = 3
LOCK_SECONDS = 5  # one attempt; writers queue behind it meanwhile
LOCK_PAUSE = 3.0
HOLD_SECONDS = 10.0  # from the lock to the dump's snapshot
# The server refreshes its list of transactions only if nobody read it for 0.1 s.
_POLL = 0.12
_MARKER = b"-- Dump completed"
_LOCK_TIMEOUT = 1205


def count_and_sum(
    session: Session, table: Table, checksums: bool, history: bool
) -> tuple[TableFacts, list[str]]:
    """Rows and checksum of one table in the session's snapshot, and warnings.

    Metadata locks go with a savepoint: held to the end they would make the application's DDL,
    and everything behind it, wait for us.
    """
    session.query("SAVEPOINT mentat_dr")
    try:
        return _count_and_sum(session, table, checksums, history)
    finally:
        if not session.closed:
            session.query("ROLLBACK TO SAVEPOINT mentat_dr")


def _count_and_sum(
    session: Session, table: Table, checksums: bool, history: bool
) -> tuple[TableFacts, list[str]]:
    if not checksums:
        rows = int(session.value(count_query(table.schema, table.name), None) or 0)
        return TableFacts(table.schema, table.name, rows, None, "checksums are switched off"), []
    past = history and table.versioned
    sql = checksum_query(table.schema, table.name, table.columns, past)
    try:
        ((count, total, inexact),) = session.query(sql, None)
    except ServerSaid as error:
        if session.closed or error.number == 0:
            raise
        rows = int(session.value(count_query(table.schema, table.name), None) or 0)
        return TableFacts(table.schema, table.name, rows, None, error.message), []
    checksum = render(total)
    why = "" if checksum else "a row is longer than the server's max_allowed_packet"
    warnings = []
    if inexact and float(inexact) > 0:
        warnings.append(
            f"{table}: {int(float(inexact))} FLOAT values have more digits than the server prints; "
            "a logical dump rounds them to 6 digits (use DOUBLE, or a physical backup)"
        )
    return TableFacts(table.schema, table.name, int(count or 0), checksum, why), warnings


@dataclass
class ServerDump:
    """One dump under way; `engine.ports.Dump`. Made by Server.dump, which closes it."""

    dialect: Dialect
    base: DatabaseFacts  # flavor and version; no tables
    schemas: tuple[str, ...]
    command: Command
    users_sql: bytes
    users: int
    gate: str
    control: Session  # holds the gate, then the global lock
    reader: Session  # holds the snapshot that facts are read from
    monitor: Callable[[], Session]
    checksums: bool
    history: bool
    warnings: list[str] = field(default_factory=list)
    _layout: Layout = field(default_factory=Layout)
    _position: BinlogPosition | None = None
    _connection: int = 0
    _proven: bool = False
    _started: threading.Event = field(default_factory=threading.Event)

    def completion_marker(self) -> bytes:
        return _MARKER

    # ------------------------------------------------------------ the moment

    def begun(self, timeout: float) -> None:
        self._await_gate(time.monotonic() + timeout)
        self._layout = read_layout(self.control, self.schemas)
        locked = self._lock()
        try:
            before = self._read_position()
            self.reader.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self.reader.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            self._position = before
            seen = self._open_gate()
            if not locked:
                # Nothing was written between the two snapshots if the binlog stands still.
                self._proven = seen and before is not None and before == self._read_position()
        finally:
            if not self.control.closed:
                self.control.query("UNLOCK TABLES")
        if locked and not seen:
            raise DatabaseError(
                f"the dump did not start to read within {HOLD_SECONDS:g} s; writers were let go",
                "See the server's load and the dump's own message, then run it again.",
            )
        self._proven = self._proven or locked
        if not self._proven:
            self._position = None
            self.warnings.append(
                "the dump is consistent, but its moment is not proven to be that of the row "
                "counts: there are no checksums and no binlog position for this snapshot"
            )
        self._started.set()

    def _await_gate(self, deadline: float) -> None:
        """Until the dump's gatekeeper waits for our lock."""
        while not self._waits_at(self.gate):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    "the dump program did not connect to the server in time",
                    "See its own message in the job's journal.",
                )
            time.sleep(0.03)

    def _waits_at(self, gate: str) -> bool:
        pattern = quote_text(f"SELECT GET_LOCK('{gate}',%")
        sql = (
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
            f"WHERE INFO LIKE {pattern} AND ID <> CONNECTION_ID()"
        )
        return self.control.value(sql, 10) != "0"

    def _lock(self) -> bool:
        """Take the global read lock. False, with a warning, when it cannot be had."""
        self.control.attempt(f"SET SESSION lock_wait_timeout={LOCK_SECONDS}")
        for attempt in range(LOCK_ATTEMPTS):
            if attempt:
                time.sleep(LOCK_PAUSE)  # let the writers through that queued behind us
            refused = self.control.attempt("FLUSH TABLES WITH READ LOCK", LOCK_SECONDS + 10)
            if refused is None:
                return True
            if refused.number in PRIVILEGE or refused.number == 1045:
                self.warnings.append(
                    "this account may not take a global read lock (RELOAD), so the dump ran "
                    f"without one: {refused.message}"
                )
                return False
            if refused.number != _LOCK_TIMEOUT:
                raise refused
        self.warnings.append(
            f"no global read lock in {LOCK_ATTEMPTS} attempts of {LOCK_SECONDS} s, because of long "
            f"statements ({self._long_statements()}); the dump ran without one"
        )
        return False

    def _long_statements(self) -> str:
        rows = self.control.query(
            "SELECT ID, HEX(USER), TIME FROM information_schema.PROCESSLIST "
            f"WHERE COMMAND IN ('Query','Execute') AND TIME >= {LOCK_SECONDS} "
            "AND ID <> CONNECTION_ID() ORDER BY TIME DESC LIMIT 3"
        )
        told = [
            f"connection {row[0]} of {bytes.fromhex(row[1] or '').decode('utf-8', 'replace')}, "
            f"{row[2]} s"
            for row in rows
        ]
        return "; ".join(told) or "gone by now"

    def _read_position(self) -> BinlogPosition | None:
        try:
            return self.dialect.position(self.control)
        except ServerSaid as error:
            if error.number not in PRIVILEGE:
                raise
            told = f"the binlog position is unknown: {error.message}"
            if told not in self.warnings:
                self.warnings.append(told)
            return None

    def _open_gate(self) -> bool:
        """Let the dump start and wait until its snapshot is open, or closed again. False when
        neither was seen in time."""
        own = [int(s.value("SELECT CONNECTION_ID()") or 0) for s in (self.control, self.reader)]
        newest = int(self.control.value("SELECT MAX(ID) FROM information_schema.PROCESSLIST") or 0)
        restore = self._raise_write_timeout()
        deadline = time.monotonic() + HOLD_SECONDS
        try:
            self.control.query(f"SELECT RELEASE_LOCK('{self.gate}')", 10)
            while time.monotonic() < deadline:
                found = self._dump_connections(newest, own)
                if found is None:
                    return False
                if len(found) == 1:
                    self._connection = found[0]
                    return True
                if self._waits_at(f"{self.gate}-end"):
                    return True
                time.sleep(_POLL)
            return False
        finally:
            self.control.attempt(f"SELECT RELEASE_LOCK('{self.gate}-end')")
            if restore:
                self.control.attempt(restore)

    def _dump_connections(self, newest: int, own: Sequence[int]) -> list[int] | None:
        """None when this account may not see transactions (PROCESS)."""
        try:
            return self.dialect.dump_connections(self.control, newest, own)
        except ServerSaid as error:
            if error.number not in PRIVILEGE:
                raise
            self.warnings.append(f"the dump's snapshot cannot be watched: {error.message}")
            return None

    def _raise_write_timeout(self) -> str:
        """The dump copies this global when it connects. Returns the statement that puts it back."""
        if not self.dialect.raises_write_timeout:
            return ""
        before = self.control.value("SELECT @@GLOBAL.net_write_timeout") or "60"
        if self.control.attempt("SET GLOBAL net_write_timeout=3600"):
            return ""
        return f"SET GLOBAL net_write_timeout={int(before)}"

    # ------------------------------------------------------------ its facts

    def facts(self) -> DatabaseFacts:
        if not self._started.is_set():
            raise DatabaseError("the dump has not begun", "Call begun() first.")
        tables: list[TableFacts] = []
        for table in self._layout.tables.values():
            tables.append(self._table(table))
        self.reader.query("ROLLBACK")
        return DatabaseFacts(
            self.base.flavor,
            self.base.version,
            server_uuid=self.base.server_uuid,
            position=self._position,
            schemas=self.schemas,
            tables=tuple(tables),
            objects=count_objects(self._layout, self.users),
            data_directory=self.base.data_directory,
        )

    def _table(self, table: Table) -> TableFacts:
        if not self._proven:
            return TableFacts(table.schema, table.name, 0, None, "the dump's moment is not proven")
        if not table.transactional:
            self.warnings.append(
                f"{table} uses {table.engine}, which has no snapshots: rows written during the "
                "dump may be in it in part"
            )
        checksums = self.checksums and table.transactional
        facts, warnings = count_and_sum(self.reader, table, checksums, self.history)
        self.warnings += warnings
        if self.checksums and not table.transactional:
            why = f"{table.engine} has no snapshots"
            return TableFacts(table.schema, table.name, facts.rows, None, why)
        return facts

    # ------------------------------------------------------------ afterwards

    def check(self) -> Sequence[str]:
        if not self._started.is_set():
            raise DatabaseError("the dump has not begun", "Call begun() first.")
        with self.monitor() as session:
            after = read_layout(session, self.schemas)
            self._check_connection(session)
        changed = table_changes(self._layout, after)
        if changed:
            raise DatabaseError(
                f"tables changed while the dump ran: {'; '.join(changed[:10])}",
                "Run the backup again when no migration runs.",
            )
        return [*self.warnings, *object_changes(self._layout, after)]

    def _check_connection(self, session: Session) -> None:
        """The connection whose snapshot we waited for must have ended with the dump."""
        if not self._connection:
            return
        sql = (
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
            f"WHERE ID = {self._connection} AND COMMAND <> 'Killed'"
        )
        deadline = time.monotonic() + 5
        while session.value(sql, 10) != "0":
            if time.monotonic() > deadline:
                raise DatabaseError(
                    "the dump's connection was mistaken for another one of the same account",
                    "Run it again; give the backup an account of its own.",
                )
            time.sleep(0.2)

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What the dump program's last words mean."""
        return from_output(stderr, "the dump failed")

    def close(self) -> None:
        """Release every lock and snapshot; safe at any time, from any thread."""
        self.control.close()
        self.reader.close()
