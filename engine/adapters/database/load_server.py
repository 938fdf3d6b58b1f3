"""A server made fast for a load, and put back: `engine.ports.Loading`."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.adapters.database.dialect import Dialect
from engine.adapters.database.failures import ServerSaid
from engine.adapters.database.loading import SpreadLoad
from engine.adapters.database.session import Session
from engine.core.dump_split import Statement
from engine.core.errors import DatabaseError

_PACKET = 1 << 30
_CONNECTIONS = 4
_POOLS = (512 << 20, 4 << 30)  # least and most of a quarter of the memory that is free
_REDO_OFF = "ALTER INSTANCE DISABLE INNODB REDO_LOG"
_REDO_ON = "ALTER INSTANCE ENABLE INNODB REDO_LOG"
_UNDOING = re.compile(rf"(?:SET GLOBAL [a-z_]+=[A-Za-z0-9_.]+|{_REDO_ON})\Z")
Change = tuple[str, str]  # a statement, and the one that undoes it


class ServerLoad:
    """See engine.ports.Loading. `undone` collects what puts the server back: whoever empties it
    has done so."""

    def __init__(
        self,
        session: Callable[[], Session],
        dialect: Dialect,
        settings: Callable[[Session], Sequence[str]],
        undone: list[str],
        *,
        fresh: bool,
    ) -> None:
        """fresh: nobody else uses this server, and it is thrown away if the load fails."""
        self._session = session
        self._dialect = dialect
        self._settings = settings
        self._undone = undone
        self._fresh = fresh
        self._spread: SpreadLoad | None = None
        with session() as asked:
            self._changes = self._plan(asked)

    @property
    def note(self) -> str:
        """Empty for a fresh server: it does not outlive a load that dies."""
        if self._fresh or not self._changes:
            return ""
        return json.dumps({"put_back": [undoing for _, undoing in self._changes]})

    def _plan(self, session: Session) -> list[Change]:
        def change(name: str, value: int | str, keep: Callable[[str], bool]) -> list[Change]:
            before = _global(session, name)
            if before is None or keep(before) or not re.fullmatch(r"[A-Za-z0-9_.]+", before):
                return []
            return [(f"SET GLOBAL {name}={value}", f"SET GLOBAL {name}={before}")]

        changes = change("max_allowed_packet", _PACKET, lambda v: int(v) >= _PACKET)
        changes += change("event_scheduler", "OFF", lambda v: v.upper() not in ("ON", "1"))
        if not self._fresh:
            # Others use it: what they commit must be as safe as before.
            return changes
        changes += change("innodb_flush_log_at_trx_commit", 0, lambda v: v == "0")
        changes += change("sync_binlog", 0, lambda v: v == "0")
        pool = _pool_bytes()
        changes += change("innodb_buffer_pool_size", pool, lambda v: int(v) >= pool)
        # MariaDB's redo log could be made larger, but to put it back takes longer than that saves.
        if self._dialect.flavor == "mysql" and _status(session, "Innodb_redo_log_enabled") == "ON":
            changes.append((_REDO_OFF, _REDO_ON))
        return changes

    def begin(self) -> None:
        with self._session() as session:
            for statement, undoing in self._changes:
                if not session.attempt(statement):
                    self._undone.append(undoing)
            settings = list(self._settings(session))
        connections = max(2, min(_CONNECTIONS, os.cpu_count() or 1))
        self._spread = SpreadLoad(self._session, settings, connections)

    def take(self, statement: Statement) -> None:
        assert self._spread is not None
        self._spread.take(statement)

    def settle(self) -> None:
        assert self._spread is not None
        self._spread.settle()
        self.hang_up()

    def hang_up(self) -> None:
        if self._spread is not None:
            self._spread.close()
            self._spread = None

    def close(self) -> None:
        """Hang up, and put back what finish_load has not. A fresh server is thrown away then."""
        self.hang_up()
        if self._undone and not self._fresh:
            with self._session() as session:
                told = put_back(session, self._undone)
            if told:
                raise DatabaseError("; ".join(told), "Set them by hand, or restart the server.")


def _pool_bytes() -> int:
    """A buffer pool that this machine can spare for the length of a load; a server that is made
    for a load runs here."""
    free = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) << 10
    return max(_POOLS[0], min(_POOLS[1], free // 4)) >> 27 << 27


def _global(session: Session, name: str) -> str | None:
    try:
        return session.value(f"SELECT @@GLOBAL.{name}")
    except ServerSaid as error:
        if error.number == 0:
            raise
        return None  # this server has no such setting


def _status(session: Session, name: str) -> str:
    rows = session.query(f"SHOW GLOBAL STATUS LIKE '{name}'")
    return (rows[0][1] or "") if rows else ""


def put_back(session: Session, undone: list[str]) -> list[str]:
    """Run and drop these, the last one first; sentences about what the server refused."""
    told = []
    while undone:
        statement = undone.pop()
        refused = session.attempt(statement, None)
        if refused:
            told.append(f"a setting was not put back ({statement}): {refused.message}")
    return told


def undo(session: Session, note: dict[str, object]) -> None:
    """Put back what a dead load changed. DatabaseError for what the server refuses, and for a note
    that holds anything else."""
    found = note.get("put_back")
    if not isinstance(found, list) or not all(
        isinstance(s, str) and _UNDOING.match(s) for s in found
    ):
        raise DatabaseError("a note of a load holds other statements", "Remove it.")
    told = put_back(session, found)
    if told:
        raise DatabaseError("; ".join(told), "Set them by hand.")
