"""The one moment of a dump: its data, our snapshot and the binlog position are of it.

The dump program is started but waits at its gate (a user lock that our session holds). Then: a
lock on commits, the position, our own snapshot, the gate opened; as soon as the dump's own
snapshot is seen, the lock is released. So writers wait for a dump program's start, about 0.2 s,
however long the pipeline took to be built. The lock belongs to a client whose stdin is ours: if
this process dies, it is gone. Where no lock can be had, the dump runs without, and nothing is
claimed that was not proven.

DDL is not held off while the dump runs (LOCK INSTANCE FOR BACKUP and BACKUP LOCK could): a
deployment that hangs for the length of a dump is worse than a dump that says it must be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.adapters.database.dialect import Dialect, Lock
from engine.adapters.database.failures import PRIVILEGE, ServerSaid
from engine.adapters.database.quoting import from_hex, quote_text
from engine.adapters.database.session import Row, Session
from engine.core.errors import DatabaseError
from engine.core.snapshot import BinlogPosition

LOCK_SECONDS = 5  # one attempt; writers queue behind it meanwhile
LOCK_PAUSE = 3.0
QUIET_SECONDS = 5.0  # how long to wait for a moment without long statements
LONG_SECONDS = 1  # a statement that has run so long may run much longer
_LOOK = 0.1  # between two looks at what runs
HOLD_SECONDS = 10.0  # from the lock to the dump's snapshot
# The server refreshes its list of transactions only if nobody read it for 0.1 s.
_POLL = 0.12
_HELD_UP = frozenset({1205, 1213})  # lock wait timeout, deadlock


def _at_gate(gate: str) -> str:
    """A LIKE pattern for what a dump's gatekeeper is seen running."""
    return quote_text(f"SELECT GET_LOCK('{gate}',%")


@dataclass
class Moment:
    """Takes the moment. `proven` says whether the snapshots agree; `position` only holds then.
    `connection` is the dump's, 0 when it came and went unseen."""

    dialect: Dialect
    control: Session  # holds the gate, then the lock on commits
    reader: Session  # gets the snapshot
    gate: str
    warnings: list[str] = field(default_factory=list)
    position: BinlogPosition | None = None
    connection: int = 0
    proven: bool = False

    def await_gate(self, deadline: float) -> None:
        """Until the dump's gatekeeper waits for our lock."""
        while not self.waits_at(self.gate):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    "the dump program did not connect to the server in time",
                    "See its own message in the job's journal.",
                )
            time.sleep(0.03)

    def take(self, tables: Sequence[tuple[str, str]]) -> None:
        """DatabaseError when the dump does not start in time; the lock is released in any case."""
        # Asked before the lock: what is asked under it makes writers wait.
        own = [int(s.value("SELECT CONNECTION_ID()") or 0) for s in (self.control, self.reader)]
        self.reader.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        release = self.lock(tables)
        try:
            before = self._read_position()
            self.reader.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            seen = self._open_gate(own)
            if release:
                self.proven = seen is True
            elif seen:
                # Nothing was written between the two snapshots if the binlog stands still.
                self.proven = before is not None and before == self._read_position()
        finally:
            if release and not self.control.closed:
                self.control.query(release)
        if seen is False:
            raise DatabaseError(
                f"the dump did not start to read within {HOLD_SECONDS:g} s; writers were let go",
                "See the server's load and the dump's own message, then run it again.",
            )
        if self.proven:
            self.position = before
        else:
            self.warnings.append(
                "the dump is consistent, but its moment is not proven: there are no row counts, "
                "no checksums and no binlog position for this snapshot"
            )

    def waits_at(self, gate: str) -> bool:
        sql = (
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
            f"WHERE INFO LIKE {_at_gate(gate)} AND ID <> CONNECTION_ID()"
        )
        return self.control.value(sql, 10) != "0"

    def lock(self, tables: Sequence[tuple[str, str]]) -> str | None:
        """Hold commits still. The statement that lets go, or None, with a warning, when it
        cannot be had."""
        self.control.attempt(f"SET SESSION lock_wait_timeout={LOCK_SECONDS}")
        reasons: list[str] = []
        for way in self.dialect.locks(tables):
            if way.needs_quiet and (busy := self._unquiet()):
                reasons.append(f"there was no moment without long statements ({busy})")
                continue
            refused = self._try(way)
            if refused is None:
                return way.release
            if refused.number in PRIVILEGE:
                reasons.append(f"this account may not take it (grant {way.privilege})")
            elif refused.number in _HELD_UP:
                reasons.append(f"it could not be had in {way.attempts} x {LOCK_SECONDS} s")
            else:
                raise refused
        self.warnings.append(f"the dump ran without a lock on commits: {'; '.join(reasons)}")
        return None

    def _try(self, way: Lock) -> ServerSaid | None:
        refused: ServerSaid | None = None
        for attempt in range(way.attempts):
            if attempt:
                time.sleep(LOCK_PAUSE)  # let the writers through that queued behind us
            for statement in way.statements:
                # The server's limit is for each table. Beyond ours the session ends, which lets
                # the writers go.
                refused = self.control.attempt(statement, 3 * LOCK_SECONDS)
                if refused:
                    self.control.attempt(way.release)
                    break
            if refused is None or refused.number not in _HELD_UP:
                break
        return refused

    def _unquiet(self) -> str:
        """Long statements that did not end; empty in a quiet moment. What has only begun may
        become long: what runs at the first look is waited for, until it is gone or no longer
        young. (A connection that repeats a short statement looks like one that goes on.)"""
        began = time.monotonic()
        young: set[tuple[str, str]] | None = None
        while True:
            running = self._running()
            busy = [
                f"connection {r[0]} of {from_hex(r[1])}, {r[2]} s"
                for r in running
                if int(r[2] or 0) >= LONG_SECONDS
            ]
            now = {(str(r[0]), str(r[3])) for r in running}
            young = now if young is None else young & now
            waited = time.monotonic() - began
            if not busy and (not young or waited > LONG_SECONDS + 1):
                return ""
            if waited > QUIET_SECONDS:
                return "; ".join(busy[:3]) or "statements that have only begun"
            time.sleep(_LOOK)

    def _running(self) -> list[Row]:
        """Statements of others: connection, user in hex, seconds, a digest of the text."""
        return self.control.query(
            "SELECT ID, HEX(USER), TIME, SHA2(IFNULL(INFO,''),224) "
            "FROM information_schema.PROCESSLIST "
            "WHERE COMMAND IN ('Query', 'Execute') "
            "AND ID <> CONNECTION_ID() AND USER <> 'system user' "
            f"AND IFNULL(INFO,'') NOT LIKE {_at_gate('mentat-dr-%')} ORDER BY TIME DESC LIMIT 1000"
        )

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

    def _open_gate(self, own: Sequence[int]) -> bool | None:
        """Let the dump start and wait until its snapshot is open, or closed again. False when
        neither was seen in time; None when this account cannot see it (PROCESS)."""
        newest = int(self.control.value("SELECT MAX(ID) FROM information_schema.PROCESSLIST") or 0)
        restore = self._raise_write_timeout()
        deadline = time.monotonic() + HOLD_SECONDS
        try:
            self.control.query(f"SELECT RELEASE_LOCK('{self.gate}')", 10)
            while time.monotonic() < deadline:
                found = self._dump_connections(newest, own)
                if found is None:
                    return None
                if len(found) == 1:
                    self.connection = found[0]
                    return True
                if self.waits_at(f"{self.gate}-end"):
                    return True
                time.sleep(_POLL)
            return False
        finally:
            if not self.control.closed:
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
