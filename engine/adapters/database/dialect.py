"""What differs between MySQL and MariaDB, as the rest of this package needs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.adapters.database.programs import Programs
from engine.adapters.database.session import Session
from engine.core.snapshot import BinlogPosition

COMMON_DUMP_OPTIONS = (
    "--default-character-set=utf8mb4",
    "--single-transaction",
    "--quick",
    "--hex-blob",  # binary data survives every character set and client
    "--routines",
    "--triggers",
    "--events",
    "--skip-lock-tables",
    "--no-tablespaces",  # MySQL asks PROCESS for them, and dumps those of NDB only
    "--tz-utc",
    "--max-allowed-packet=1G",
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account or role as the server spells it: name and host ('' host for MariaDB's roles)."""

    name: str
    host: str
    role: bool = False
    default_role: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.host}" if self.host or not self.role else self.name


@dataclass(frozen=True, slots=True)
class Lock:
    """A way to keep commits still. One that needs quiet must not meet a long statement."""

    statements: tuple[str, ...]
    release: str
    privilege: str
    attempts: int
    needs_quiet: bool = False


class Dialect(ABC):
    """One kind of server."""

    flavor: Literal["mysql", "mariadb"]
    session_settings: tuple[str, ...] = ()
    load_settings: tuple[str, ...] = ()
    # The dump inherits the server's net_write_timeout, and a stalled upload outlasts 60 s.
    raises_write_timeout = False

    @abstractmethod
    def position(self, session: Session) -> BinlogPosition | None:
        """Where the binlog stands; None with binlogs off. ServerSaid without the privilege."""

    @abstractmethod
    def locks(self, tables: Sequence[tuple[str, str]]) -> list[Lock]:
        """Ways to keep commits to these (schema, table) still, the one to try first first."""

    @abstractmethod
    def server_uuid(self, session: Session) -> str:
        """What tells this server from others; empty when it has nothing of the kind."""

    @abstractmethod
    def dump_options(self, programs: Programs, program: str, versioned: bool) -> list[str]:
        """Options of the dump program, without schemas."""

    @abstractmethod
    def dump_connections(self, session: Session, after: int, own: Sequence[int]) -> list[int]:
        """Connections of our account, newer than `after`, that hold an open snapshot and look
        like a dump program's."""

    @abstractmethod
    def accounts(self, session: Session) -> list[Account]:
        """All but the system's."""

    @abstractmethod
    def account_sql(self, session: Session, account: Account) -> tuple[list[str], list[str]]:
        """Statements that create the account, and statements to run when all are created."""

    @abstractmethod
    def adopt_position(self, session: Session, position: BinlogPosition) -> list[str]:
        """Tell a freshly loaded server which transactions it holds; warnings."""


def snapshot_holders(session: Session, after: int, own: Sequence[int]) -> list[tuple[int, str]]:
    """(connection, running statement) of open repeatable-read transactions of our account."""
    # Our account's name: USER() is what we logged in as, and so does the dump.
    rows = session.query(
        "SELECT p.ID, IFNULL(LEFT(p.INFO, 60), '') FROM information_schema.INNODB_TRX t "
        "JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id "
        f"WHERE p.ID > {after} AND p.USER = SUBSTRING_INDEX(USER(), '@', 1) "
        "AND t.trx_isolation_level = 'REPEATABLE READ'",
        10,
    )
    return [(int(row[0] or 0), row[1] or "") for row in rows if int(row[0] or 0) not in own]
