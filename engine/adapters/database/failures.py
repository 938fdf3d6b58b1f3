"""What a client program's complaint means for the operator: the one place that translates."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.core.errors import DatabaseError

# "ERROR 1045 (28000): text", "ERROR 1064 (42000) at line 3: text",
# "mysqldump: Got error: 1045: text when trying to connect", "... text (1449)"
_CLIENT = re.compile(r"ERROR (\d+) \(\w+\)(?: at line \d+)?(?: in file: [^:]*)?: (.*)", re.DOTALL)
_DUMP = re.compile(r"(?:mysqldump|mariadb-dump): (?:Got )?[Ee]rror:? (\d+): (.*)")
_DUMP_TAIL = re.compile(r"(?:mysqldump|mariadb-dump): (.*) \((\d+)\)\s*\Z")

ACCESS = frozenset({1045, 1130, 1698, 1862, 3118, 3159, 4151})
UNREACHABLE = frozenset({2002, 2003, 2005, 2026})
GONE = frozenset({1053, 1927, 2006, 2013, 2055, 4031})
PRIVILEGE = frozenset({1044, 1142, 1143, 1227, 1370})

_REMEDIES: tuple[tuple[frozenset[int], str], ...] = (
    (ACCESS, "Check `user` and `password` of this source, and that this account may log in here."),
    (
        PRIVILEGE,
        "Grant the account SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS and "
        "REPLICATION CLIENT on *.*, or use root.",
    ),
    (UNREACHABLE, "See that the server runs, and that `container`, `host` or `socket` name it."),
    (GONE, "The server stopped or cut the connection: see its error log, then run again."),
    (frozenset({1040, 1203, 1226}), "The server is full: raise max_connections or try later."),
    (frozenset({1205}), "Another statement holds the lock: see SHOW PROCESSLIST, then run again."),
    (frozenset({1412, 1146, 1049, 1051}), "Tables changed meanwhile: run it again without DDL."),
    (frozenset({1449}), "Recreate that account, or drop or redefine the object it belongs to."),
    (frozenset({1356}), "Drop or mend that view."),
    (frozenset({1153, 2020}), "Raise max_allowed_packet on that server to 1G and run again."),
    (frozenset({1290, 1792, 1836}), "The server is read-only: point at the primary instead."),
    (frozenset({1021, 1041, 1114, 3}), "Free disk space on the server's volume and run again."),
    (frozenset({1524, 2059, 2061}), "Use an account whose authentication plugin both sides have."),
)
_OTHERWISE = "See the server's error log for the details."
_DOCKER = re.compile(r"(?:Error response from daemon|OCI runtime exec failed|Error): (.*)")
# What dump programs say, without a number, about tables that are not what they were.
_CHANGED = re.compile(r"(?:mysqldump|mariadb-dump): (.*(?:field count|find table).*)")
_MISSING_OPTION = re.compile(r"unknown (?:option|variable) '([^']*)'")


class ServerSaid(DatabaseError):
    """A DatabaseError with the server's or client's own number; 0 when there was none."""

    def __init__(self, message: str, remedy: str = "", *, number: int = 0) -> None:
        super().__init__(message, remedy)
        self.number = number


def remedy_for(number: int) -> str:
    """What to do about an error of that number."""
    return next((text for numbers, text in _REMEDIES if number in numbers), _OTHERWISE)


def parse_line(line: str) -> tuple[int, str] | None:
    """(number, text) when the line is a client program's error, else None."""
    found = _CLIENT.match(line) or _DUMP.match(line)
    if found:
        return int(found[1]), found[2].strip()
    tail = _DUMP_TAIL.match(line)
    return (int(tail[2]), tail[1].strip()) if tail else None


def said(number: int, text: str, doing: str) -> ServerSaid:
    """The error for a numbered complaint; `doing` says what we were at."""
    shown = " ".join(text.split())[:500]
    return ServerSaid(f"{doing}: {shown} (error {number})", remedy_for(number), number=number)


def from_output(lines: Sequence[str], doing: str) -> ServerSaid:
    """The error behind what a client program printed before it ended."""
    for line in lines:
        numbered = parse_line(line)
        if numbered:
            return said(*numbered, doing)
    for line in lines:
        docker = _DOCKER.match(line)
        if docker:
            return ServerSaid(
                f"{doing}: {docker[1][:300]}", "See that the container runs: `docker ps -a`."
            )
        changed = _CHANGED.match(line)
        if changed:
            return said(1412, f"a table changed meanwhile: {changed[1]}", doing)
        option = _MISSING_OPTION.search(line)
        if option:
            return ServerSaid(
                f"{doing}: the client program does not know {option[1]}",
                "Install the client programs of the server's own version.",
            )
    last = next((line for line in reversed(lines) if line.strip()), "no reason was given")
    return ServerSaid(f"{doing}: {last.strip()[:300]}", _OTHERWISE)
