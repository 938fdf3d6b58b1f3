"""Asking a restored server whether it really serves: its tables checked, a schema of its own made,
written, read, changed and dropped again, the operator's questions answered."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.adapters.database.failures import ServerSaid
from engine.adapters.database.quoting import quote_name
from engine.adapters.database.session import Session
from engine.core.errors import DatabaseError

_GOOD = ("ok", "table is already up to date", "found")
_LONG = 6 * 3600.0
_LOOK = "Nothing live was touched. Look at the server's log, and try another snapshot."


@dataclass(frozen=True, slots=True)
class ServerProbes:
    """See engine.ports.Probes."""

    session: Callable[[], Session]
    name: str

    def damaged(self, tables: Sequence[tuple[str, str]]) -> Sequence[str]:
        found = []
        with self.session() as session:
            for schema, table in tables:
                name = f"{quote_name(schema)}.{quote_name(table)}"
                try:
                    rows = session.query(f"CHECK TABLE {name}", _LONG)
                except ServerSaid as error:
                    if session.closed or error.number == 0:
                        raise
                    found.append(f"{schema}.{table}: {error.message}")
                    continue
                # Table, Op, Msg_type, Msg_text; notes tell of engines that have no check
                bad = [row for row in rows if len(row) >= 4 and row[2] in ("error", "warning")]
                last = rows[-1] if rows else ()
                status = (last[3] or "").lower() if len(last) >= 4 else ""
                if bad:
                    found.append(f"{schema}.{table}: {bad[0][3]}")
                elif last and last[2] == "status" and status not in _GOOD:
                    found.append(f"{schema}.{table}: {last[3]}")
        return found

    def round_trip(self) -> None:
        schema = quote_name(f"mentat_dr_probe_{secrets.token_hex(6)}")
        table = f"{schema}.`probe`"
        with self.session() as session:
            session.query(f"CREATE DATABASE {schema}")
            try:
                session.query(
                    f"CREATE TABLE {table} (id INT PRIMARY KEY, said VARCHAR(64)) ENGINE=InnoDB"
                )
                session.query(f"INSERT INTO {table} VALUES (1, 'made'), (2, 'made')")
                self._expect(session, f"SELECT COUNT(*) FROM {table} WHERE said = 'made'", "2")
                session.query(f"UPDATE {table} SET said = 'changed' WHERE id = 1")
                self._expect(session, f"SELECT said FROM {table} WHERE id = 1", "changed")
                session.query(f"DELETE FROM {table} WHERE id = 2")
                self._expect(session, f"SELECT COUNT(*) FROM {table}", "1")
            finally:
                if not session.closed:
                    session.query(f"DROP DATABASE {schema}")

    def _expect(self, session: Session, sql: str, wanted: str) -> None:
        got = session.value(sql)
        if got != wanted:
            raise DatabaseError(f"{self.name}: a row written comes back as {got!r}", _LOOK)

    def ask(self, sql: str) -> str | None:
        with self.session() as session:
            return session.value(sql.strip().rstrip(";"), _LONG)
