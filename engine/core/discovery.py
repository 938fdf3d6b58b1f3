"""What on a host is worth protecting, what of it is not, and what is protected and gone. Pure.

Containers may say it themselves by labels, which need no change of the configuration:
    mentat-dr.backup    true: protect its database or its volumes; false: it needs no protection
    mentat-dr.name      the source's name (default: the container's or the volume's)
    mentat-dr.quiesce   none, pause or stop, while volumes are read
    mentat-dr.rpo       a duration such as 15m
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from engine.core.durations import parse_duration
from engine.core.host_facts import compose_places, labels_of, name_of, own
from engine.core.host_rebuild import bind_sources, image_of, mounted_volumes, ran

ThingKind = Literal["database", "volume", "config"]
BACKUP, NAME, QUIESCE, RPO = (f"mentat-dr.{word}" for word in ("backup", "name", "quiesce", "rpo"))
_DATABASES = re.compile(r"mysql|mariadb|percona")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}\Z")
_NOT_OURS = re.compile(
    r"/(proc|sys|dev|run|tmp|var/run|var/lib/docker|usr|lib|bin|sbin|boot|etc/(localtime|timezone|"
    r"hosts|resolv\.conf|hostname|ssl/certs))(/|\Z)"
)
_USUAL_RPO = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something on the host that could be a source. what: container, volume or path."""

    kind: ThingKind
    what: str
    why: str

    @property
    def spec(self) -> str:
        """As `init --source` spells it."""
        return f"{self.kind}:{self.what}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A source that a container's labels ask for."""

    kind: ThingKind
    name: str
    container: str
    volume: str = ""
    quiesce: str = "none"
    rpo: timedelta = _USUAL_RPO


@dataclass(frozen=True, slots=True)
class Covered:
    """What a configured source is about."""

    source: str
    kind: str
    container: str = ""
    volume: str = ""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Taken at one moment: what nothing protects, and protected things that are not there."""

    taken: datetime
    unprotected: tuple[Thing, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """For metrics."""
        return {"unprotected": len(self.unprotected), "gone": len(self.gone)}


def is_database(container: Mapping[str, Any]) -> bool:
    return _DATABASES.search(image_of(container).lower()) is not None


def things(containers: Sequence[Mapping[str, Any]]) -> tuple[Thing, ...]:
    """What these containers hold that is worth protecting: databases, then volumes, then paths
    they may write to and compose projects' folders. Those labelled `false` are left out."""
    wanted = [c for c in containers if not own(c) and labels_of(c).get(BACKUP) != "false"]
    databases = [c for c in wanted if is_database(c)]
    found = [Thing("database", name_of(c), f"image {image_of(c)}") for c in databases]
    others = [c for c in wanted if c not in databases]
    users = {v: name_of(c) for c in others for v in mounted_volumes(c) if not _ANONYMOUS.match(v)}
    found += [Thing("volume", v, f"mounted by {users[v]}") for v in sorted(users)]
    folders = {path: name for name, (path, _, _) in compose_places(wanted).items() if path}
    found += [Thing("config", path, f"compose project {folders[path]}") for path in sorted(folders)]
    bound = {path: name_of(c) for c in wanted for path in bind_sources(c)}
    found += [
        Thing("config", path, f"mounted by {bound[path]}")
        for path in sorted(bound)
        if not _NOT_OURS.match(path) and not _within(path, folders) and not path.endswith(".sock")
    ]
    return tuple(found)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == f or path.startswith(f.rstrip("/") + "/") for f in folders)


def labelled(containers: Sequence[Mapping[str, Any]]) -> tuple[tuple[Labelled, ...], list[str]]:
    """The sources that labels ask for, and what of the labels makes no sense."""
    found: list[Labelled] = []
    problems: list[str] = []
    for container in sorted(containers, key=name_of):
        labels, name = labels_of(container), name_of(container)
        asked = labels.get(BACKUP, "")
        if own(container) or asked in ("", "false"):
            continue
        if asked != "true":
            problems.append(f"{name}: label {BACKUP} is {asked!r}, neither true nor false")
            continue
        rpo, quiesce = _rpo(name, labels, problems), labels.get(QUIESCE, "none")
        if quiesce not in ("none", "pause", "stop"):
            problems.append(f"{name}: label {QUIESCE} is {quiesce!r}: none, pause or stop")
            quiesce = "none"
        if is_database(container):
            found.append(Labelled("database", labels.get(NAME) or name, name, rpo=rpo))
            continue
        volumes = [v for v in mounted_volumes(container) if not _ANONYMOUS.match(v)]
        for volume in volumes:
            given = labels.get(NAME, "")
            called = given if len(volumes) == 1 else f"{given}-{volume}"
            found.append(
                Labelled("volume", called if given else volume, name, volume, quiesce, rpo)
            )
        if not volumes:
            problems.append(f"{name}: label {BACKUP} is true, but it has no named volume")
    return tuple(found), problems


def _rpo(name: str, labels: Mapping[str, str], problems: list[str]) -> timedelta:
    try:
        return parse_duration(labels[RPO]) if RPO in labels else _USUAL_RPO
    except ValueError as wrong:
        problems.append(f"{name}: label {RPO}: {wrong}")
        return _USUAL_RPO


def coverage(
    sources: Sequence[Covered],
    containers: Sequence[Mapping[str, Any]],
    volumes: Iterable[str],
    missing_paths: Iterable[str],
    taken: datetime,
) -> Coverage:
    """Hold what is there against what is protected. A stopped container counts as there, but what
    only it mounts is not asked to be protected."""
    running = [c for c in containers if ran(c)]
    unprotected = [t for t in things(running) if not _protected(t, sources)]
    names, present = {name_of(c) for c in containers}, set(volumes)
    gone = [
        f"{s.source}: there is no container {s.container}"
        for s in sources
        if s.container and s.container not in names
    ]
    gone += [
        f"{s.source}: there is no volume {s.volume}"
        for s in sources
        if s.volume and s.volume not in present
    ]
    absent = set(missing_paths)
    gone += [f"{s.source}: {p} does not exist" for s in sources for p in s.paths if p in absent]
    return Coverage(taken, tuple(unprotected), tuple(gone))


def _protected(thing: Thing, sources: Sequence[Covered]) -> bool:
    if thing.kind == "database":
        return any(s.container == thing.what and s.kind == "database" for s in sources)
    if thing.kind == "volume":
        return any(s.volume == thing.what for s in sources)
    return any(_within(thing.what, s.paths) for s in sources)
