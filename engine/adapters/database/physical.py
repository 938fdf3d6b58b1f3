"""Copies of a server's files: `engine.ports.PhysicalWays`.

physical_stream   mariadb-backup and XtraBackup, which stream while the server writes
physical_clone    MySQL's CLONE plugin, which makes a folder first
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.adapters.command import run
from engine.adapters.database import load_server, physical_clone, physical_stream
from engine.adapters.database.dialect import Dialect
from engine.adapters.database.failures import ACCESS, PRIVILEGE, ServerSaid
from engine.adapters.database.layout import read_layout, schema_names
from engine.adapters.database.physical_reach import Reach
from engine.adapters.database.programs import Launcher
from engine.adapters.database.quoting import quote_name
from engine.adapters.database.session import Session
from engine.core.commands import Command
from engine.core.errors import CommandFailed, DatabaseError
from engine.core.physical import mismatch
from engine.core.snapshot import BinlogPosition, DatabaseFacts

_RETRY = 0.3
_LOGICAL = "Use a logical backup for this source (`--method logical`), or {}."
_VERSION = re.compile(r"\d+\.\d+[\w.+~-]*")
_PROBE = r"""
for p in "$@"; do
  if command -v "$p" >/dev/null 2>&1; then
    echo "$p $("$p" --no-defaults --version 2>&1 | tr '\n' ' ')"
  fi
done
"""


@dataclass(frozen=True, slots=True)
class PhysicalServer:
    """See engine.ports.PhysicalWays. `session` opens a conversation with the server."""

    session: Callable[[], Session]
    launcher: Launcher
    identify: Callable[[], DatabaseFacts]
    dialect: Callable[[], Dialect]
    name: str

    def copy(self) -> physical_stream.StreamedCopy | physical_clone.ClonedCopy:
        facts = self.identify()
        reach = self._reach()
        reach.require_files(facts)
        if facts.flavor == "mariadb":
            program, version = self._program("mariadb-backup", "mariabackup")
            if not program:
                raise DatabaseError(
                    f"{self.name}: mariadb-backup is not installed beside the server",
                    _LOGICAL.format("install the package mariadb-backup there"),
                )
            return physical_stream.StreamedCopy(reach, facts, program, version)
        program, version = self._program("xtrabackup")
        if program and not mismatch(facts.version, version):
            return physical_stream.StreamedCopy(reach, facts, program, version)
        return physical_clone.ClonedCopy.plan(reach, facts)

    def _reach(self) -> Reach:
        return Reach(self.session, self.launcher, self.dialect, self.name)

    def _program(self, *names: str) -> tuple[str, str]:
        """The first of these programs that is there, and what it says of its version."""
        argv = ["sh", "-c", _PROBE, "mentat-dr-probe", *names]
        run_in = self.launcher.run_in
        command = (
            run_in(argv, "probe", self.launcher.marker)
            if run_in
            else Command(tuple(argv), label="probe")
        )
        try:
            printed = run(command, timeout=60, check=False).stdout.decode("utf-8", "replace")
        except CommandFailed as error:
            raise DatabaseError(f"{self.name}: {error.message}", error.remedy) from error
        for line in printed.splitlines():
            program, _, version = line.partition(" ")
            if program in names:
                # Of several numbers it prints, the server's own comes after "based on".
                found = _VERSION.search(version.rpartition("based on")[2])
                return program, found[0] if found else ""
        return "", ""

    def undo(self, note: str) -> None:
        try:
            found = json.loads(note)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise DatabaseError(f"{note[:80]!r} is no note of ours", "Remove it.")
        if "put_back" in found:
            with self.session() as session:
                load_server.undo(session, found)
            return
        path, plugin = str(found.get("clone")), bool(found.get("plugin"))
        physical_clone.remove(self._reach(), path, plugin=plugin)

    def await_answer(self, timeout: float) -> DatabaseFacts:
        start = time.monotonic()
        while True:
            try:
                return self.identify()
            except DatabaseError as error:
                refused = isinstance(error, ServerSaid) and error.number in ACCESS
                if refused or time.monotonic() - start > timeout:
                    raise
            time.sleep(_RETRY)

    def unreadable(self, schemas: Sequence[str]) -> Sequence[str]:
        with self.session() as session:
            present = schema_names(session)
            told = [f"the schema {name} is missing" for name in schemas if name not in present]
            for table in read_layout(session, present).tables.values():
                name = f"{quote_name(table.schema)}.{quote_name(table.name)}"
                refused = session.attempt(f"SELECT 1 FROM {name} LIMIT 1", None)
                if refused:
                    told.append(f"{table} cannot be read: {refused.message}")
            return told

    def position(self) -> BinlogPosition | None:
        if self.dialect().flavor != "mysql":
            return None  # mariadb-backup has told it while it copied
        with self.session() as session:
            try:
                rows = session.query(
                    "SELECT BINLOG_FILE, BINLOG_POSITION, GTID_EXECUTED "
                    "FROM performance_schema.clone_status WHERE STATE='Completed'"
                )
            except ServerSaid as error:
                if error.number == 0 or error.number in PRIVILEGE:
                    raise
                return None  # no such table: the plugin is not loaded
            if not rows or not rows[0][0]:
                return None
            gtids = "".join((rows[0][2] or "").split())
            return BinlogPosition(rows[0][0], int(rows[0][1] or 0), gtids)
