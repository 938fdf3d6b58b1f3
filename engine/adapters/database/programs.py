"""How a client program is started next to its server, with credentials on stdin only.

Inside a container stdin is the only private way in: arguments and the environment show in `ps`
and `docker inspect`, files stay behind. So a few lines of `sh` read an option file's text from
the start of stdin (`read` takes byte by byte, what follows stays for the client) and hand it on
by an anonymous pipe. The same lines serve on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.adapters.database.quoting import option_line
from engine.core.commands import Command

RunIn = Callable[[Sequence[str], str, str], Command]  # argv, label, marker

# `printf` is a builtin, so the text never stands in an argv. HOME is moved away because
# ~/.my.cnf and ~/.mylogin.cnf would be read last and win.
_READ_OPTIONS = r"""
IFS= read -r n || exit 97
o=
while [ "$n" -gt 0 ]; do
  IFS= read -r l || exit 97
  o="$o$l
"
  n=$((n - 1))
done
HOME=/nonexistent; export HOME
unset MYSQL_PWD MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT
exec 4<&0
"""
_CLIENT = (
    _READ_OPTIONS
    + r"""
p=$1; shift
printf '%s' "$o" | { exec "$p" --defaults-extra-file=/dev/fd/3 "$@" 3<&0 <&4 4<&-; }
"""
)
# The dump waits at a gate, a user lock that our own session holds, and starts when that lets go.
# A second gate after it shows the dump of a small database that came and went unseen.
_GATED = (
    _READ_OPTIONS
    + r"""
c=$1; g=$2; p=$3; shift 3
r=$(printf '%s' "$o" | "$c" --defaults-extra-file=/dev/fd/3 --batch --skip-column-names \
  -e "SELECT GET_LOCK('$g', 600)" 3<&0 </dev/null 4<&-) || exit 96
[ "$r" = 1 ] || { echo "the dump was not let through its gate" >&2; exit 98; }
printf '%s' "$o" | { exec "$p" --defaults-extra-file=/dev/fd/3 "$@" 3<&0 </dev/null 4<&-; }
s=$?
printf '%s' "$o" | "$c" --defaults-extra-file=/dev/fd/3 --batch \
  -e "SELECT GET_LOCK('$g-end', 60)" 3<&0 </dev/null 4<&- >/dev/null 2>&1
exit $s
"""
)
# On the host the option file is an inherited pipe: no shell stays between us and the client, so
# ending our child ends the client.
_CLIENT_HERE = r"""
f=$1; p=$2; shift 2
exec "$p" --defaults-extra-file="/dev/fd/$f" "$@"
"""
_GATED_HERE = r"""
f=$1; h=$2; e=$3; c=$4; g=$5; p=$6; shift 6
r=$("$c" --defaults-extra-file="/dev/fd/$h" --batch --skip-column-names \
  -e "SELECT GET_LOCK('$g', 600)" </dev/null) || exit 96
[ "$r" = 1 ] || { echo "the dump was not let through its gate" >&2; exit 98; }
"$p" --defaults-extra-file="/dev/fd/$f" "$@" </dev/null & d=$!
trap 'kill "$d"' HUP INT TERM
wait "$d"
s=$?
"$c" --defaults-extra-file="/dev/fd/$e" --batch \
  -e "SELECT GET_LOCK('$g-end', 60)" </dev/null >/dev/null 2>&1
exit $s
"""
# A session's complaints come in order with its answers: one stream.
_JOINED = "exec 2>&1\n"
_NO_HOME = {"HOME": "/nonexistent"}
_PROBE = r"""
for p in mariadb mysql mariadb-dump mysqldump; do
  if command -v "$p" >/dev/null 2>&1; then echo "$p $("$p" --version 2>/dev/null | head -n 1)"; fi
done
for p in mariadb-dump mysqldump; do
  if command -v "$p" >/dev/null 2>&1; then
    "$p" --no-defaults --help 2>/dev/null | while IFS= read -r l; do
      case "$l" in *--*) echo "+$p $l";; esac
    done
  fi
done
"""


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in. An empty host means the local socket; options are an option file's lines."""

    user: str
    password: str | None
    host: str = ""
    port: int = 3306
    socket: str = ""

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, host={self.host!r}, port={self.port})"

    def option_file(self) -> str:
        """The text of an option file with all of it."""
        lines = ["[client]", option_line("user", self.user)]
        if self.password is not None:
            lines.append(option_line("password", self.password))
        if self.host:
            lines += [option_line("host", self.host), f"port={self.port}", "protocol=tcp"]
        else:
            lines.append("host=localhost")
            if self.socket:
                lines.append(option_line("socket", self.socket))
        return "\n".join(lines) + "\n"

    def preamble(self) -> bytes:
        """What the `sh` lines read: a count, then so many lines of an option file."""
        text = self.option_file()
        return f"{text.count(chr(10))}\n{text}".encode()


@dataclass(frozen=True, slots=True)
class Programs:
    """Which client programs exist: name to version line, and options each dump program knows."""

    versions: dict[str, str]
    options: dict[str, frozenset[str]]

    def client(self, flavor: str) -> str:
        """The interactive client that fits; empty when there is none."""
        return self._pick("mariadb", "mysql", flavor)

    def dump(self, flavor: str) -> str:
        """The dump program that fits; empty when there is none."""
        return self._pick("mariadb-dump", "mysqldump", flavor)

    def of_mariadb(self, program: str) -> bool:
        return "MariaDB" in self.versions.get(program, "")

    def _pick(self, mariadb: str, mysql: str, flavor: str) -> str:
        here = [name for name in (mariadb, mysql) if name in self.versions]
        wanted = [name for name in here if self.of_mariadb(name) == (flavor == "mariadb")]
        return next(iter(wanted or here), "")


def parse_probe(output: str) -> Programs:
    """What the probe printed, as Programs."""
    versions: dict[str, str] = {}
    options: dict[str, set[str]] = {}
    for line in output.splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("+"):
            known = options.setdefault(name[1:], set())
            known.update(
                word.split("[")[0].split("=")[0] for word in rest.replace(",", " ").split()
            )
        elif rest:
            versions[name] = rest.strip()
    return Programs(
        versions, {k: frozenset(o for o in v if o.startswith("--")) for k, v in options.items()}
    )


@dataclass(frozen=True, slots=True)
class Launcher:
    """Builds the commands. `run_in` starts an argv in the server's container; None: here."""

    run_in: RunIn | None
    login: Login
    marker: str = ""

    def probe(self) -> Command:
        argv = ["sh", "-c", _PROBE, "mentat-dr-probe"]
        if self.run_in is None:
            return Command(tuple(argv), label="probe")
        return self.run_in(argv, "probe", self.marker)

    def ping(self) -> Command | None:
        """Succeeds while the container runs; None on the host."""
        return self.run_in(["true"], "ping", self.marker) if self.run_in else None

    def session(self, program: str, options: Sequence[str]) -> Command:
        """stdin SQL, stdout answers and complaints in order."""
        return self._client("session", program, options, _JOINED)

    def client(self, label: str, program: str, options: Sequence[str]) -> Command:
        """stdin SQL, stdout answers, stderr complaints."""
        return self._client(label, program, options, "")

    def _client(self, label: str, program: str, options: Sequence[str], first: str) -> Command:
        if self.run_in is None:
            return self._here(first + _CLIENT_HERE, label, ["{fd:login}", program, *options])
        return self._inside(first + _CLIENT, label, [program, *options])

    def gated(
        self, label: str, client: str, gate: str, program: str, options: Sequence[str]
    ) -> Command:
        """`program`, started when the user lock `gate` is free; then waits for `gate`-end."""
        rest = [client, gate, program, *options]
        if self.run_in is None:
            return self._here(_GATED_HERE, label, ["{fd:login}", "{fd:gate}", "{fd:end}", *rest])
        return self._inside(_GATED, label, rest)

    def _inside(self, script: str, label: str, arguments: Sequence[str]) -> Command:
        assert self.run_in is not None
        argv = ["sh", "-c", script, f"mentat-dr-{label}", *arguments]
        return replace(self.run_in(argv, label, self.marker), preamble=self.login.preamble())

    def _here(self, script: str, label: str, arguments: Sequence[str]) -> Command:
        text = self.login.option_file().encode()
        secrets = {n: text for n in ("login", "gate", "end") if f"{{fd:{n}}}" in arguments}
        argv = ("sh", "-c", script, f"mentat-dr-{label}", *arguments)
        return Command(argv, label=label, secrets=secrets, env=_NO_HOME)
