"""One MySQL or MariaDB server behind `engine.ports.Database`."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from engine.adapters.command import run
from engine.adapters.database.accounts import alter_own, load_users, users_sql
from engine.adapters.database.checksums import METHOD, method_of
from engine.adapters.database.dialect import Dialect
from engine.adapters.database.dumping import ServerDump, count_and_sum
from engine.adapters.database.failures import ServerSaid, from_output
from engine.adapters.database.layout import (
    count_objects,
    read_layout,
    schema_names,
    stored_bytes,
)
from engine.adapters.database.mariadb import MariaDB
from engine.adapters.database.moment import Moment
from engine.adapters.database.mysql import MySQL
from engine.adapters.database.programs import Launcher, Programs, parse_probe
from engine.adapters.database.quoting import quote_name
from engine.adapters.database.session import OPTIONS, Session
from engine.core.commands import Command
from engine.core.errors import CommandFailed, DatabaseError
from engine.core.snapshot import DatabaseFacts, TableFacts

# A load's session gets what the server lets it have of these.
_LOAD_SETTINGS = (
    "net_read_timeout=3600",  # a slow download must not cut the load
    "net_write_timeout=3600",
    "wait_timeout=604800",
    "innodb_strict_mode=OFF",  # rows that were legal when the table was made
    "foreign_key_checks=OFF",
    "unique_checks=OFF",
)
_PACKET = 1 << 30
_RETRY = 0.5


class Server:
    """See engine.ports.Database. Holds no connection between calls."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        schemas: Sequence[str] = (),
        checksums: bool = True,
        name: str = "the database",
    ) -> None:
        self._launcher = launcher
        self._schemas = tuple(schemas)
        self._checksums = checksums
        self._name = name
        self._programs: Programs | None = None
        self._dialect: Dialect | None = None
        self._put_back: list[str] = []
        self._late_accounts: list[str] = []

    # ------------------------------------------------------------ connections

    def _probe(self) -> Programs:
        if self._programs is None:
            try:
                ended = run(self._launcher.probe(), timeout=60, check=False)
            except CommandFailed as error:
                raise DatabaseError(f"{self._name}: {error.message}", error.remedy) from error
            programs = parse_probe(ended.stdout.decode("utf-8", "replace"))
            if not programs.client("mysql"):
                if not ended.ok:
                    raise from_output(ended.stderr, self._name)
                raise DatabaseError(
                    f"{self._name}: neither mysql nor mariadb is installed beside the server",
                    "Install the server's client programs there.",
                )
            self._programs = programs
        return self._programs

    def _session(self) -> Session:
        """A new session with this server's settings."""
        flavor = self._dialect.flavor if self._dialect else "mysql"
        program = self._probe().client(flavor)
        command = self._launcher.session(program, OPTIONS)
        session = Session(command, self._name, self._alive if self._launcher.run_in else None)
        try:
            if self._dialect is None:
                self._dialect = _dialect_of(session)
            for setting in self._dialect.session_settings:
                session.attempt(setting)
        except BaseException:
            session.close()
            raise
        return session

    def _alive(self) -> bool:
        ping = self._launcher.ping()
        try:
            return ping is None or run(ping, timeout=30, check=False).ok
        except CommandFailed:
            return False

    @property
    def dialect(self) -> Dialect:
        if self._dialect is None:
            with self._session():
                pass
        assert self._dialect is not None
        return self._dialect

    # ------------------------------------------------------------ questions

    def identify(self) -> DatabaseFacts:
        with self._session() as session:
            return self._identify(session)

    def _identify(self, session: Session) -> DatabaseFacts:
        ((version, directory),) = session.query("SELECT VERSION(), @@datadir")
        return DatabaseFacts(
            self.dialect.flavor,
            version or "",
            server_uuid=self.dialect.server_uuid(session),
            data_directory=directory or "",
        )

    def wait_ready(self, timeout: float) -> None:
        """Until it answers as a server that is meant to be used: the official images first run
        one without a network to set themselves up, with other passwords. DatabaseError with the
        last refusal after `timeout` seconds."""
        start = time.monotonic()
        while True:
            try:
                with self._session() as session:
                    alone = session.value("SELECT @@skip_networking") == "1"
                if not alone or time.monotonic() - start > timeout / 2:
                    return
                error: DatabaseError = DatabaseError(
                    f"{self._name}: the server has not opened its network yet", "Wait longer."
                )
            except DatabaseError as refused:
                error = refused
            if time.monotonic() - start > timeout:
                raise error
            time.sleep(_RETRY)

    def size(self) -> int:
        """Bytes of a dump by the server's statistics: its data, without indexes."""
        with self._session() as session:
            data, _ = stored_bytes(session, self._chosen(session, None))
            return data

    def objects(self, schemas: Sequence[str]) -> Mapping[str, int]:
        with self._session() as session:
            users = len(self.dialect.accounts(session))
            return count_objects(read_layout(session, schemas), users)

    def tables(self, like: DatabaseFacts) -> Sequence[TableFacts]:
        """In one snapshot. Tables that are missing here are missing in the answer."""
        with self._session() as session:
            layout = read_layout(session, like.schemas)
            session.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            found: list[TableFacts] = []
            for wanted in like.tables:
                table = layout.tables.get((wanted.schema, wanted.table))
                if table is None:
                    continue
                known = wanted.checksum is not None and method_of(wanted.checksum) == METHOD
                facts, _ = count_and_sum(session, table, known, self._keeps_history())
                if wanted.checksum is None:
                    facts = replace(facts, why_unchecked=wanted.why_unchecked)
                elif not known:
                    facts = replace(facts, why_unchecked="a newer version made this checksum")
                found.append(facts)
            return found

    def _keeps_history(self) -> bool:
        program = self._probe().dump(self.dialect.flavor)
        return "--dump-history" in self._probe().options.get(program, frozenset())

    def _chosen(self, session: Session, schemas: Sequence[str] | None) -> tuple[str, ...]:
        present = schema_names(session)
        wanted = tuple(schemas or self._schemas)
        missing = [name for name in wanted if name not in present]
        if missing:
            raise DatabaseError(
                f"{self._name}: there is no schema {', '.join(missing)}",
                f"Present: {', '.join(present) or 'none'}. Mend `schemas` of this source.",
            )
        return wanted or tuple(present)

    # ------------------------------------------------------------ dump

    @contextlib.contextmanager
    def dump(self, schemas: Sequence[str] | None = None) -> Iterator[ServerDump]:
        """A dump waiting at its gate. Whatever happens, its locks are gone at the end."""
        with contextlib.ExitStack() as stack:
            control = stack.enter_context(self._session())
            reader = stack.enter_context(self._session())
            chosen = self._chosen(control, schemas)
            if not chosen:
                raise DatabaseError(
                    f"{self._name}: there is no schema to back up",
                    "Create one, or remove this source.",
                )
            users, count, warnings = self._users(control)
            gate = f"mentat-dr-{secrets.token_hex(8)}"
            locks = control.query(f"SELECT GET_LOCK('{gate}', 0), GET_LOCK('{gate}-end', 0)")
            if locks != [("1", "1")]:
                raise DatabaseError(
                    f"{self._name}: user locks do not work", "Use a physical backup."
                )
            layout = read_layout(control, chosen)
            versioned = any(table.versioned for table in layout.tables.values())
            yield ServerDump(
                moment=Moment(self.dialect, control, reader, gate),
                base=self._identify(control),
                schemas=chosen,
                command=self._dump_command(gate, chosen, versioned),
                users_sql=users,
                users=count,
                monitor=self._session,
                checksums=self._checksums,
                history=self._keeps_history(),
                warnings=[*warnings, *self._program_warnings(versioned)],
            )

    def _users(self, session: Session) -> tuple[bytes, int, list[str]]:
        try:
            return users_sql(session, self.dialect)
        except ServerSaid as error:
            if session.closed or error.number == 0:
                raise
            return b"", 0, [f"users and grants are not in the backup: {error.message}"]

    def _dump_command(self, gate: str, schemas: Sequence[str], versioned: bool) -> Command:
        programs = self._probe()
        flavor = self.dialect.flavor
        program = programs.dump(flavor)
        if not program:
            raise DatabaseError(
                f"{self._name}: neither mysqldump nor mariadb-dump is installed beside the server",
                "Install the server's client programs there.",
            )
        options = self.dialect.dump_options(programs, program, versioned)
        # `--`: a schema's name may start with a dash.
        options += ["--databases", "--", *schemas]
        return self._launcher.gated("dump", programs.client(flavor), gate, program, options)

    def _program_warnings(self, versioned: bool) -> list[str]:
        programs = self._probe()
        program = programs.dump(self.dialect.flavor)
        warnings = []
        if programs.of_mariadb(program) != (self.dialect.flavor == "mariadb"):
            warnings.append(f"{program} of the other vendor made this dump: install the server's")
        if versioned and not self._keeps_history():
            warnings.append("the history of system-versioned tables is not in the dump")
        return warnings

    # ------------------------------------------------------------ load

    def present(self, schemas: Sequence[str]) -> Sequence[str]:
        with self._session() as session:
            there = schema_names(session)
            return [name for name in schemas if name in there]

    def drop(self, schemas: Sequence[str]) -> None:
        with self._session() as session:
            session.attempt("SET SESSION foreign_key_checks=OFF")
            for name in schemas:
                session.query(f"DROP DATABASE IF EXISTS {quote_name(name)}", None)

    def load_command(self) -> Command:
        """Also prepares the server: packets of 1 GiB, no events while data is half there. What is
        changed for all sessions is put back by finish_load, and by a restart of the server."""
        with self._session() as session:
            self._prepare(session)
            settings = [*_LOAD_SETTINGS, *self.dialect.load_settings]
            if not self._has_replicas(session):
                # A restore is no change that binlogs must hold: it would fill the disk twice.
                settings.append("sql_log_bin=OFF")
            granted = [s for s in settings if not session.attempt(f"SET SESSION {s}")]
        options = [
            "--batch",
            "--binary-mode",  # neither data nor MariaDB's sandbox line is a command
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--init-command=SET SESSION " + ", ".join(granted),
        ]
        return self._client("load", options)

    def _client(self, label: str, options: Sequence[str]) -> Command:
        return self._launcher.client(label, self._probe().client(self.dialect.flavor), options)

    def _prepare(self, session: Session) -> None:
        packet = int(session.value("SELECT @@GLOBAL.max_allowed_packet") or 0)
        self._set_global(session, "max_allowed_packet", _PACKET, packet, packet < _PACKET)
        scheduler = session.value("SELECT @@GLOBAL.event_scheduler") or "OFF"
        self._set_global(session, "event_scheduler", "OFF", scheduler, scheduler in ("ON", "1"))

    def _set_global(
        self, session: Session, name: str, value: object, before: object, wanted: bool
    ) -> None:
        if wanted and not session.attempt(f"SET GLOBAL {name}={value}"):
            self._put_back.append(f"SET GLOBAL {name}={before}")

    @staticmethod
    def _has_replicas(session: Session) -> bool:
        sql = (
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
            "WHERE COMMAND IN ('Binlog Dump', 'Binlog Dump GTID')"
        )
        return session.value(sql) != "0"

    def load_users(self, sql: bytes) -> Sequence[str]:
        """The account in use is altered by finish_load only."""
        with self._session() as session:
            first = [] if self._has_replicas(session) else ["sql_log_bin=OFF"]
            granted = [s for s in first if not session.attempt(f"SET SESSION {s}")]
            before = [f"--init-command=SET SESSION {s}" for s in granted]
            warnings, self._late_accounts = load_users(
                sql, session, lambda options: self._client("users", [*options, *before])
            )
            return warnings

    def finish_load(self, facts: DatabaseFacts) -> Sequence[str]:
        """Call it last: from here on the server's events run again and change data, and the
        account in use has the snapshot's password."""
        with self._session() as session:
            warnings: list[str] = []
            if not self._has_replicas(session):
                session.attempt("SET SESSION sql_log_bin=OFF")
            if facts.position and facts.flavor == self.dialect.flavor:
                warnings += self.dialect.adopt_position(session, facts.position)
            for table in facts.tables:
                # Not written to the binlog: a replica has statistics of its own.
                name = f"{quote_name(table.schema)}.{quote_name(table.table)}"
                session.attempt(f"ANALYZE NO_WRITE_TO_BINLOG TABLE {name}", None)
            while self._put_back:
                refused = session.attempt(self._put_back.pop())
                if refused:
                    warnings.append(f"a setting was not put back: {refused.message}")
            late, self._late_accounts = self._late_accounts, []
            return [*warnings, *alter_own(late, session)]

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What a load's last words mean."""
        return from_output(stderr, f"{self._name}: the load failed")


def _dialect_of(session: Session) -> Dialect:
    """Ask the server what it is."""
    ((version, comment),) = session.query("SELECT VERSION(), @@version_comment")
    said = f"{version} {comment}".lower()
    return MariaDB() if "mariadb" in said else MySQL()
