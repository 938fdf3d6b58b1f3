"""What every way to copy a server's files asks of the server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.adapters.command import run
from engine.adapters.database.checksums import count_query
from engine.adapters.database.dialect import Dialect
from engine.adapters.database.failures import PRIVILEGE, ServerSaid
from engine.adapters.database.layout import Layout, count_objects, read_layout, schema_names
from engine.adapters.database.programs import Launcher
from engine.adapters.database.session import Session
from engine.core.commands import Command, Ended
from engine.core.errors import CommandFailed, DatabaseError
from engine.core.snapshot import BinlogPosition, DatabaseFacts, TableFacts

_PAGES = "its pages carry checksums of their own, which the server proves"


@dataclass(frozen=True, slots=True)
class Reach:
    """A server whose files are to be copied, and how programs are started beside it."""

    session: Callable[[], Session]
    launcher: Launcher
    dialect: Callable[[], Dialect]
    name: str

    def require_files(self, facts: DatabaseFacts) -> None:
        """A server in no container must run on this machine: a folder of the same name here may
        be another server's. DatabaseError otherwise."""
        login = self.launcher.login
        if self.launcher.run_in is not None:
            return
        with self.session() as session:
            told = session.value("SELECT @@hostname") or ""
        if login.host or told != socket.gethostname() or not Path(facts.data_directory).is_dir():
            raise DatabaseError(
                f"{self.name}: its files are not on this machine, or not known to be",
                "Reach it by `socket` or `container` on the machine it runs on, or use "
                "`--method logical`.",
            )

    def beside(self, argv: Sequence[str], label: str) -> Command:
        """A program started where the server's files are."""
        if self.launcher.run_in is None:
            return Command(tuple(argv), label=label)
        return self.launcher.run_in(argv, label, self.launcher.marker)

    def run_beside(self, argv: Sequence[str], label: str, timeout: float = 120) -> Ended:
        """Run it to its end; DatabaseError with its last words when it fails."""
        try:
            return run(self.beside(argv, label), timeout=timeout)
        except CommandFailed as error:
            raise DatabaseError(f"{self.name}: {error.message}", error.remedy) from error

    def position(self, session: Session) -> BinlogPosition | None:
        """Where the binlog stands; None with binlogs off, or without the privilege."""
        try:
            return self.dialect().position(session)
        except ServerSaid as error:
            if error.number not in PRIVILEGE:
                raise
            return None

    def layout(self) -> tuple[tuple[str, ...], Layout]:
        with self.session() as session:
            schemas = tuple(schema_names(session))
            return schemas, read_layout(session, schemas)

    def facts(
        self,
        base: DatabaseFacts,
        before: tuple[tuple[str, ...], Layout],
        position: BinlogPosition | None,
        warnings: list[str],
    ) -> DatabaseFacts:
        """What is known of the copy once it is made, `position` being where the binlog stood at
        its moment: row counts where nothing was written from then until now, counts of objects
        where no DDL came between."""
        with self.session() as session:
            session.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            still = position is not None and self._same(self.position(session), position)
            schemas = tuple(schema_names(session))
            after = read_layout(session, schemas)
            tables = self._counts(session, after) if still else ()
            users = len(self.dialect().accounts(session))
        objects = count_objects(after, users)
        if (schemas, count_objects(after, 0)) != (before[0], count_objects(before[1], 0)):
            warnings.append(
                "tables or other objects came or went while the files were copied: how many there "
                "are in the snapshot is not known"
            )
            schemas, objects, tables = (), {}, ()
        return replace(base, position=position, schemas=schemas, tables=tables, objects=objects)

    @staticmethod
    def _same(one: BinlogPosition | None, other: BinlogPosition) -> bool:
        return one is not None and (one.file, one.position) == (other.file, other.position)

    @staticmethod
    def _counts(session: Session, layout: Layout) -> tuple[TableFacts, ...]:
        counted = []
        for table in layout.tables.values():
            if table.transactional:
                rows = session.value(count_query(table.schema, table.name), None)
                counted.append(TableFacts(table.schema, table.name, int(rows or 0), None, _PAGES))
        return tuple(counted)
