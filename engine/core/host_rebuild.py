"""Rebuilding a host: its parts in the order they depend on each other, and what is in the way.

Pure: the set and the facts of the lost host go in, with what the present machine looks like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from engine.core.host_facts import EngineFacts, HostFacts, Image, labels_of, name_of
from engine.core.host_set import HostSet, Member
from engine.core.objectives import Level
from engine.core.recovery import Until

PartKind = Literal[
    "image", "network", "volume", "config", "data", "database", "container", "health"
]
# Configuration comes before servers and containers, since they mount it.
ORDER: tuple[PartKind, ...] = (
    *("image", "network", "volume", "config", "data", "database", "container", "health"),
)
_ANONYMOUS = 64  # characters of a volume's name that Docker made up


@dataclass(frozen=True, slots=True)
class Part:
    """One step of a rebuild. `source` names the source whose snapshot `ref` it restores."""

    kind: PartKind
    name: str
    title: str
    source: str = ""
    ref: str = ""
    size: int | None = None
    until: Until | None = None  # a database: replay binary logs up to there

    @property
    def id(self) -> str:
        """`container:web`: what --only and --without match, and progress is kept by."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something of this machine that is not as on the lost one. `critical` stops the rebuild."""

    level: Level
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """What the operator asks for. only and without are patterns of part ids (`container:web`,
    `data:*`) or of their names; addresses maps an address of the lost host to one here. set alone
    means exactly its snapshots; refs, by source, those that a plan chose."""

    host: str
    set: str = ""
    at: datetime | None = None
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    confirm: str = ""
    accept_unsigned: str = ""
    afresh: bool = False
    refs: Mapping[str, str] = field(default_factory=dict)


def chosen(part: Part, only: Sequence[str], without: Sequence[str]) -> bool:
    """Whether a part is asked for; `only` empty means all."""

    def fits(patterns: Iterable[str]) -> bool:
        names = [part.id, part.name]
        if part.source:
            names.append(f"source:{part.source}")
        return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)

    return (not only or fits(only)) and not fits(without)


def parts(
    host_set: HostSet, facts: HostFacts | None, untils: Mapping[str, Until] | None = None
) -> tuple[Part, ...]:
    """Every part of the host, in the order they are made. Without facts only its sources. untils:
    by database, where the replay of its binary logs ends."""
    engine = facts.engine if facts else None
    found: list[Part] = []
    if engine is not None:
        found += _images(engine)
        found += [
            Part("network", str(n["Name"]), f"make network {n['Name']}")
            for n in engine.networks
            if any(str(n["Name"]) in networks_of(c) for c in engine.containers)
        ]
        found += _volumes(host_set, engine)
    found += [_restored(member, (untils or {}).get(member.source)) for member in host_set.members]
    if engine is not None:
        ordered = in_dependency_order(engine.containers)
        found += [Part("container", name_of(c), f"make {name_of(c)}{_starts(c)}") for c in ordered]
        found += [
            Part("health", name_of(c), f"wait until {name_of(c)} serves") for c in ordered if ran(c)
        ]
    return tuple(sorted(found, key=lambda part: ORDER.index(part.kind)))


def _starts(container: Mapping[str, Any]) -> str:
    return " and start it" if ran(container) else " (it did not run)"


def ran(container: Mapping[str, Any]) -> bool:
    return (container.get("State") or {}).get("Status") in ("running", "restarting", "paused")


def networks_of(container: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((container.get("NetworkSettings") or {}).get("Networks") or {})


def image_of(container: Mapping[str, Any]) -> str:
    return str((container.get("Config") or {}).get("Image", ""))


def _images(engine: EngineFacts) -> list[Part]:
    by_name = {image_of(c): str(c.get("Image", "")) for c in engine.containers}
    sizes = {image.id: image.size for image in engine.images}
    return [
        Part("image", name, f"have image {name}", size=sizes.get(image_id))
        for name, image_id in sorted(by_name.items())
        if name
    ]


def mounted_volumes(container: Mapping[str, Any]) -> dict[str, str]:
    """Volume name -> path inside."""
    return {
        str(mount.get("Name")): str(mount.get("Destination"))
        for mount in container.get("Mounts") or ()
        if mount.get("Type") == "volume" and mount.get("Name")
    }


def _volumes(host_set: HostSet, engine: EngineFacts) -> list[Part]:
    protected = {member.volume for member in host_set.members if member.volume}
    used = {name for c in engine.containers for name in mounted_volumes(c)}
    found = []
    for volume in sorted(engine.volumes, key=lambda v: str(v.get("Name"))):
        name = str(volume.get("Name"))
        if name not in protected and (name not in used or len(name) == _ANONYMOUS):
            continue
        empty = "" if name in protected else " (was not backed up: it comes back empty)"
        found.append(Part("volume", name, f"make volume {name}{empty}"))
    return found


def _restored(member: Member, until: Until | None) -> Part:
    title = f"restore {member.source} as of {member.recoverable_to:%Y-%m-%d %H:%M:%S} UTC"
    if until is not None:
        title += f", then its binary logs up to {until}"
    kind: PartKind = "data"
    if member.kind == "database":
        kind = "database"
    elif not member.volume:
        kind = "config"
    return Part(kind, member.source, title, member.source, member.ref, member.raw_bytes, until)


def in_dependency_order(
    containers: Sequence[Mapping[str, Any]],
) -> tuple[Mapping[str, Any], ...]:
    """Each after those it needs: compose's depends_on, links, shared networks and volumes of
    another container. A circle is broken at its first name."""
    by_name = {name_of(c): c for c in sorted(containers, key=name_of)}
    by_id = {str(c.get("Id", "")): name for name, c in by_name.items()}
    placed: dict[str, Mapping[str, Any]] = {}
    under_way: set[str] = set()

    def place(name: str) -> None:
        if name in placed or name in under_way:
            return
        under_way.add(name)
        for needed in _needs(by_name[name], by_name, by_id):
            place(needed)
        placed[name] = by_name[name]

    for name in by_name:
        place(name)
    return tuple(placed.values())


def _needs(
    container: Mapping[str, Any],
    by_name: Mapping[str, Mapping[str, Any]],
    by_id: Mapping[str, str],
) -> list[str]:
    labels, host = labels_of(container), container.get("HostConfig") or {}
    project = labels.get("com.docker.compose.project", "")
    services = [
        item.split(":")[0]
        for item in labels.get("com.docker.compose.depends_on", "").split(",")
        if item
    ]
    needed = [
        name
        for name, other in by_name.items()
        if project
        and labels_of(other).get("com.docker.compose.project") == project
        and labels_of(other).get("com.docker.compose.service") in services
    ]
    needed += [str(link).split(":")[0].strip("/") for link in host.get("Links") or ()]
    needed += [str(item).split(":")[0] for item in host.get("VolumesFrom") or ()]
    for key in ("NetworkMode", "IpcMode", "PidMode"):
        mode = str(host.get(key, ""))
        if mode.startswith("container:"):
            needed.append(mode.removeprefix("container:"))
    own = name_of(container)
    named = [by_id.get(name, name) for name in needed]
    return [name for name in named if name in by_name and name != own]


def anonymous_binds(container: Mapping[str, Any], restored: Iterable[str]) -> tuple[str, ...]:
    """Mounts to add for volumes that were restored but stand in no option of the container."""
    host = container.get("HostConfig") or {}
    named = {str(bind).split(":")[0] for bind in host.get("Binds") or ()}
    named |= {str(mount.get("Source", "")) for mount in host.get("Mounts") or ()}
    wanted = set(restored) - named
    return tuple(
        f"{name}:{path}" for name, path in mounted_volumes(container).items() if name in wanted
    )


def pullable(name: str, images: Sequence[Image]) -> bool:
    """Whether a registry knew this image by a digest."""
    return any(image.digests for image in images if name in (*image.tags, *image.digests))


def moved(
    definition: Mapping[str, Any], addresses: Mapping[str, str], names: Mapping[str, str]
) -> dict[str, Any]:
    """The container's definition with its published ports moved from old addresses to new ones,
    and other containers named, not numbered, where it shares with them. names: id -> name."""
    host = dict(definition.get("HostConfig") or {})
    for key in ("NetworkMode", "IpcMode", "PidMode"):
        mode = str(host.get(key) or "")
        if mode.startswith("container:"):
            other = mode.removeprefix("container:")
            host[key] = f"container:{names.get(other, other)}"
    bindings = host.get("PortBindings") or {}
    host["PortBindings"] = {
        port: [
            {**binding, "HostIp": addresses.get(binding.get("HostIp", ""), binding.get("HostIp"))}
            for binding in listed or ()
        ]
        for port, listed in bindings.items()
    }
    return {**definition, "HostConfig": host}


def published(container: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """(address, port) of every published TCP port with a fixed number; address may be empty."""
    bindings = (container.get("HostConfig") or {}).get("PortBindings") or {}
    return tuple(
        (str(binding.get("HostIp") or ""), int(binding["HostPort"]))
        for port, listed in bindings.items()
        if str(port).endswith("/tcp")
        for binding in listed or ()
        if str(binding.get("HostPort") or "").isdigit() and int(binding["HostPort"])
    )


def bind_sources(container: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the host that the container mounts."""
    return tuple(
        str(mount.get("Source", ""))
        for mount in container.get("Mounts") or ()
        if mount.get("Type") == "bind" and mount.get("Source")
    )
