"""The catalogue: what the stores of a fleet hold, from listings alone, in SQLite on this host.

Losing it loses nothing: a LIST of the store makes it anew. It is refreshed host by host (a host's
own prefix is a page or two), or whole.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from engine.core.catalogue import RECENT, WrittenSource
from engine.core.snapshot import SnapshotEntry, SnapshotId

_VERSION = 1
_WAIT = 5.0  # seconds for another process that writes
_COMMITTED, _SIGNED, _ASIDE = 1, 2, 4
_SCHEMA = """
CREATE TABLE IF NOT EXISTS listing (
    store TEXT NOT NULL, host TEXT NOT NULL, at REAL NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (store, host)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshot (
    store TEXT NOT NULL, host TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL,
    method TEXT NOT NULL, id TEXT NOT NULL, stored INTEGER NOT NULL, flags INTEGER NOT NULL,
    proven INTEGER, base TEXT NOT NULL,
    PRIMARY KEY (store, host, source, at, id, method)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS newest ON snapshot (store, at);
"""
_COLUMNS = "host, source, at, method, id, stored, flags, proven, base"
_Row = tuple[str, str, int, str, str, int, int, int | None, str]


class Catalogue:
    """`<state>/catalogue.sqlite`, mode 0600. Any number of processes may use it.

    Reading gives nothing where there is no catalogue that can be read; writing makes it anew when
    it is damaged, and gives up quietly on a full or read-only disk, since the stores have it all.
    """

    def __init__(self, state: Path) -> None:
        self._file = state / "catalogue.sqlite"

    # writing

    def save(
        self,
        store: str,
        rows: Iterable[SnapshotEntry],
        at: datetime,
        host: str = "",
        seconds: float = 0.0,
    ) -> bool:
        """Replace what is known of a store, or of one host in it, by a listing that was begun at
        `at` and took so many seconds. False when it could not be kept."""
        packed = [_packed(store, row) for row in rows]
        for _ in range(2):
            try:
                with self._writing() as base:
                    self._replace(base, store, packed, at, host, seconds)
                return True
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    return False  # locked, full or read-only: not the file's fault
                self.forget()
            except OSError:
                return False
        return False

    @staticmethod
    def _replace(
        base: sqlite3.Connection,
        store: str,
        packed: list[tuple[object, ...]],
        at: datetime,
        host: str,
        seconds: float,
    ) -> None:
        newer = base.execute(
            "SELECT 1 FROM listing WHERE store = ? AND host = ? AND at > ?",
            (store, host, at.timestamp()),
        ).fetchone()
        if newer:
            return  # a listing begun later has been kept meanwhile
        if host:
            base.execute("DELETE FROM snapshot WHERE store = ? AND host = ?", (store, host))
        else:
            base.execute("DELETE FROM snapshot WHERE store = ?", (store,))
            base.execute("DELETE FROM listing WHERE store = ?", (store,))
        base.executemany("INSERT OR REPLACE INTO snapshot VALUES (?,?,?,?,?,?,?,?,?,?)", packed)
        base.execute(
            "INSERT OR REPLACE INTO listing VALUES (?,?,?,?)",
            (store, host, at.timestamp(), seconds),
        )

    def mark_proven(self, store: str, snapshot: SnapshotId, at: datetime) -> None:
        """Let it know of a proof made here, without asking the store again."""
        with contextlib.suppress(sqlite3.Error, OSError), self._writing() as base:
            base.execute(
                "UPDATE snapshot SET proven = ? WHERE store = ? AND host = ? AND source = ? "
                "AND at = ? AND id = ? AND method = ?",
                (
                    int(at.timestamp()),
                    store,
                    snapshot.host,
                    snapshot.source,
                    int(snapshot.at.timestamp()),
                    snapshot.id,
                    snapshot.method,
                ),
            )

    def forget_store(self, store: str) -> None:
        """Drop what is known of one store."""
        with contextlib.suppress(sqlite3.Error, OSError), self._writing() as base:
            base.execute("DELETE FROM snapshot WHERE store = ?", (store,))
            base.execute("DELETE FROM listing WHERE store = ?", (store,))

    def forget(self) -> None:
        """Remove it; it is made anew by the next listing."""
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self._file.with_name(self._file.name + suffix).unlink()

    # reading

    def rows(self, store: str, host: str = "", limit: int = 0) -> list[SnapshotEntry]:
        """Snapshots and debris of a store, or of one host, newest first."""
        query = f"SELECT {_COLUMNS} FROM snapshot WHERE store = ?"
        given: list[object] = [store]
        if host:
            query += " AND host = ?"
            given.append(host)
        # The sign keeps SQLite from walking the whole store by time to spare itself a small sort.
        query += f" ORDER BY {'+' if host else ''}at DESC, host DESC, source DESC, id DESC"
        if limit:
            query += f" LIMIT {limit:d}"
        with contextlib.suppress(sqlite3.Error), self._reading() as base:
            return [_entry(row) for row in base.execute(query, given)] if base else []
        return []

    def listed(self, store: str, host: str = "") -> tuple[datetime, float] | None:
        """When what is known of a store, or of one host in it, was listed, and the seconds it
        took; None when it never was. A host counts as listed with the whole store."""
        row = None
        with contextlib.suppress(sqlite3.Error), self._reading() as base:
            if base is None:
                return None
            row = base.execute(
                "SELECT at, seconds FROM listing WHERE store = ? AND host IN ('', ?) "
                "ORDER BY at DESC LIMIT 1",
                (store, host),
            ).fetchone()
        return (datetime.fromtimestamp(row[0], UTC), row[1]) if row else None

    def written(self, store: str) -> list[WrittenSource]:
        """Every source of every host with its newest snapshots' times; those saved before a
        restore replaced them, and debris, do not count."""
        found: list[WrittenSource] = []
        usable = f"(flags & {_COMMITTED | _ASIDE}) = {_COMMITTED}"
        with contextlib.suppress(sqlite3.Error), self._reading() as base:
            if base is None:
                return []
            groups = base.execute(
                "SELECT host, source, count(*), sum(stored), max(proven) FROM snapshot "
                f"WHERE store = ? AND {usable} GROUP BY host, source",
                (store,),
            ).fetchall()
            for host, source, number, stored, proven in groups:
                recent = base.execute(
                    "SELECT at FROM snapshot WHERE store = ? AND host = ? AND source = ? "
                    f"AND {usable} ORDER BY at DESC LIMIT {RECENT}",
                    (store, host, source),
                )
                times = tuple(datetime.fromtimestamp(at, UTC) for (at,) in recent)
                at = datetime.fromtimestamp(proven, UTC) if proven is not None else None
                found.append(WrittenSource(host, source, number, stored, times, at))
        return found

    # within

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        base = sqlite3.connect(self._file, timeout=_WAIT, isolation_level=None)
        try:
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = OFF")  # a loss of power costs a listing, no more
            if base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                base.executescript(
                    "DROP TABLE IF EXISTS listing; DROP TABLE IF EXISTS snapshot;"
                    f"{_SCHEMA} PRAGMA user_version = {_VERSION};"
                )
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
                base.execute("COMMIT")
            except BaseException:
                if base.in_transaction:
                    base.execute("ROLLBACK")
                raise
        finally:
            base.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """The catalogue, or None when there is none of this version. sqlite3.Error when it is
        damaged: to be taken for none, since the next listing makes it anew."""
        if not self._file.exists():
            yield None
            return
        base = sqlite3.connect(self._file, timeout=_WAIT, isolation_level=None)
        try:
            known = base.execute("PRAGMA user_version").fetchone()[0] == _VERSION
            yield base if known else None
        finally:
            base.close()


def written(rows: Iterable[SnapshotEntry]) -> list[WrittenSource]:
    """The same as `Catalogue.written`, of a listing that is not kept; rows newest first."""
    found: dict[tuple[str, str], list[SnapshotEntry]] = {}
    for row in rows:
        if row.committed and not row.aside:
            found.setdefault((row.id.host, row.id.source), []).append(row)
    return [
        WrittenSource(
            host,
            source,
            len(own),
            sum(row.stored_bytes for row in own),
            tuple(row.id.at for row in own[:RECENT]),
            max((row.proven_at for row in own if row.proven_at), default=None),
        )
        for (host, source), own in found.items()
    ]


def _packed(store: str, row: SnapshotEntry) -> tuple[object, ...]:
    flags = _COMMITTED * row.committed | _SIGNED * row.signed | _ASIDE * row.aside
    proven = int(row.proven_at.timestamp()) if row.proven_at is not None else None
    key = row.id
    at = int(key.at.timestamp())
    where = (store, key.host, key.source, at, key.method, key.id)
    return (*where, row.stored_bytes, flags, proven, row.base)


def _entry(row: _Row) -> SnapshotEntry:
    host, source, at, method, ident, stored, flags, proven, base = row
    return SnapshotEntry(
        SnapshotId(host, source, datetime.fromtimestamp(at, UTC), method, ident),  # type: ignore[arg-type]
        stored,
        bool(flags & _COMMITTED),
        bool(flags & _SIGNED),
        None if proven is None else datetime.fromtimestamp(proven, UTC),
        bool(flags & _ASIDE),
        base,
    )
