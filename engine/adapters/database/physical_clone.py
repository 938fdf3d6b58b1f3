"""MySQL's CLONE plugin: the server writes a copy of its files into a folder, which is streamed as
a tar and removed again."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Sequence

from engine.adapters.database.failures import ServerSaid, from_output
from engine.adapters.database.layout import Layout
from engine.adapters.database.physical_reach import Reach
from engine.adapters.database.quoting import quote_text
from engine.adapters.database.session import Session
from engine.core.commands import Command
from engine.core.errors import DatabaseError, NoSpace
from engine.core.physical import TAR
from engine.core.snapshot import BinlogPosition, DatabaseFacts

_FIRST = (8, 0, 17)
_PREFIX = "mentat-dr-clone-"
_OURS = re.compile(rf"/(?:[^/\0\n]+/)*{_PREFIX}[0-9a-f]{{8}}\Z")
_SPARE = 1.1  # the copy grows with what is written while it is made
_END_SECONDS = 60.0


class ClonedCopy:
    """See engine.ports.PhysicalCopy."""

    artifact = TAR

    def __init__(self, reach: Reach, facts: DatabaseFacts, path: str, plugin: bool) -> None:
        self._reach = reach
        self._base = facts
        self._path = path
        self._plugin = plugin  # whether it is ours to install and to remove
        self._before: tuple[tuple[str, ...], Layout] = ((), Layout())
        self._positions: tuple[BinlogPosition | None, BinlogPosition | None] = (None, None)
        self._warnings: list[str] = []
        self._session: Session | None = None
        self.tool = f"CLONE of {facts.version}"

    @classmethod
    def plan(cls, reach: Reach, facts: DatabaseFacts) -> ClonedCopy:
        """Find out where the copy goes and whether the plugin is there; nothing is made yet."""
        numbers = tuple(int(n) for n in re.findall(r"\d+", facts.version)[:3])
        if numbers < _FIRST:
            raise DatabaseError(
                f"{reach.name}: MySQL {facts.version} has no CLONE plugin, and there is no "
                "xtrabackup beside it",
                "Use a logical backup for this source (`--method logical`).",
            )
        with reach.session() as session:
            place = session.value("SELECT @@secure_file_priv") or session.value("SELECT @@tmpdir")
            folder = (place or "/tmp").rstrip("/").split(":")[0] or "/tmp"
            plugin = not _plugin_status(session)
        return cls(reach, facts, f"{folder}/{_PREFIX}{secrets.token_hex(4)}", plugin)

    @property
    def note(self) -> str:
        return json.dumps({"clone": self._path, "plugin": self._plugin})

    @property
    def warnings(self) -> Sequence[str]:
        return self._warnings

    def make(self) -> None:
        self._before = self._reach.layout()
        with self._reach.session() as session:
            self._session = session
            self._require_space(session)
            if self._plugin:
                install(session)
            before = self._reach.position(session)
            session.query(f"CLONE LOCAL DATA DIRECTORY = {quote_text(self._path)}", None)
            self._positions = (before, self._reach.position(session))
        self._session = None

    def _require_space(self, session: Session) -> None:
        size = int(
            session.value(
                "SELECT IFNULL(SUM(FILE_SIZE),0) FROM information_schema.INNODB_TABLESPACES"
            )
            or 0
        )
        parent = self._path.rpartition("/")[0] or "/"
        printed = self._reach.run_beside(["df", "-P", "-k", parent], "df").stdout.decode()
        free = int(printed.splitlines()[-1].split()[3]) * 1024
        if free < size * _SPARE:
            raise NoSpace(
                f"{self._reach.name}: a copy of {size} bytes must fit below {parent}, "
                f"{free} are free there",
                "Free space there, set secure_file_priv to a folder with room, or use "
                "`--method logical`.",
            )

    @property
    def command(self) -> Command:
        argv = ["tar", "--create", "--file=-", "--sparse", f"--directory={self._path}", "."]
        return self._reach.beside(argv, "tar")

    def facts(self, stderr: Sequence[str]) -> DatabaseFacts:
        before, after = self._positions
        position = before
        if before is not None and before != after and not before.gtid_set:
            self._warnings.append(
                "transactions came while the files were cloned, and the server has no GTIDs: the "
                "snapshot's binlog position is known to the restored server only"
            )
            position = None
        elif before is not None and before != after:
            self._warnings.append(
                "transactions came while the files were cloned: the binlog position is the one "
                "before it; the restored server knows by GTID which of them it has"
            )
        return self._reach.facts(self._base, self._before, position, self._warnings)

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        return from_output(stderr, f"{self._reach.name}: reading the clone")

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        remove(self._reach, self._path, plugin=self._plugin)


def _plugin_status(session: Session) -> str:
    sql = "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME='clone'"
    return session.value(sql) or ""


def install(session: Session) -> None:
    """Load the plugin, and take it off the list of those that a restart, or the copy's own server,
    would load again."""
    session.attempt("SET SESSION sql_log_bin=OFF")
    session.query("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
    session.attempt("DELETE FROM mysql.plugin WHERE name='clone'")


def remove(reach: Reach, path: str, *, plugin: bool) -> None:
    """End a CLONE into this folder that still runs, remove the folder, and the plugin where it was
    ours. No error for what is gone."""
    if not _OURS.match(path):
        raise DatabaseError(f"{path!r} is no folder of ours", "It is left as it is.")
    with reach.session() as session:
        _end(session, path)
        reach.run_beside(["rm", "-rf", "--", path], "rm", 600)
        if plugin and _plugin_status(session):
            session.attempt("SET SESSION sql_log_bin=OFF")
            refused = session.attempt("UNINSTALL PLUGIN clone")
            if refused and _plugin_status(session):
                raise refused


def _end(session: Session, path: str) -> None:
    """A statement outlives its client: kill it, and wait until it has let go of the folder."""
    sql = (
        "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() "
        f"AND INFO LIKE {quote_text('CLONE LOCAL%' + path.rpartition('/')[2] + '%')}"
    )
    deadline = time.monotonic() + _END_SECONDS
    while rows := session.query(sql):
        for row in rows:
            session.attempt(f"KILL {int(row[0] or 0)}")
        if time.monotonic() > deadline:
            raise ServerSaid(
                "a CLONE statement does not end", "See SHOW PROCESSLIST; it is ended later."
            )
        time.sleep(0.2)
