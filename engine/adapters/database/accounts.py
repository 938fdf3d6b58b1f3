"""Users, roles and grants as SQL that can be run again, and running it with care."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from engine.adapters.command import run
from engine.adapters.database.dialect import Account, Dialect
from engine.adapters.database.failures import ServerSaid, from_output
from engine.adapters.database.session import Session
from engine.core.commands import Command

_HEADER = (
    "-- Users, roles and grants. Run with: mysql --force < this file",
    # Backslashes escape in the texts below.
    "SET NAMES utf8mb4",
    "SET SESSION sql_mode=''",
)
_ERROR = re.compile(r"ERROR (\d+) \(\w+\) at line (\d+)(?: in file: [^:]*)?: (.*)")
# After these a statement shows a password's hash.
_SECRET = re.compile(r"\b(IDENTIFIED|AS|USING)\b.*", re.DOTALL)


def users_sql(session: Session, dialect: Dialect) -> tuple[bytes, int, list[str]]:
    """(statements, one a line; number of accounts; warnings).

    Accounts are created first, then granted to: a grant may name another account. An existing
    account is altered to be as it was, so running it twice is running it once.
    """
    # SHOW CREATE USER writes invalid text under NO_BACKSLASH_ESCAPES.
    session.query("SET SESSION sql_mode=''")
    try:
        create: list[str] = []
        later: list[str] = []
        warnings: list[str] = []
        accounts = dialect.accounts(session)
        for account in accounts:
            try:
                first, second = _statements(session, dialect, account)
            except ServerSaid as error:
                if session.closed:
                    raise
                warnings.append(f"the account {account} is not in the backup: {error.message}")
                continue
            create += first
            later += second
    finally:
        if not session.closed:
            session.query("SET SESSION sql_mode='NO_BACKSLASH_ESCAPES'")
    body = [_HEADER[0], *(f"{s};" for s in (*_HEADER[1:], *create, *later))]
    return "\n".join([*body, ""]).encode("utf-8", "surrogateescape"), len(accounts), warnings


def _statements(
    session: Session, dialect: Dialect, account: Account
) -> tuple[list[str], list[str]]:
    # One statement a line is what makes errors traceable; and with backslash escapes on, the
    # client program loses its way in a name with a backslash at the end.
    if "\n" in f"{account}" or account.name.endswith("\\") or account.host.endswith("\\"):
        raise ServerSaid("its name cannot be written in SQL", "Rename that account.", number=1)
    first, second = dialect.account_sql(session, account)
    return [s.replace("\n", "\\n") for s in first], [s.replace("\n", "\\n") for s in second]


def load_users(
    sql: bytes, session: Session, client: Callable[[Sequence[str]], Command]
) -> tuple[list[str], list[str]]:
    """Run what `users_sql` made. Returns warnings for statements that this server refuses, and
    the statements that alter the account in use here: they are for the very end, since nobody
    can log in with the present password after them. `client` builds the program with options."""
    own = _own_account(session)
    lines = sql.decode("utf-8", "surrogateescape").split("\n")
    late = [line.rstrip(";") for line in lines if _alters(line, own)]
    kept = ["" if _alters(line, own) else line for line in lines]
    command = client(["--force", "--binary-mode", "--default-character-set=utf8mb4"])
    text = "\n".join(kept).encode("utf-8", "surrogateescape")
    ended = run(command, stdin=text, check=False, timeout=600)
    warnings: list[str] = []
    for line in ended.stderr:
        found = _ERROR.match(line)
        if found:
            warnings.append(f"{_shown(kept, int(found[2]))} was refused: {found[3]} ({found[1]})")
    if not ended.ok and not warnings:
        raise from_output(ended.stderr, "loading users")
    if not late:
        warnings.append(f"{own}, the account in use, is not in the snapshot: it stays as it is")
    return warnings, late


def alter_own(statements: Sequence[str], session: Session) -> list[str]:
    """Give the account in use what the snapshot says, as the session's last act."""
    session.query("SET SESSION sql_mode=''")
    refused = [session.attempt(statement) for statement in statements]
    return [f"the account in use was not altered: {error.message}" for error in refused if error]


def _own_account(session: Session) -> str:
    """The account we are logged in with, as users_sql spells it."""
    quoted = session.value(
        "SELECT CONCAT('`', REPLACE(SUBSTRING_INDEX(CURRENT_USER(),'@',1),'`','``'), '`@`', "
        "SUBSTRING_INDEX(CURRENT_USER(),'@',-1), '`')"
    )
    return quoted or ""


def _alters(line: str, account: str) -> bool:
    # Its default role may be set: that takes nothing away.
    return line.startswith(f"ALTER USER {account} ") and " DEFAULT ROLE " not in line


def _shown(lines: Sequence[str], number: int) -> str:
    """The statement of that line without hashes."""
    if not 1 <= number <= len(lines):
        return "a statement"
    return _SECRET.sub("...", lines[number - 1].rstrip(";"))[:160].strip()
