"""What a host is made of besides its sources: the machine and everything Docker knows.

Facts may hold secrets (containers' environments, compose files, firewall rules), so they are
stored encrypted only, and stay out of repr.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FACTS_FORMAT = "1.0"
OWN_LABEL = "mentat-dr"  # on what this product made itself
PREDEFINED_NETWORKS = frozenset({"bridge", "host", "none"})


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A mounted file system of the machine; sizes in bytes."""

    device: str
    path: str
    type: str
    size: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class Listening:
    protocol: str  # tcp, tcp6, udp, udp6
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate file: what it is for and when it ends."""

    path: str
    subject: str
    names: tuple[str, ...]
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The machine itself. addresses maps interface to its addresses; names maps a DNS name to
    what it resolved to; texts are small files (crontabs, hosts) by path."""

    hostname: str = ""
    system: str = ""
    kernel: str = ""
    architecture: str = ""
    processors: int = 0
    memory_bytes: int = 0
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mounts: tuple[FileSystem, ...] = ()
    packages: tuple[str, ...] = ()  # name=version, those asked for by somebody
    users: tuple[str, ...] = ()  # lines of /etc/passwd
    groups: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    timers: tuple[str, ...] = ()
    firewall: str = field(default="", repr=False)
    listening: tuple[Listening, ...] = ()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """An image by its id; `digests` are what a registry knows it by."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """A Docker Engine and its objects, each as its own inspect says."""

    version: str = ""
    root: str = ""
    driver: str = ""
    containers: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    networks: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    volumes: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """A compose project and its files as they were read; files maps path to text."""

    name: str
    directory: str
    services: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Everything but the data. `problems` are the parts that could not be looked at."""

    format: str
    host: str
    taken: datetime
    machine: MachineFacts
    engine: EngineFacts | None = None
    compose: tuple[ComposeProject, ...] = ()
    problems: tuple[str, ...] = ()


def labels_of(container: Mapping[str, Any]) -> Mapping[str, str]:
    return (container.get("Config") or {}).get("Labels") or {}


def name_of(container: Mapping[str, Any]) -> str:
    return str(container.get("Name", "")).lstrip("/")


def own(container: Mapping[str, Any]) -> bool:
    """Made by this product, as throw-away servers are: no part of the host."""
    return OWN_LABEL in labels_of(container)


def compose_places(
    containers: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Compose projects behind the containers' labels: name -> (directory, files, services)."""
    found: dict[str, tuple[str, set[str], set[str]]] = {}
    for container in containers:
        labels = labels_of(container)
        project = labels.get("com.docker.compose.project", "")
        if not project:
            continue
        directory = labels.get("com.docker.compose.project.working_dir", "")
        known = found.setdefault(project, (directory, set(), set()))
        listed = labels.get("com.docker.compose.project.config_files", "")
        known[1].update(name for name in listed.split(",") if name)
        known[2].add(labels.get("com.docker.compose.service", ""))
    return {
        name: (directory, tuple(sorted(files)), tuple(sorted(services)))
        for name, (directory, files, services) in found.items()
    }


def candidate_names(containers: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """DNS names that containers say they serve: reverse proxies' variables and labels."""
    import re

    found: set[str] = set()
    for container in containers:
        for item in (container.get("Config") or {}).get("Env") or ():
            name, _, value = str(item).partition("=")
            if name in ("VIRTUAL_HOST", "LETSENCRYPT_HOST", "SERVER_NAME"):
                found.update(part.strip() for part in value.split(","))
        for key, value in labels_of(container).items():
            if key.startswith("traefik.") and key.endswith(".rule"):
                found.update(re.findall(r"`([A-Za-z0-9.-]+)`", value))
    return tuple(sorted(name for name in found if "." in name and "*" not in name))
