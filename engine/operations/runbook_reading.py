"""Reading runbooks: those of the product, and a deployment's own, which replace or add."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from textwrap import dedent
from typing import Any

from engine.core.errors import ConfigurationError
from engine.core.runbook import (
    ASKS,
    ID,
    PHASES,
    RISKS,
    RUNBOOK_KINDS,
    STEP_KINDS,
    Deed,
    Option,
    Parameter,
    Reverse,
    Runbook,
    Step,
    Telling,
)
from engine.settings_file.table import Table

LIMIT = 512 * 1024  # bytes of one file
_QUARTER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is no runbook, and every reason."""

    file: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All runbooks by id, in the order of their files, and the files that could not be read."""

    books: Mapping[str, Runbook]
    unread: tuple[Unread, ...] = ()
    documents: Mapping[str, Mapping[str, Any]] | None = None  # as they were read, by id


def shelf(folder: Path) -> Shelf:
    """The product's runbooks, with those of `folder` (a deployment's) in place of or beside them.

    A file that cannot be read hides no other: it is told in `unread`."""
    books: dict[str, Runbook] = {}
    documents: dict[str, Mapping[str, Any]] = {}
    unread: list[Unread] = []
    for origin, content in (*_own(), *_deployed(folder, unread)):
        document, book, problems = parse(content, origin)
        if book is None:
            unread.append(Unread(origin, problems))
        else:
            books[book.id], documents[book.id] = book, document
    order = {"scenario": 0, "procedure": 1, "checklist": 2}
    ordered = sorted(books.values(), key=lambda book: (order[book.kind], book.origin, book.id))
    return Shelf({book.id: book for book in ordered}, tuple(unread), documents)


def _own() -> list[tuple[str, bytes]]:
    folder = resources.files("runbooks")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return [(f"runbooks/{file.name}", file.read_bytes()) for file in files]


def _deployed(folder: Path, unread: list[Unread]) -> list[tuple[str, bytes]]:
    found = []
    try:
        files = sorted(folder.glob("*.toml"))
    except OSError as error:
        unread.append(Unread(str(folder), (f"cannot be read: {error.strerror}",)))
        return []
    for file in files:
        try:
            with file.open("rb") as stream:
                found.append((str(file), stream.read(LIMIT + 1)))
        except OSError as error:
            unread.append(Unread(str(file), (f"cannot be read: {error.strerror}",)))
    return found


def parse(content: bytes, origin: str) -> tuple[Mapping[str, Any], Runbook | None, tuple[str, ...]]:
    """The document, the runbook, and every problem; the runbook is None when there is any."""
    if len(content) > LIMIT:
        return {}, None, (f"longer than {LIMIT} bytes",)
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        return {}, None, (f"not UTF-8 text: byte {error.start}",)
    except tomllib.TOMLDecodeError as error:
        return {}, None, (f"not TOML: {error}",)
    book, problems = read(document, origin)
    return document, None if problems else book, tuple(problems)


def from_document(document: Mapping[str, Any], origin: str) -> Runbook:
    """The runbook of a document kept in a journal. ConfigurationError when it is none."""
    book, problems = read(document, origin)
    if problems:
        raise ConfigurationError(
            f"the runbook kept in {origin} cannot be read: {problems[0]}",
            "It was written by another version of mentat-dr: use that one.",
        )
    return book


def read(document: Mapping[str, Any], origin: str) -> tuple[Runbook, list[str]]:
    problems: list[str] = []
    top = Table(document, "", problems)
    target = top.table("rto")
    book = Runbook(
        id=_id(top, "id"),
        title=top.text("title", required=True),
        kind=top.choice("kind", RUNBOOK_KINDS, "scenario"),
        summary=_prose(top, "summary", required=True),
        owner=top.text("owner", required=True),
        reviewed=_date(top, "reviewed"),
        review_every=top.duration("review_every", _QUARTER),
        rto=_span(target, "target"),
        rto_most=_span(target, "most"),
        rto_note=target.text("note"),
        rpo=_span(top, "rpo"),
        signs=top.texts("signs"),
        parameters=tuple(_parameter(table) for table in top.tables("parameter")),
        tellings=tuple(_telling(table) for table in top.tables("tell")),
        steps=tuple(_step(table) for table in _named(top)),
        origin=origin,
    )
    target.close()
    top.close()
    return book, problems


def _named(top: Table) -> Sequence[Table]:
    """The steps; problems name them by their id."""
    tables = top.tables("step")
    for table in tables:
        name = table.raw.get("id")
        if isinstance(name, str) and ID.match(name):
            table.where = f"step.{name}"
    return tables


def _id(table: Table, key: str) -> str:
    value = table.text(key, required=True)
    if value and not ID.match(value):
        table.problem(key, f"{value!r} is no id: lower-case letters, digits and dashes, at most 48")
    return value


def _prose(table: Table, key: str, *, required: bool = False) -> str:
    """Text of several lines; control characters but line ends are refused."""

    def tidy(value: str) -> str:
        text = dedent(value).strip()
        if any((ord(c) < 32 and c != "\n") or ord(c) == 127 for c in text):
            raise ValueError("must not hold control characters other than line ends")
        if required and not text:
            raise ValueError("must not be empty")
        return text

    value = table.parsed(key, tidy, "")
    if required and not table.has(key):
        table.problem(key, "is missing; it must be a string")
    return value


def _date(table: Table, key: str) -> date:
    if not table.has(key):
        table.problem(key, 'is missing; it must be a date like "2026-11-01"')
    return table.parsed(key, date.fromisoformat, date.min)


def _span(table: Table, key: str) -> timedelta | None:
    span = table.duration(key, timedelta())
    return span or None


def _parameter(table: Table) -> Parameter:
    made = Parameter(
        name=_id(table, "name"),
        title=table.text("title", required=True),
        usual=table.text("usual"),
        required=bool(table.flag("required", False)),
    )
    table.close()
    return made


def _telling(table: Table) -> Telling:
    made = Telling(
        whom=table.text("whom", required=True),
        when=table.text("when", required=True),
        what=_prose(table, "what", required=True),
    )
    table.close()
    return made


def _step(table: Table) -> Step:
    step = Step(
        id=_id(table, "id"),
        title=table.text("title", required=True),
        phase=table.choice("phase", PHASES, "assess", required=True),
        kind=table.choice("kind", STEP_KINDS, "manual", required=True),
        instructions=_prose(table, "instructions", required=True),
        why=_prose(table, "why"),
        command=_prose(table, "command"),
        action=_deed(table, "action"),
        expected=_span(table, "expected"),
        needs=table.texts("needs"),
        when=_when(table),
        role=table.text("role", "operator"),
        risk=table.choice("risk", RISKS, "reads"),
        reverse=_reverse(table),
        evidence=table.texts("evidence"),
        options=tuple(_option(inner) for inner in table.tables("option")),
        ask=table.choice("ask", ASKS, ""),
        approval=bool(table.flag("approval", False)),
        tell=_prose(table, "tell"),
    )
    table.close()
    return step


def _when(table: Table) -> tuple[str, tuple[str, ...]] | None:
    inner = table.table("when")
    if not table.has("when"):
        return None
    made = inner.text("decision", required=True), inner.texts("is", required=True)
    inner.close()
    return made


def _deed(table: Table, key: str) -> Deed | None:
    inner = table.table(key)
    if not table.has(key):
        return None
    name = inner.text("do", required=True)
    parameters = {other: inner.text(other) for other in inner.raw if other != "do"}
    return Deed(name, parameters)


def _reverse(table: Table) -> Reverse | None:
    inner = table.table("reverse")
    if not table.has("reverse"):
        return None
    made = Reverse(
        instructions=_prose(inner, "instructions", required=True),
        command=_prose(inner, "command"),
        action=_deed(inner, "action"),
    )
    inner.close()
    return made


def _option(table: Table) -> Option:
    made = Option(_id(table, "key"), table.text("title", required=True), table.text("why"))
    table.close()
    return made
