"""A logical dump taken apart while it streams: whole statements, each with the schema and table
that it is about.

What mysqldump and mariadb-dump write is relied on: an INSERT has line ends between its rows only,
since they escape those inside text, so the first semicolon at a line's end is its own; every other
statement ends at a line's end, too; what holds statements of its own (triggers, routines, events)
stands between `DELIMITER ;;` and `DELIMITER ;`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["session", "rows", "rest", "locks"]
LONG = 16 << 20  # bytes of a statement that are held in memory; the rest of it is passed on

_LINE = b"\n"
_LAST_ROW = b";\n"
_NAME = rb"`((?:[^`]|``)+)`"
_EXECUTED = rb"(?:/\*!\d+ )?"
_SESSION = re.compile(_EXECUTED + rb"SET (?!GLOBAL|@@GLOBAL)|USE `", re.I)
_LOCKS = re.compile(_EXECUTED + rb"(?:UN)?LOCK TABLES\b|set autocommit=0;|commit;", re.I)
_USE = re.compile(rb"USE " + _NAME, re.I)
_DATABASE = re.compile(
    rb"CREATE DATABASE (?:/\*!\d+ IF NOT EXISTS\*/ |IF NOT EXISTS )?" + _NAME, re.I
)
_ROWS = re.compile(rb"(?:INSERT|REPLACE)(?: +IGNORE)? +INTO " + _NAME)
_TABLE = re.compile(
    _EXECUTED
    + rb"(?:CREATE(?: TEMPORARY)? TABLE(?: IF NOT EXISTS)?|DROP TABLE IF EXISTS|ALTER TABLE"
    + rb"|LOCK TABLES) "
    + _NAME
)
# Servers give a trigger's own words back: its names may stand without quotes, or with a schema.
_PART = rb"(?:`((?:[^`]|``)+)`|([\w$\x80-\xff]+))"
_TRIGGER = re.compile(
    rb"\bTRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:`(?:[^`]|``)+`|[^\s`])+\s+(?:BEFORE|AFTER)\s+[A-Z\s]+?"
    rb"\s+ON\s+(?:(?:`(?:[^`]|``)+`|[\w$\x80-\xff]+)\s*\.\s*)?" + _PART,
    re.I,
)
_DELIMITER = re.compile(rb"DELIMITER ([^\r\n]+?)\s*\Z")
_MARK = re.compile(rb"""\\.|'|"|`|--\s|\#|/\*(?!!)|\*/""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, or one block between delimiters, as it stands in the dump.

    role   session: every connection needs it; rows: may run on any connection, beside others of
           its kind; locks: for one connection alone; rest: needs what stood before it to be done
    table  empty where it is about none, or about the whole schema
    more   what follows `body` of a statement that is too long to be held; to be read to its end
           before the next statement is asked for
    """

    role: Role
    schema: str
    table: str
    body: bytes
    more: Iterator[bytes] = field(default_factory=lambda: iter(()), compare=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which parts of a dump are wanted: whole schemas, single tables; nothing named: all."""

    schemas: frozenset[str] = frozenset()
    tables: frozenset[tuple[str, str]] = frozenset()

    @property
    def everything(self) -> bool:
        return not self.schemas and not self.tables

    def wants(self, statement: Statement) -> bool:
        """Whether the statement belongs to it. What is about no schema does, and so do settings
        of the session."""
        if self.everything or not statement.schema or statement.schema in self.schemas:
            return True
        if (statement.schema, statement.table) in self.tables:
            return True
        if statement.role == "session" and not _USE.match(statement.body):
            return True
        about = any(schema == statement.schema for schema, _ in self.tables)
        return about and bool(_USE.match(statement.body) or _DATABASE.match(statement.body))


def split(chunks: Iterable[bytes]) -> Iterator[Statement]:
    """The statements of a dump, in order. What stands outside them (comments) is left out."""
    lines = _Lines(chunks)
    schema = ""
    while (line := lines.next()) is not None:
        if not line.strip() or line.startswith((b"--", b"/*M!999999", b"#")):
            lines.skip()
            continue
        rows = _ROWS.match(line)
        if rows:
            body = line if lines.cut else lines.rows(line)
            yield Statement("rows", schema, _plain(rows[1]), body, lines.rest())
            lines.skip()
            continue
        body = line + b"".join(lines.rest())
        delimiter = _DELIMITER.match(body.rstrip(b"\r\n"))
        body = _block(lines, body) if delimiter else _whole(lines, body)
        opened = _USE.match(body) or _DATABASE.match(body)
        if opened:
            schema = _plain(opened[1])
        yield Statement(_role(body), schema, _table_of(body, bool(delimiter)), body)


def _plain(name: bytes) -> str:
    return name.replace(b"``", b"`").decode("utf-8", "surrogateescape")


def _role(body: bytes) -> Role:
    if _LOCKS.match(body):
        return "locks"
    return "session" if _SESSION.match(body) else "rest"


def _table_of(body: bytes, block: bool) -> str:
    if block:
        found = _TRIGGER.search(body)
        return _plain(found[1] or found[2]) if found else ""
    named = _TABLE.match(body)
    return _plain(named[1]) if named else ""


def _block(lines: _Lines, body: bytes) -> bytes:
    """All up to `DELIMITER ;`: what stands between is the client's to understand."""
    parts = [body]
    while (line := lines.next()) is not None:
        line += b"".join(lines.rest())
        parts.append(line)
        if line.rstrip() == b"DELIMITER ;":
            break
    return b"".join(parts)


def _whole(lines: _Lines, body: bytes) -> bytes:
    """All up to a `;` at a line's end that stands in no text, name or comment."""
    parts = [body]
    inside = _scan(body, b"")
    while inside or not parts[-1].rstrip().endswith(b";"):
        line = lines.next()
        if line is None:
            break
        line += b"".join(lines.rest())
        inside = _scan(line, inside)
        parts.append(line)
    return b"".join(parts)


def _scan(line: bytes, inside: bytes) -> bytes:
    """What is open at the line's end: a quote, a comment, or nothing."""
    for found in _MARK.finditer(line):
        mark = found[0]
        if inside:
            # A doubled quote closes and opens again; a backslash escapes in no name.
            if mark == inside or (inside == b"`" and mark == rb"\`"):
                inside = b""
        elif mark.startswith((b"--", b"#")):
            break
        elif mark == b"/*":
            inside = b"*/"
        elif mark in (b"'", b'"', b"`"):
            inside = mark
    return inside


class _Lines:
    """Lines of a stream of chunks; of a long one the first LONG bytes, and `rest`."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._at = 0
        self._open = b""  # the end of what was cut short, and not yet read
        self._before = b""  # the last byte that was given of it

    def next(self) -> bytes | None:
        """The next line with its end; None at the stream's end."""
        return self._through(_LINE, b"") or None

    def rows(self, begun: bytes) -> bytes:
        """All of an INSERT that begins so: no line of it but the last ends with a semicolon."""
        return begun if begun.endswith(_LAST_ROW) else self._through(_LAST_ROW, begun)

    def _through(self, end: bytes, begun: bytes) -> bytes:
        parts = [begun] if begun else []
        size = len(begun)
        while size < LONG:
            piece, ended = self._piece(end, parts[-1][-1:] if parts else b"")
            if not piece:
                return b"".join(parts)
            parts.append(piece)
            size += len(piece)
            if ended:
                return b"".join(parts)
        self._open, self._before = end, parts[-1][-1:]
        return b"".join(parts)

    @property
    def cut(self) -> bool:
        """Whether `rest` has something left."""
        return bool(self._open)

    def _piece(self, end: bytes, before: bytes) -> tuple[bytes, bool]:
        """What is held, up to and with `end`, and whether it ends so; `before` is the byte in
        front of it. Empty at the stream's end."""
        if self._at >= len(self._held):
            self._held, self._at = next(self._chunks, b""), 0
        start = self._at
        if len(end) == 2 and before == end[:1] and self._held.startswith(end[1:], start):
            self._at = start + 1
        else:
            found = self._held.find(end, start)
            if found < 0:
                self._at = len(self._held)
                return self._held[start:], False
            self._at = found + len(end)
        return self._held[start : self._at], True

    def rest(self) -> Iterator[bytes]:
        """What is left of a line or an INSERT that was too long to be held."""
        while self._open:
            piece, ended = self._piece(self._open, self._before)
            if ended or not piece:
                self._open = b""
            if piece:
                self._before = piece[-1:]
                yield piece

    def skip(self) -> None:
        for _ in self.rest():
            pass
