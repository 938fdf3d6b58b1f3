"""What is really there, looked at without the product: every row by the server's own client,
every file by reading it. Two looks are compared, and what differs is named."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import DatabaseContainer

SHOWN = 5  # differences named of each table or tree
_BINARY = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry")


@dataclass(frozen=True, slots=True)
class Look:
    """Lines by their place: a table's rows in key order, a schema's definitions, a tree's files.

    `rows` and `files` count those of them that are rows of tables and entries of trees."""

    places: Mapping[str, Sequence[str]]
    rows: int = 0
    files: int = 0

    @property
    def digest(self) -> str:
        """One SHA-256 over everything."""
        whole = hashlib.sha256()
        for place in sorted(self.places):
            whole.update(place.encode() + b"\0")
            for line in self.places[place]:
                whole.update(line.encode("utf-8", "surrogateescape") + b"\n")
        return whole.hexdigest()


def differences(wanted: Look, found: Look) -> list[str]:
    """What is not as it was, as sentences; empty when all is the same."""
    said: list[str] = []
    for place in sorted(wanted.places.keys() | found.places.keys()):
        if place not in found.places:
            said.append(f"{place}: gone")
        elif place not in wanted.places:
            said.append(f"{place}: was not there before")
        elif wanted.places[place] != found.places[place]:
            said += _lines(place, wanted.places[place], found.places[place])
    return said


def _lines(place: str, wanted: Sequence[str], found: Sequence[str]) -> list[str]:
    lost, new = set(wanted) - set(found), set(found) - set(wanted)
    said = [f"{place}: lost {_short(line)}" for line in wanted if line in lost][:SHOWN]
    said += [f"{place}: has {_short(line)}" for line in found if line in new][:SHOWN]
    more = len(lost) + len(new) - len(said)
    if more > 0:
        said.append(f"{place}: and {more} more")
    return said or [f"{place}: the same {len(wanted)} lines in another order or number"]


def _short(line: str) -> str:
    shown = line.encode("utf-8", "backslashreplace").decode().replace("\t", " | ")
    return shown if len(shown) <= 90 else f"{shown[:87]}..."


# ---------------------------------------------------------------- databases


def of_database(database: DatabaseContainer, schema: str) -> Look:
    """Every row of every table, every definition, every account and its grants."""
    places: dict[str, Sequence[str]] = {}
    rows = 0
    for table, kind in _names(database, schema):
        if kind == "BASE TABLE":
            lines = _rows(database, schema, table)
            places[f"table {schema}.{table}"] = lines
            rows += len(lines)
            created = database.sql(f"SHOW CREATE TABLE `{schema}`.`{table}`")[0][1]
            places[f"definition {schema}.{table}"] = created.split("\n")
        else:
            created = database.sql(f"SHOW CREATE VIEW `{schema}`.`{table}`")[0][1]
            places[f"view {schema}.{table}"] = [created]
    places[f"programs of {schema}"] = _programs(database, schema)
    places["accounts"] = _accounts(database)
    return Look(places, rows=rows)


def _names(database: DatabaseContainer, schema: str) -> list[tuple[str, ...]]:
    return database.sql(
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES "
        f"WHERE TABLE_SCHEMA = '{schema}' ORDER BY 1"
    )


def _rows(database: DatabaseContainer, schema: str, table: str) -> list[str]:
    columns = database.sql(
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_KEY FROM information_schema.COLUMNS "
        f"WHERE TABLE_SCHEMA = '{schema}' AND TABLE_NAME = '{table}' ORDER BY ORDINAL_POSITION"
    )
    shown = [f"HEX(`{n}`)" if kind in _BINARY else f"`{n}`" for n, kind, _ in columns]
    order = [f"`{name}`" for name, _, key in columns if key == "PRI"]
    statement = f"SELECT {', '.join(shown)} FROM `{schema}`.`{table}` ORDER BY {', '.join(order)}"
    return database.client(statement, "--batch", "--skip-column-names").split("\n")[:-1]


def _programs(database: DatabaseContainer, schema: str) -> list[str]:
    """Triggers, routines and events with their bodies, definers and SQL modes."""
    selects = (
        "SELECT 'trigger', TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_TIMING,"
        " ACTION_STATEMENT, DEFINER, SQL_MODE FROM information_schema.TRIGGERS"
        f" WHERE TRIGGER_SCHEMA = '{schema}'",
        "SELECT ROUTINE_TYPE, ROUTINE_NAME, DTD_IDENTIFIER, ROUTINE_DEFINITION, SQL_DATA_ACCESS,"
        f" DEFINER, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{schema}'",
        "SELECT 'event', EVENT_NAME, EVENT_DEFINITION, INTERVAL_VALUE, INTERVAL_FIELD, STARTS,"
        " STATUS, DEFINER, SQL_MODE FROM information_schema.EVENTS"
        f" WHERE EVENT_SCHEMA = '{schema}'",
    )
    return [
        line
        for select in selects
        for line in database.client(f"{select} ORDER BY 2", "--batch", "--skip-column-names").split(
            "\n"
        )[:-1]
    ]


def _accounts(database: DatabaseContainer) -> list[str]:
    """Each account's own CREATE USER, secret included, and its grants."""
    lines: list[str] = []
    accounts = database.sql(
        "SELECT User, Host FROM mysql.user WHERE User NOT LIKE 'mysql.%' ORDER BY 1, 2"
    )
    for user, host in accounts:
        name = f"'{user}'@'{host}'"
        asked = (
            "SET print_identified_with_as_hex = ON; "
            f"SHOW CREATE USER {name}; SHOW GRANTS FOR {name}"
        )
        lines += [line for (line,) in database.sql(asked)]
    return lines


# ---------------------------------------------------------------- trees


def of_tree(name: str, root: Path) -> Look:
    """Every entry below root with all that it is: kind, mode, owner, time, content, attributes.

    Names that are hard links of one file say so by naming its first."""
    lines: list[str] = []
    first: dict[tuple[int, int], str] = {}
    for path in _entries(root):
        found = path.lstat()
        shown = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
        facts = [
            shown,
            stat.filemode(found.st_mode),
            f"{found.st_uid}:{found.st_gid}",
            f"{found.st_mtime_ns}",
            *_content(path, found),
            *_attributes(path),
        ]
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            facts.append(f"= {first.setdefault((found.st_dev, found.st_ino), shown)}")
        lines.append("\t".join(facts))
    return Look({f"files of {name}": lines}, files=len(lines))


def _entries(root: Path) -> list[Path]:
    found = [root]
    for folder, folders, names in os.walk(root):
        found += [Path(folder, name) for name in (*folders, *names)]
    return sorted(found, key=os.fsencode)


def _content(path: Path, found: os.stat_result) -> list[str]:
    if stat.S_ISLNK(found.st_mode):
        return [f"-> {os.readlink(path)}"]  # noqa: PTH115  as it is written, whatever it names
    if stat.S_ISREG(found.st_mode):
        with path.open("rb") as file:
            return [str(found.st_size), hashlib.file_digest(file, "sha256").hexdigest()]
    return []


def _attributes(path: Path) -> list[str]:
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return [f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}" for name in names]


def together(looks: Sequence[Look]) -> Look:
    """Several looks as one."""
    places: dict[str, Sequence[str]] = {}
    for look in looks:
        places |= look.places
    return Look(places, sum(look.rows for look in looks), sum(look.files for look in looks))
