"""What a server holds, by information_schema: schemas, tables with their columns, objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.adapters.database.checksums import Column
from engine.adapters.database.quoting import from_hex, quote_texts
from engine.adapters.database.session import Session

SYSTEM_SCHEMAS = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
_LONG = 600.0


@dataclass(frozen=True, slots=True)
class Table:
    """One base table. `shape` is a digest of its definition: two moments compare by it."""

    schema: str
    name: str
    engine: str
    transactional: bool
    versioned: bool
    columns: tuple[Column, ...]
    shape: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Tables by (schema, name), and digests of the other objects by `view shop.v`."""

    tables: Mapping[tuple[str, str], Table] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)


def schema_names(session: Session) -> list[str]:
    """All schemas but the system's; directories that are none (`lost+found`) left out."""
    rows = session.query("SELECT HEX(SCHEMA_NAME) FROM information_schema.SCHEMATA")
    names = (from_hex(row[0]) for row in rows)
    return sorted(n for n in names if n.lower() not in SYSTEM_SCHEMAS and not _is_stray(n))


def _is_stray(name: str) -> bool:
    return name.startswith("#mysql50#")


def read_layout(session: Session, schemas: Sequence[str]) -> Layout:
    """The layout of these schemas now."""
    if not schemas:
        return Layout()
    columns, digests = _columns(session, schemas)
    trusted = {
        row[0]
        for row in session.query(
            "SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS='YES'"
        )
    }
    tables: dict[tuple[str, str], Table] = {}
    rows = session.query(
        "SELECT HEX(TABLE_SCHEMA), HEX(TABLE_NAME), TABLE_TYPE, IFNULL(ENGINE,''), "
        f"IFNULL(CREATE_TIME,'') FROM information_schema.TABLES WHERE {_in(schemas)}",
        _LONG,
    )
    for row in rows:
        key = (from_hex(row[0]), from_hex(row[1]))
        kind, engine = row[2] or "", row[3] or ""
        if key[0] not in schemas or kind not in ("BASE TABLE", "SYSTEM VERSIONED"):
            continue
        digest = hashlib.sha256(f"{engine}|{row[4]}|{digests.get(key, '')}".encode())
        tables[key] = Table(
            *key,
            engine=engine,
            transactional=engine in trusted,
            versioned=kind == "SYSTEM VERSIONED",
            columns=tuple(columns.get(key, ())),
            shape=digest.hexdigest(),
        )
    return Layout(tables, _objects(session, schemas))


def _in(schemas: Sequence[str], column: str = "TABLE_SCHEMA") -> str:
    return f"{column} IN ({quote_texts(schemas)})"


def _columns(
    session: Session, schemas: Sequence[str]
) -> tuple[dict[tuple[str, str], list[Column]], dict[tuple[str, str], str]]:
    rows = session.query(
        "SELECT HEX(TABLE_SCHEMA), HEX(TABLE_NAME), HEX(COLUMN_NAME), LOWER(DATA_TYPE), "
        "IFNULL(GENERATION_EXPRESSION,'')<>'', "
        "CRC32(CONCAT_WS('|',IFNULL(COLUMN_DEFAULT,'<null>'),IS_NULLABLE,COLUMN_TYPE,"
        "IFNULL(COLLATION_NAME,''),EXTRA,IFNULL(GENERATION_EXPRESSION,''))) "
        f"FROM information_schema.COLUMNS WHERE {_in(schemas)} "
        "ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION",
        _LONG,
    )
    columns: dict[tuple[str, str], list[Column]] = {}
    digests: dict[tuple[str, str], str] = {}
    for row in rows:
        key = (from_hex(row[0]), from_hex(row[1]))
        column = Column(from_hex(row[2]), row[3] or "", generated=row[4] == "1")
        columns.setdefault(key, []).append(column)
        digests[key] = f"{digests.get(key, '')}|{row[2]}:{row[5]}"
    return columns, digests


_OBJECT_QUERIES = (
    ("view", "VIEWS", "TABLE_SCHEMA", "TABLE_NAME", "CRC32(VIEW_DEFINITION)"),
    ("trigger", "TRIGGERS", "TRIGGER_SCHEMA", "TRIGGER_NAME", "CRC32(ACTION_STATEMENT)"),
    ("routine", "ROUTINES", "ROUTINE_SCHEMA", "ROUTINE_NAME", "LAST_ALTERED"),
    ("event", "EVENTS", "EVENT_SCHEMA", "EVENT_NAME", "LAST_ALTERED"),
)


def _objects(session: Session, schemas: Sequence[str]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for kind, source, schema, name, digest in _OBJECT_QUERIES:
        rows = session.query(
            f"SELECT HEX({schema}), HEX({name}), IFNULL({digest},'') "
            f"FROM information_schema.{source} WHERE {_in(schemas, schema)}",
            _LONG,
        )
        for row in rows:
            if from_hex(row[0]) in schemas:
                digests[f"{kind} {from_hex(row[0])}.{from_hex(row[1])}"] = row[2] or ""
    return digests


def count_objects(layout: Layout, users: int) -> dict[str, int]:
    """`{"tables": 3, "views": 1, ...}` for a manifest."""
    counts = {"tables": len(layout.tables)}
    for kind, *_ in _OBJECT_QUERIES:
        counts[f"{kind}s"] = sum(1 for name in layout.objects if name.startswith(f"{kind} "))
    return {**counts, "users": users}


def table_changes(before: Layout, after: Layout) -> list[str]:
    """Sentences about tables that DDL touched between the two moments."""
    told = [f"{t} was created" for k, t in after.tables.items() if k not in before.tables]
    told += [f"{t} was dropped" for k, t in before.tables.items() if k not in after.tables]
    told += [
        f"{t} was altered"
        for k, t in before.tables.items()
        if k in after.tables and after.tables[k].shape != t.shape
    ]
    return sorted(told)


def object_changes(before: Layout, after: Layout) -> list[str]:
    """The same about views, triggers, routines and events."""
    names = set(before.objects) | set(after.objects)
    return sorted(
        f"{name} changed while the dump ran"
        for name in names
        if before.objects.get(name) != after.objects.get(name)
    )


def stored_bytes(session: Session, schemas: Sequence[str]) -> tuple[int, int]:
    """Data bytes and index bytes by the server's own statistics."""
    rows = session.query(
        "SELECT IFNULL(SUM(DATA_LENGTH),0), IFNULL(SUM(INDEX_LENGTH),0) "
        f"FROM information_schema.TABLES WHERE {_in(schemas)}",
        _LONG,
    )
    data, index = rows[0]
    return int(data or 0), int(index or 0)
