"""MariaDB 10.5 to 11.x."""

from __future__ import annotations

from collections.abc import Sequence

from engine.adapters.database.dialect import (
    COMMON_DUMP_OPTIONS,
    Account,
    Dialect,
    Lock,
    snapshot_holders,
)
from engine.adapters.database.programs import Programs
from engine.adapters.database.quoting import from_hex, quote_name, quote_text, words_of
from engine.adapters.database.session import Session
from engine.core.snapshot import BinlogPosition

_SYSTEM_ACCOUNTS = ("mariadb.sys", "debian-sys-maint")
_PUBLIC = "PUBLIC"  # the role everybody has (10.11 and later); it cannot be created
# What a dump program is seen doing; used when several connections could be ours.
_DUMP_STATEMENTS = (
    "SELECT /*!40001 SQL_NO_CACHE */",
    "SHOW CREATE ",
    "SHOW FIELDS ",
    "SHOW TABLE STATUS",
    "SHOW TRIGGERS",
    "SHOW FUNCTION",
    "SHOW PROCEDURE",
)


class MariaDB(Dialect):
    flavor = "mariadb"
    session_settings = ("SET SESSION max_statement_time=0",)
    load_settings = ("check_constraint_checks=OFF", "max_statement_time=0")
    raises_write_timeout = True

    def locks(self, tables: Sequence[tuple[str, str]]) -> list[Lock]:
        # Unlike FLUSH TABLES WITH READ LOCK it waits for no SELECT, and shuts no table.
        stages = ("BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT")
        return [Lock(stages, "BACKUP STAGE END", "RELOAD", 3)]

    def position(self, session: Session) -> BinlogPosition | None:
        rows = session.query("SHOW MASTER STATUS")
        if not rows:
            return None
        gtids = session.value("SELECT @@GLOBAL.gtid_binlog_pos") or ""
        return BinlogPosition(rows[0][0] or "", int(rows[0][1] or 0), gtids)

    def server_uuid(self, session: Session) -> str:
        # MariaDB has no UUID of its own kind everywhere; 10.11 and later name one so.
        rows = session.query("SHOW GLOBAL VARIABLES LIKE 'server_uid'")
        return (rows[0][1] or "") if rows else ""

    def dump_options(self, programs: Programs, program: str, versioned: bool) -> list[str]:
        known = programs.options.get(program, frozenset())
        options = list(COMMON_DUMP_OPTIONS)
        if versioned and "--dump-history" in known:
            options.append("--dump-history")
        if "--set-gtid-purged" in known:  # MySQL's program against this server
            options += ["--set-gtid-purged=OFF", "--column-statistics=0"]
        return options

    def dump_connections(self, session: Session, after: int, own: Sequence[int]) -> list[int]:
        found = snapshot_holders(session, after, own)
        if len(found) <= 1:
            return [connection for connection, _ in found]
        upper = tuple(statement.upper() for statement in _DUMP_STATEMENTS)
        return [c for c, doing in found if doing.upper().startswith(upper)]

    def accounts(self, session: Session) -> list[Account]:
        rows = session.query(
            "SELECT HEX(User), HEX(Host), is_role, HEX(IFNULL(default_role,'')) FROM mysql.user "
            "ORDER BY is_role DESC, User, Host"
        )
        found = [Account(from_hex(r[0]), from_hex(r[1]), r[2] == "Y", from_hex(r[3])) for r in rows]
        return [account for account in found if account.name not in _SYSTEM_ACCOUNTS]

    def account_sql(self, session: Session, account: Account) -> tuple[list[str], list[str]]:
        who = quote_name(account.name)
        if account.role and account.name == _PUBLIC:
            who, create = _PUBLIC, []
        elif account.role:
            create = [f"CREATE ROLE IF NOT EXISTS {who}"]
        else:
            who += "@" + quote_name(account.host)
            words = words_of(session.value(f"SHOW CREATE USER {who}") or "")
            rest = " ".join(words[3:])  # CREATE USER `a`@`h` rest...
            create = [f"CREATE USER IF NOT EXISTS {who} {rest}".strip()]
            if rest:
                create.append(f"ALTER USER {who} {rest}")
        # The default role is in some versions' listings only; PROXY's names are not escaped there.
        later = [
            _without_password(row[0] or "")
            for row in session.query(f"SHOW GRANTS FOR {who}")
            if not (row[0] or "").startswith(("SET DEFAULT ROLE", "GRANT PROXY"))
        ]
        if account.role:
            # A role's listing repeats the grants of the roles it holds.
            later = [grant for grant in later if _grantee_is(grant, who)]
        else:
            later += _proxies(session, account, who)
        if account.default_role:
            later.append(f"SET DEFAULT ROLE {quote_name(account.default_role)} FOR {who}")
        return create, later

    def adopt_position(self, session: Session, position: BinlogPosition) -> list[str]:
        if not position.gtid_set or session.value("SELECT @@GLOBAL.gtid_slave_pos"):
            return []
        # With events of its own the server would refuse or warn: it has a history already.
        if session.value("SELECT @@GLOBAL.gtid_binlog_pos"):
            return []
        refused = session.attempt(f"SET GLOBAL gtid_slave_pos = {quote_text(position.gtid_set)}")
        return [f"gtid_slave_pos was not set: {refused.message}"] if refused else []


def _proxies(session: Session, account: Account, who: str) -> list[str]:
    rows = session.query(
        "SELECT HEX(Proxied_user), HEX(Proxied_host), With_grant, HEX(User), HEX(Host) "
        "FROM mysql.proxies_priv"
    )
    return [
        f"GRANT PROXY ON {quote_name(from_hex(row[0]))}@{quote_name(from_hex(row[1]))} TO {who}"
        + (" WITH GRANT OPTION" if row[2] == "1" else "")
        for row in rows
        if (from_hex(row[3]), from_hex(row[4])) == (account.name, account.host)
        # Each installation brings this row for its root; granting it makes a second one.
        and (row[0] or row[1] or (account.name, account.host) != ("root", "localhost"))
    ]


def _without_password(grant: str) -> str:
    """A GRANT without its IDENTIFIED clause: that would set passwords behind CREATE USER's back."""
    words = words_of(grant)
    if "IDENTIFIED" not in words:
        return " ".join(words)
    start = words.index("IDENTIFIED")
    end = next((i for i in range(start, len(words)) if words[i] in ("REQUIRE", "WITH")), len(words))
    return " ".join([*words[:start], *words[end:]])


def _grantee_is(grant: str, who: str) -> bool:
    words = words_of(grant)
    return any(words[i] == "TO" and words[i + 1] == who for i in range(len(words) - 1))
