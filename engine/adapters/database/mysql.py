"""MySQL 8.0 to 9.x."""

from __future__ import annotations

from collections.abc import Sequence

from engine.adapters.database.dialect import (
    COMMON_DUMP_OPTIONS,
    Account,
    Dialect,
    Lock,
    snapshot_holders,
)
from engine.adapters.database.failures import ServerSaid
from engine.adapters.database.programs import Programs
from engine.adapters.database.quoting import from_hex, quote_name, quote_text, words_of
from engine.adapters.database.session import Session
from engine.core.snapshot import BinlogPosition

_SYSTEM_ACCOUNTS = ("mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint")
_SYNTAX = 1064


class MySQL(Dialect):
    flavor = "mysql"
    session_settings = (
        "SET SESSION information_schema_stats_expiry=0",  # else sizes are a day old
        "SET SESSION max_execution_time=0",
        "SET SESSION print_identified_with_as_hex=ON",  # a hash holds quotes and control bytes
    )
    load_settings = (
        "sql_require_primary_key=OFF",
        "sql_generate_invisible_primary_key=OFF",
        "restrict_fk_on_non_standard_key=OFF",
    )

    def locks(self, tables: Sequence[tuple[str, str]]) -> list[Lock]:
        # FLUSH waits for every running SELECT, and when it gives up, the tables of that SELECT
        # stay shut to everybody until it ends: so once, in a quiet moment. LOCK TABLES does not
        # care about SELECTs, but a transaction may come out of it as a deadlock's victim: so only
        # where there is no quiet moment or no privilege for the other.
        release = "UNLOCK TABLES"
        flush = Lock(("FLUSH TABLES WITH READ LOCK",), release, "RELOAD", 1, needs_quiet=True)
        listed = ", ".join(f"{quote_name(schema)}.{quote_name(t)} READ" for schema, t in tables)
        if not listed:
            return [flush]
        return [flush, Lock((f"LOCK TABLES {listed}",), release, "LOCK TABLES", 3)]

    def position(self, session: Session) -> BinlogPosition | None:
        try:
            rows = session.query("SHOW BINARY LOG STATUS")
        except ServerSaid as error:
            if error.number != _SYNTAX:
                raise
            rows = session.query("SHOW MASTER STATUS")  # before 8.2
        if not rows:
            return None
        file, offset = rows[0][0], rows[0][1]
        gtids = "".join((rows[0][4] or "").split())
        return BinlogPosition(file or "", int(offset or 0), gtids)

    def server_uuid(self, session: Session) -> str:
        return session.value("SELECT @@server_uuid") or ""

    def dump_options(self, programs: Programs, program: str, versioned: bool) -> list[str]:
        known = programs.options.get(program, frozenset())
        options = list(COMMON_DUMP_OPTIONS)
        # OFF: a SET GTID_PURGED in the dump fails on every server that has GTIDs of its own, and
        # makes the dump take its own global lock. The GTID set stands in the manifest instead
        # and is set after a load where that is possible.
        if "--set-gtid-purged" in known:
            options.append("--set-gtid-purged=OFF")
        if "--column-statistics" in known:
            options.append("--column-statistics=0")
        return options

    def dump_connections(self, session: Session, after: int, own: Sequence[int]) -> list[int]:
        found = snapshot_holders(session, after, own)
        if not found:
            return []
        listed = ",".join(str(connection) for connection, _ in found)
        try:
            rows = session.query(
                "SELECT PROCESSLIST_ID FROM performance_schema.session_connect_attrs "
                "WHERE ATTR_NAME='program_name' AND ATTR_VALUE IN ('mysqldump','mariadb-dump') "
                f"AND PROCESSLIST_ID IN ({listed})",
                10,
            )
            enabled = session.value("SELECT @@performance_schema")
        except ServerSaid as error:
            if error.number == 0:
                raise
            return [connection for connection, _ in found]
        if enabled != "1":
            return [connection for connection, _ in found]
        return [int(row[0] or 0) for row in rows]

    def accounts(self, session: Session) -> list[Account]:
        # Roles come first: an account may name one as its default.
        rows = session.query(
            "SELECT HEX(User), HEX(Host) FROM mysql.user ORDER BY account_locked DESC, User, Host"
        )
        found = [Account(from_hex(row[0]), from_hex(row[1])) for row in rows]
        return [account for account in found if account.name not in _SYSTEM_ACCOUNTS]

    def account_sql(self, session: Session, account: Account) -> tuple[list[str], list[str]]:
        who = f"{quote_name(account.name)}@{quote_name(account.host)}"
        words = words_of(session.value(f"SHOW CREATE USER {who}") or "")
        # CREATE USER `a`@`h` rest...
        definition, default_role = _without_default_role(words[3:])
        rest = " ".join(_with_attribute(definition, self._attribute(session, account)))
        create = [f"CREATE USER IF NOT EXISTS {who} {rest}", f"ALTER USER {who} {rest}"]
        later = [row[0] or "" for row in session.query(f"SHOW GRANTS FOR {who}")]
        if default_role:
            later.append(f"ALTER USER {who} DEFAULT ROLE {default_role}")
        return create, later

    @staticmethod
    def _attribute(session: Session, account: Account) -> str:
        """The account's ATTRIBUTE as a literal; SHOW CREATE USER turns emoji into `?`."""
        text = from_hex(
            session.value(
                "SELECT HEX(CONVERT(CAST(JSON_EXTRACT(User_attributes, '$.metadata') AS CHAR) "
                "USING utf8mb4)) FROM mysql.user "
                f"WHERE User = {_bytes(account.name)} AND Host = {_bytes(account.host)}"
            )
        )
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'" if text else ""

    def adopt_position(self, session: Session, position: BinlogPosition) -> list[str]:
        if not position.gtid_set or session.value("SELECT @@gtid_mode") != "ON":
            return []
        wanted = quote_text(position.gtid_set)
        missing = session.value(f"SELECT GTID_SUBTRACT({wanted}, @@GLOBAL.gtid_executed)") or ""
        missing = "".join(missing.split())
        warnings = []
        if session.value(f"SELECT GTID_SUBTRACT({wanted}, {quote_text(missing)})"):
            warnings.append(
                "this server has executed GTIDs of the snapshot before: it skips binlogs that are "
                "replayed by GTID; replay them into a fresh server"
            )
        if missing:
            # `+` adds to what the server has; plain text would need an empty history.
            refused = session.attempt(f"SET GLOBAL gtid_purged = {quote_text('+' + missing)}")
            if refused:
                warnings.append(f"GTID_PURGED was not set: {refused.message}")
        return warnings


def _bytes(text: str) -> str:
    # No string literal: in this moment backslashes escape.
    return f"CONVERT(0x{text.encode().hex()} USING utf8mb4)" if text else "''"


def _with_attribute(words: Sequence[str], attribute: str) -> list[str]:
    """`... ATTRIBUTE '...'` with another text."""
    if not attribute or "ATTRIBUTE" not in words:
        return list(words)
    index = words.index("ATTRIBUTE")
    return [*words[: index + 1], attribute, *words[index + 2 :]]


def _without_default_role(words: Sequence[str]) -> tuple[list[str], str]:
    """Split `... DEFAULT ROLE `r`@`%` REQUIRE ...`: a role must exist before it can be one."""
    for index in range(len(words) - 2):
        if words[index] == "DEFAULT" and words[index + 1] == "ROLE":
            return [*words[:index], *words[index + 3 :]], words[index + 2]
    return list(words), ""
