"""The binary logs of a server behind `engine.ports.Binlogs`.

Files are read where they lie, by `tail` beside the server: exact bytes, from any offset, also of
the file in use, with no privilege of replication and no connection. Where they cannot be read so
(encrypted, or on another machine), the server's own program asks for them as a replica would.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.adapters.command import run
from engine.adapters.database.failures import ServerSaid, from_output
from engine.adapters.database.programs import Launcher
from engine.adapters.database.session import Row, Session
from engine.core.binlog import server_name
from engine.core.binlog_shipping import Range, ServerLogs
from engine.core.commands import Command
from engine.core.errors import CommandFailed, DatabaseError

if TYPE_CHECKING:
    from engine.adapters.database.dialect import Dialect

_FILE = re.compile(r"[A-Za-z0-9_.-]{1,80}\Z")
_PROBE = r"""
for p in mariadb-binlog mysqlbinlog; do
  if command -v "$p" >/dev/null 2>&1; then echo "$p $("$p" --version 2>/dev/null | head -n 1)"; fi
done
if [ -r "$1" ]; then echo "+readable"; fi
"""
_PART = 'tail -c "+$2" -- "$1" | head -c "$3"'
# The program writes files only: a named pipe gives the bytes without one. It is opened once more
# when the program has ended, so that a reader of one that never began does not wait for ever.
_REMOTE = r"""
d=$(mktemp -d) || exit 95
trap 'rm -rf "$d"' EXIT
mkfifo "$d/$l" || exit 95
( run "$p" --read-from-remote-server --raw --result-file="$d/" "$l"
  s=$?; : <> "$d/$l"; exit $s ) & w=$!
tail -c "+$n" < "$d/$l" | { head -c "$c"; cat >/dev/null; }
wait "$w"
"""
_REMOTE_INSIDE = (
    r"""
n=$1; c=$2; p=$3; l=$4
run() {
  p=$1; shift
  printf '%s' "$o" | { exec "$p" --defaults-extra-file=/dev/fd/3 "$@" 3<&0 </dev/null 4<&-; }
}
"""
    + _REMOTE
)
_REMOTE_HERE = (
    r"""
f=$1; n=$2; c=$3; p=$4; l=$5
run() { p=$1; shift; "$p" --defaults-extra-file="/dev/fd/$f" "$@" </dev/null; }
"""
    + _REMOTE
)
_REPLAY_SETTINGS = (
    "net_read_timeout=3600",
    "net_write_timeout=3600",
    "wait_timeout=604800",
)


@dataclass(frozen=True, slots=True)
class _Found:
    """Programs by name, and whether the logs can be read as files."""

    program: str
    readable: bool


class ServerBinlogs:
    """See engine.ports.Binlogs. Made by Server.binlogs."""

    def __init__(
        self,
        launcher: Launcher,
        dialect: Dialect,
        client: str,
        session: Callable[[], AbstractContextManager[Session]],
        name: str,
        settings: Callable[[Session], list[str]],
    ) -> None:
        self._launcher = launcher
        self._dialect = dialect
        self._client = client
        self._session = session
        self._name = name
        self._settings = settings
        self._probed: _Found | None = None
        self._directory = ""
        self._encrypted = False

    # ------------------------------------------------------------ what there is

    def status(self) -> ServerLogs:
        with self._session() as session:
            self._require_on(session)
            position, rows = self._positions(session)
            files = [(row[0] or "", int(row[1] or 0)) for row in rows]
            for name, _ in files:
                if not _FILE.match(name):
                    raise DatabaseError(
                        f"{self._name}: the log {name!r} has a name that cannot be kept",
                        "Set log_bin to a name of letters, digits, dots and dashes.",
                    )
            self._encrypted = self._is_encrypted(session, rows)
            identity = self._dialect.server_uuid(session)
            retention, most = self._retention(session)
            return ServerLogs(
                flavor=self._dialect.flavor,
                version=session.value("SELECT VERSION()") or "",
                server=server_name(identity or f"id-{session.value('SELECT @@server_id')}"),
                files=tuple(files),
                position=position,
                gtid_set=self._gtids(session),
                row_based=session.value("SELECT @@GLOBAL.binlog_format") in ("ROW", None),
                encrypted=self._encrypted,
                retention=retention,
                max_total_bytes=most,
            )

    def _require_on(self, session: Session) -> None:
        if session.value("SELECT @@GLOBAL.log_bin") != "1":
            raise DatabaseError(
                f"{self._name}: the server writes no binary log",
                "Set log_bin in its configuration and restart it; until then only snapshots can "
                "be restored.",
            )
        base = session.value("SELECT @@GLOBAL.log_bin_basename") or ""
        self._directory = posixpath.dirname(base)

    def _positions(self, session: Session) -> tuple[int, list[Row]]:
        """The position, and the list of files that ends with the one it is in."""
        for _ in range(5):
            place = self._dialect.position(session)
            rows = session.query("SHOW BINARY LOGS")
            if place is not None and rows and rows[-1][0] == place.file:
                return place.position, rows
        raise DatabaseError(
            f"{self._name}: the server changes its binary log faster than it can be listed",
            "Raise max_binlog_size, then try again.",
        )

    def _gtids(self, session: Session) -> str:
        place = self._dialect.position(session)
        return place.gtid_set if place else ""

    def _is_encrypted(self, session: Session, rows: Sequence[Row]) -> bool:
        if self._dialect.flavor == "mariadb":
            found = session.query("SHOW GLOBAL VARIABLES LIKE 'encrypt_binlog'")
            return bool(found) and found[0][1] == "ON"
        return any(len(row) > 2 and row[2] == "Yes" for row in rows)

    def _retention(self, session: Session) -> tuple[timedelta | None, int]:
        found = {
            row[0]: row[1] or "0"
            for row in session.query(
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', "
                "'expire_logs_days', 'binlog_expire_logs_auto_purge', 'max_binlog_total_size')"
            )
        }
        seconds = float(found.get("binlog_expire_logs_seconds", "0"))
        seconds = seconds or 86400 * float(found.get("expire_logs_days", "0"))
        if found.get("binlog_expire_logs_auto_purge") == "OFF":
            seconds = 0
        most = int(float(found.get("max_binlog_total_size", "0")))
        return (timedelta(seconds=seconds) if seconds else None), most

    def rotate(self) -> None:
        with self._session() as session:
            session.query("FLUSH BINARY LOGS")

    # ------------------------------------------------------------ reading

    def _probe(self, file: str = "") -> _Found:
        if self._probed is None:
            path = posixpath.join(self._directory, file) if file else "/nonexistent"
            ended = self._run(self._here_or_inside(_PROBE, "probe", [path]))
            programs: dict[str, str] = {}
            for line in ended.splitlines():
                name, _, version = line.partition(" ")
                programs[name] = version
            own = self._dialect.flavor == "mariadb"
            fitting = [
                name
                for name in ("mariadb-binlog", "mysqlbinlog")
                if name in programs and _of_mariadb(name, programs[name]) == own
            ]
            self._probed = _Found(next(iter(fitting), ""), "+readable" in programs)
        return self._probed

    def _run(self, command: Command) -> str:
        try:
            return run(command, timeout=60, check=False).stdout.decode("utf-8", "replace")
        except CommandFailed as error:
            raise DatabaseError(f"{self._name}: {error.message}", error.remedy) from error

    def _here_or_inside(self, script: str, label: str, arguments: Sequence[str]) -> Command:
        argv = ["sh", "-c", script, f"mentat-dr-{label}", *arguments]
        if self._launcher.run_in is None:
            return Command(tuple(argv), label=label)
        return self._launcher.run_in(argv, label, self._launcher.marker)

    def read(self, part: Range) -> Command:
        """Of a file that `status` listed."""
        found = self._probe(part.file)
        span = [str(part.start + 1), str(part.end - part.start)]
        local = self._launcher.run_in is not None or not self._launcher.login.host
        if local and found.readable and not self._encrypted:
            path = posixpath.join(self._directory, part.file)
            return self._here_or_inside(_PART, "binlog", [path, *span])
        if not found.program:
            raise self._no_program("The logs cannot be read as files here, and")
        arguments = [*span, found.program, part.file]
        return self._launcher.reading(_REMOTE_HERE, _REMOTE_INSIDE, "binlog", arguments)

    def _no_program(self, first: str) -> DatabaseError:
        wanted = "mariadb-binlog" if self._dialect.flavor == "mariadb" else "mysqlbinlog"
        where = "beside the server" if self._launcher.run_in else "on this host"
        return DatabaseError(
            f"{self._name}: {first} {wanted} is not installed {where}".replace("  ", " "),
            f"Install {wanted} there: it comes with the server's client programs.",
        )

    # ------------------------------------------------------------ replaying

    def decode(self) -> Command:
        program = self._probe().program
        if not program:
            raise self._no_program("")
        # --skip-gtids: what was replayed is told to the server as a set, afterwards; a server that
        # has met these transactions before would skip them without a word.
        options = ["--no-defaults", "--force-if-open"]
        if self._dialect.flavor == "mysql":
            options.append("--skip-gtids")
        argv = [program, *options, "-"]
        if self._launcher.run_in is None:
            return Command(tuple(argv), label="decode")
        return self._launcher.run_in(argv, "decode", self._launcher.marker)

    def apply(self) -> Command:
        with self._session() as session:
            settings = [*_REPLAY_SETTINGS, *self._settings(session)]
            granted = [s for s in settings if not session.attempt(f"SET SESSION {s}")]
        options = [
            "--batch",
            "--binary-mode",
            "--max-allowed-packet=1G",
            "--skip-reconnect",
            "--init-command=SET SESSION " + ", ".join(granted),
        ]
        return self._launcher.client("replay", self._client, options)

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        error = from_output(stderr, f"{self._name}: the replay failed")
        if isinstance(error, ServerSaid) and error.number in (1032, 1062, 1050, 1051, 1146):
            error.remedy = (
                "The log does not fit the snapshot: data was changed outside the log. Choose "
                "another snapshot or a time before; nothing live was changed."
            )
        return error


def _of_mariadb(program: str, version: str) -> bool:
    """MariaDB's program counts its own versions (3.5), MySQL's has its server's (8.4, 9.7)."""
    return program.startswith("mariadb") or "MariaDB" in version or " Ver 3." in version
