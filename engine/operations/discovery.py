"""Discovery on this host: sources by containers' labels, and what nothing protects."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from engine.core import discovery
from engine.core.discovery import Coverage, Covered, Labelled
from engine.core.errors import MentatError
from engine.core.host_facts import EngineFacts, name_of
from engine.core.snapshot import NAME
from engine.operations import durable
from engine.ports import Containers
from engine.settings import Quiesce, Secret, Settings, SourceSettings

_RTO = timedelta(hours=1)
_PASSWORDS = ("MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD")


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What labels asked for when Docker was last looked at; it holds no password."""

    labelled: tuple[Labelled, ...] = ()


def _file(state: Path) -> Path:
    return state / "labelled.json"


def remembered(settings: Settings) -> Settings:
    """The settings with the sources that labels asked for when a backup last looked: cheap, and
    without passwords."""
    try:
        found = msgspec.json.decode(_file(settings.state).read_bytes(), type=_Remembered)
    except (OSError, msgspec.MsgspecError):
        return settings
    return _with(settings, [_source(item, {}) for item in found.labelled])


def with_labelled(settings: Settings, containers: Containers) -> tuple[Settings, list[str]]:
    """The settings with the sources that labels ask for now, which are remembered, and what of
    the labels makes no sense. As remembered, when Docker does not answer."""
    try:
        present = [c.definition for c in containers.containers()]
    except MentatError:
        return remembered(settings), []
    found, problems = discovery.labelled(present)
    usable = []
    for item in found:
        if NAME.match(item.name):
            usable.append(item)
        else:
            problems.append(f"{item.container}: {item.name!r} can be no source's name")
    if usable or _file(settings.state).exists():
        durable.write(_file(settings.state), msgspec.json.encode(_Remembered(tuple(usable))))
    by_name = {name_of(definition): definition for definition in present}
    sources = [_source(item, by_name.get(item.container, {})) for item in usable]
    return _with(settings, sources), problems


def _with(settings: Settings, sources: Sequence[SourceSettings]) -> Settings:
    """What the configuration names itself, by name or by thing, goes before labels."""
    names = {s.name for s in settings.sources}
    known = {(s.kind, s.container or s.volume) for s in settings.sources}
    added = [
        s for s in sources if s.name not in names and (s.kind, s.container or s.volume) not in known
    ]
    return replace(settings, sources=(*settings.sources, *added)) if added else settings


def _source(item: Labelled, definition: Mapping[str, Any]) -> SourceSettings:
    if item.kind == "volume":
        return SourceSettings(
            item.name,
            "volume",
            item.rpo,
            _RTO,
            volume=item.volume,
            quiesce=cast(Quiesce, item.quiesce),
        )
    password = _password(definition)
    return SourceSettings(
        item.name,
        "database",
        item.rpo,
        _RTO,
        engine=_flavor(definition),
        container=item.container,
        password=Secret(value=password) if password else None,
    )


def _flavor(definition: Mapping[str, Any]) -> Literal["mysql", "mariadb", ""]:
    image = str((definition.get("Config") or {}).get("Image", "")).lower()
    if "mariadb" in image:
        return "mariadb"
    return "mysql" if image else ""


def _password(definition: Mapping[str, Any]) -> str:
    """root's, as images in the manner of the official ones are given it."""
    for item in (definition.get("Config") or {}).get("Env") or ():
        name, _, value = str(item).partition("=")
        if name in _PASSWORDS and value:
            return value
    return ""


def cover(settings: Settings, engine: EngineFacts | None, now: datetime) -> Coverage:
    """What is on this host and not protected, and what is protected and gone; kept for status."""
    sources = [
        Covered(
            s.name,
            s.kind,
            s.container,
            s.volume,
            tuple(os.path.normpath(p) for p in s.paths),
        )
        for s in settings.sources
    ]
    missing = [p for s in sources for p in s.paths if not os.path.lexists(p)]
    if engine is None:
        taken = discovery.coverage([s for s in sources if s.paths], (), (), missing, now)
    else:
        volumes = [str(v.get("Name")) for v in engine.volumes]
        taken = discovery.coverage(sources, engine.containers, volumes, missing, now)
    durable.write(settings.state / "coverage.json", msgspec.json.encode(taken))
    return taken


def covered(state: Path) -> Coverage | None:
    """The coverage as last taken; None when it never was."""
    try:
        return msgspec.json.decode((state / "coverage.json").read_bytes(), type=Coverage)
    except (OSError, msgspec.MsgspecError):
        return None
