"""A logical dump: `engine.ports.Dump`. How its moment is made stands in moment.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.adapters.database.checksums import checksum_query, count_query, render
from engine.adapters.database.failures import ServerSaid, from_output
from engine.adapters.database.layout import (
    Layout,
    Table,
    count_objects,
    object_changes,
    read_layout,
    table_changes,
)
from engine.adapters.database.moment import Moment
from engine.adapters.database.session import Session
from engine.core.commands import Command
from engine.core.errors import DatabaseError
from engine.core.snapshot import DatabaseFacts, TableFacts

_MARKER = b"-- Dump completed"
# "Table definition has changed", "doesn't exist", "unknown column", "no such database"
_DDL_ERRORS = frozenset({1412, 1146, 1054, 1049})
_AGAIN = "Run the backup again when no migration runs."


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
        if error.number in _DDL_ERRORS:
            raise DatabaseError(f"{table} was changed while it was read", _AGAIN) from error
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
    """One dump under way. Made by Server.dump, which closes its sessions."""

    moment: Moment
    base: DatabaseFacts  # flavor and version; no tables
    schemas: tuple[str, ...]
    command: Command
    users_sql: bytes = field(repr=False)  # holds hashes of passwords
    users: int
    monitor: Callable[[], Session]
    checksums: bool
    history: bool
    warnings: list[str] = field(default_factory=list)
    _layout: Layout = field(default_factory=Layout)
    _started: threading.Event = field(default_factory=threading.Event)

    def completion_marker(self) -> bytes:
        return _MARKER

    def begun(self, timeout: float) -> None:
        self.moment.await_gate(time.monotonic() + timeout)
        self._layout = read_layout(self.moment.control, self.schemas)
        self.moment.take(list(self._layout.tables))
        self._started.set()

    def _require_begun(self) -> None:
        if not self._started.is_set():
            raise DatabaseError("the dump has not begun", "Call begun() first.")

    def facts(self) -> DatabaseFacts:
        """Tables without snapshots (MyISAM) are not in it: nothing is known of their moment."""
        self._require_begun()
        tables: list[TableFacts] = []
        for table in self._layout.tables.values():
            if not table.transactional:
                self.warnings.append(
                    f"{table} uses {table.engine}, which has no snapshots: rows written during "
                    "the dump may be in it in part, and there is no row count for it"
                )
            elif self.moment.proven:
                counted, warnings = count_and_sum(
                    self.moment.reader, table, self.checksums, self.history
                )
                self.warnings += warnings
                tables.append(counted)
        self.moment.reader.query("ROLLBACK")
        return DatabaseFacts(
            self.base.flavor,
            self.base.version,
            server_uuid=self.base.server_uuid,
            position=self.moment.position,
            schemas=self.schemas,
            tables=tuple(tables),
            objects=count_objects(self._layout, self.users),
            data_directory=self.base.data_directory,
        )

    def check(self) -> Sequence[str]:
        self._require_begun()
        with self.monitor() as session:
            after = read_layout(session, self.schemas)
            self._check_connection(session)
        changed = table_changes(self._layout, after)
        if changed:
            raise DatabaseError(
                f"tables changed while the dump ran: {'; '.join(changed[:10])}", _AGAIN
            )
        return [*self.warnings, *self.moment.warnings, *object_changes(self._layout, after)]

    def _check_connection(self, session: Session) -> None:
        """The connection whose snapshot we waited for must have ended with the dump."""
        if not self.moment.connection:
            return
        sql = (
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
            f"WHERE ID = {self.moment.connection} AND COMMAND <> 'Killed'"
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
        return from_output(stderr, "the dump failed")
