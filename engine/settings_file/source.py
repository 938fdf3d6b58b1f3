"""The [[source]] tables: which keys belong to which kind, and what each kind must have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import get_args

from engine.core.durations import parse_duration, parse_frequency
from engine.core.snapshot import KINDS, Kind
from engine.settings import Quiesce, SourceSettings
from engine.settings_file.table import Table

TARGETS: dict[Kind, tuple[timedelta, timedelta]] = {  # RPO, RTO where the file gives none
    "database": (timedelta(minutes=15), timedelta(hours=1)),
    "volume": (timedelta(hours=1), timedelta(minutes=30)),
    "config": (timedelta(hours=24), timedelta(minutes=15)),
    "observability": (timedelta(hours=24), timedelta(hours=1)),
}
_DATABASE: tuple[Kind, ...] = ("database",)
_VOLUME: tuple[Kind, ...] = ("volume", "observability")
_PATHS: tuple[Kind, ...] = ("config", "observability")
_TREES: tuple[Kind, ...] = ("volume", "config", "observability")
KEY_KINDS: dict[str, tuple[Kind, ...]] = {
    "engine": _DATABASE,
    "container": _DATABASE,
    "host": _DATABASE,
    "port": _DATABASE,
    "socket": _DATABASE,
    "user": _DATABASE,
    "password": _DATABASE,
    "schemas": _DATABASE,
    "checksums": _DATABASE,
    "methods": _DATABASE,
    "binlogs": _DATABASE,
    "volume": _VOLUME,
    "quiesce": _VOLUME,
    "paths": _PATHS,
    "exclude": _TREES,
    "incremental": _TREES,
}


def read_sources(top: Table) -> tuple[SourceSettings, ...]:
    sources = []
    taken: set[str] = set()
    for table in top.tables("source"):
        source = _source(table)
        if source.name in taken:
            top.problems.append(f'source: two sources are called "{source.name}"')
        taken.add(source.name)
        sources.append(source)
    return tuple(sources)


def _source(table: Table) -> SourceSettings:
    kind: Kind = table.choice("kind", KINDS, "config", required=True)
    rpo, rto = TARGETS[kind]
    source = SourceSettings(
        name=_source_name(table),
        kind=kind,
        rpo=table.duration("rpo", rpo),
        rto=table.duration("rto", rto),
        engine=table.choice("engine", ("", "mysql", "mariadb"), ""),
        container=table.text("container"),
        address=table.text("host"),
        port=table.count("port", 3306, low=1, high=65535),
        socket=table.absolute("socket"),
        user=table.text("user", "root"),
        password=table.secret("password") or None,
        schemas=table.texts("schemas"),
        checksums=bool(table.flag("checksums", True)),
        volume=table.text("volume"),
        quiesce=table.choice("quiesce", get_args(Quiesce), "none"),
        paths=table.texts("paths"),
        exclude=table.texts("exclude"),
        methods=_words(table, "methods", ("physical", "logical"), parse_frequency),
        binlogs=_words(table, "binlogs", ("every",), parse_duration),
        incremental=_words(table, "incremental", ("full_every",), parse_duration),
    )
    table.close()
    if table.raw.get("kind") in KINDS:
        _check_source(table, source)
    return source


def _source_name(table: Table) -> str:
    name = table.name("name")
    if name in ("sets", "journal"):  # folders of the repository format
        table.problem("name", f'"{name}" is a folder of the repository; choose another name')
    return name


def _words(
    table: Table, key: str, allowed: tuple[str, ...], parse: Callable[[str], timedelta]
) -> dict[str, str]:
    """A small table of durations, kept as they are spelt."""
    inner = table.table(key)
    for name in allowed:
        inner.parsed(name, parse, timedelta())
    inner.close()
    return {name: value for name, value in inner.raw.items() if isinstance(value, str)}


def _check_source(table: Table, source: SourceSettings) -> None:
    for key in table.raw:
        owners = KEY_KINDS.get(key, ())
        if owners and source.kind not in owners:
            table.problem(
                key, f"does not belong to kind {source.kind}, but to {' and '.join(owners)}"
            )
    if source.kind == "database":
        _check_database(table, source)
    elif source.kind == "volume" and not source.volume:
        table.problem("volume", "is missing; name the Docker volume")
    elif source.kind == "config" and not source.paths:
        table.problem("paths", "is missing; name the paths to keep")
    elif source.kind == "observability" and bool(source.volume) == bool(source.paths):
        table.problem("volume", "name either a Docker volume or paths, for kind observability")
    if source.kind == "observability" and source.paths and table.has("quiesce"):
        table.problem("quiesce", "belongs to a volume, not to paths")
    for path in source.paths:
        if not path.startswith("/"):
            table.problem("paths", f'"{path}" must be an absolute path')


def _check_database(table: Table, source: SourceSettings) -> None:
    ways = [key for key in ("container", "host", "socket") if table.raw.get(key)]
    if len(ways) != 1:
        found = " and ".join(ways) or "none of them"
        table.problem("container", f"give one of container, host or socket; found {found}")
    if table.has("port") and not source.address:
        table.problem("port", "belongs to a database that is reached by host")
