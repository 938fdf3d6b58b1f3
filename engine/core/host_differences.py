"""What of this machine is not as on the lost one, found before a rebuild begins. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.core.host_facts import EngineFacts, HostFacts, MachineFacts, name_of
from engine.core.host_rebuild import (
    Difference,
    Part,
    bind_sources,
    networks_of,
    published,
    pullable,
    ran,
)

_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::", "127.0.0.1", "::1"})
_OF_THE_SYSTEM = ("/proc", "/sys", "/dev", "/run", "/var/run", "/usr/share/", "/lib/")


@dataclass(frozen=True, slots=True)
class Here:
    """This machine as far as a rebuild needs it. `free` maps each thing that needs room to the
    free bytes and the file system's name; taken_ports are listened on now."""

    machine: MachineFacts
    engine: EngineFacts | None
    images: frozenset[str] = frozenset()  # names present
    paths: frozenset[str] = frozenset()  # bind sources that exist
    free_docker: int | None = None
    free_state: int | None = None
    one_disk: bool = True  # both are on one file system
    docker_problem: str = ""


def differences(
    facts: HostFacts | None, chosen: Sequence[Part], here: Here, addresses: Mapping[str, str]
) -> tuple[Difference, ...]:
    """All of them, the worst first."""
    found = _disk(chosen, here)
    if facts is None:
        found.append(
            Difference("warning", "the set holds no facts of the host: only its data comes back")
        )
    elif facts.engine is not None and any(p.kind not in ("config",) for p in chosen):
        found += _engine(facts, facts.engine, here)
        wanted = {part.name for part in chosen if part.kind == "container"}
        containers = [c for c in facts.engine.containers if name_of(c) in wanted]
        found += _images(facts.engine, chosen, here)
        found += _ports(containers, here, addresses)
        found += _binds(containers, chosen, here)
        found += _networks(containers, facts.engine, chosen, here)
    if facts is not None:
        found += _machine(facts.machine, here.machine, addresses)
    order = {"critical": 0, "warning": 1}
    return tuple(sorted(found, key=lambda d: order.get(d.level, 2)))


def _size(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB" if count >= 1 << 28 else f"{count / (1 << 20):.1f} MiB"


def _disk(chosen: Sequence[Part], here: Here) -> list[Difference]:
    """The plain bytes of everything must fit; both halves together where they share a disk."""
    docker = sum(p.size or 0 for p in chosen if p.kind in ("data", "database"))
    state = sum(p.size or 0 for p in chosen if p.kind == "config")
    needs = [("Docker's volumes", docker, here.free_docker), ("files", state, here.free_state)]
    if here.one_disk:
        needs = [("volumes and files", docker + state, here.free_docker or here.free_state)]
    return [
        Difference(
            "critical",
            f"the disk is too small: {what} need {_size(needed)} ({needed} bytes), "
            f"{_size(free)} ({free} bytes) are free",
            "Take a larger disk, or leave parts out: --without data:NAME",
        )
        for what, needed, free in needs
        if free is not None and needed > free
    ]


def _engine(facts: HostFacts, old: EngineFacts, here: Here) -> list[Difference]:
    if here.engine is None:
        return [
            Difference(
                "critical",
                f"Docker is not there: {here.docker_problem or 'no answer'}",
                "Install and start it (apt-get install docker.io), then try again.",
            )
        ]
    found = []
    if old.version.split(".")[0] != here.engine.version.split(".")[0]:
        message = f"Docker {here.engine.version} is here, {old.version} was there"
        found.append(Difference("warning", message, "Look at the containers after the rebuild."))
    theirs, ours = facts.machine.architecture, here.machine.architecture
    if theirs and ours and theirs != ours:
        message = f"this machine is {ours}, the images are for {theirs}"
        found.append(Difference("critical", message, f"Take a machine of {theirs}."))
    if old.root and here.engine.root and old.root != here.engine.root:
        message = f"Docker keeps its files in {here.engine.root}, it was {old.root}"
        found.append(Difference("ok", message))
    return found


def _images(old: EngineFacts, chosen: Sequence[Part], here: Here) -> list[Difference]:
    found = []
    for part in chosen:
        if part.kind != "image" or part.name in here.images:
            continue
        if pullable(part.name, old.images):
            message = f"the image {part.name} is not here: it will be pulled"
            found.append(Difference("warning", message))
            continue
        found.append(
            Difference(
                "critical",
                f"the image {part.name} is not here, and no registry is known to have it",
                f"Build it or load it (docker load), or --without image:{part.name} and the "
                "containers of it.",
            )
        )
    return found


def _ports(
    containers: Sequence[Mapping[str, Any]], here: Here, addresses: Mapping[str, str]
) -> list[Difference]:
    own = {item.split("/")[0] for listed in here.machine.addresses.values() for item in listed}
    present = {name_of(c) for c in here.engine.containers} if here.engine else set()
    taken = {entry.port for entry in here.machine.listening if entry.protocol.startswith("tcp")}
    found = []
    for container in containers:
        if name_of(container) in present:
            continue
        for address, port in published(container):
            address = addresses.get(address, address)
            if address not in _EVERY_ADDRESS and address not in own:
                found.append(
                    Difference(
                        "critical",
                        f"{name_of(container)} is published on {address}:{port}, which is no "
                        "address of this machine",
                        f"Say which one it is now: --address {address}=NEW",
                    )
                )
            elif port in taken and ran(container):
                message = f"port {port}, which {name_of(container)} publishes, is in use here"
                remedy = f"See what has it (ss -ltnp 'sport = :{port}') and stop it."
                found.append(Difference("critical", message, remedy))
    return found


def _binds(
    containers: Sequence[Mapping[str, Any]], chosen: Sequence[Part], here: Here
) -> list[Difference]:
    restored = any(part.kind == "config" for part in chosen)
    found = []
    for container in containers:
        for source in bind_sources(container):
            if source in here.paths or source.startswith(_OF_THE_SYSTEM):
                continue
            if source.endswith("docker.sock"):
                continue
            said = "unless a restored configuration brings it" if restored else "nothing brings it"
            message = f"{name_of(container)} mounts {source}, which is not here: {said}"
            found.append(Difference("warning", message, "Make it, or restore what it belongs to."))
    return found


def _networks(
    containers: Sequence[Mapping[str, Any]],
    old: EngineFacts,
    chosen: Sequence[Part],
    here: Here,
) -> list[Difference]:
    """A container whose network neither is made nor is here cannot be connected."""
    made = {part.name for part in chosen if part.kind == "network"}
    present = {str(n["Name"]) for n in here.engine.networks} if here.engine else set()
    known = {str(n["Name"]) for n in old.networks}
    missing = {
        (name_of(c), network)
        for c in containers
        for network in networks_of(c)
        if network in known and network not in made | present
    }
    return [
        Difference("critical", f"{name} needs the network {network}", f"--only network:{network}")
        for name, network in sorted(missing)
    ]


def _machine(
    old: MachineFacts, new: MachineFacts, addresses: Mapping[str, str]
) -> list[Difference]:
    found = []
    before = {item.split("/")[0] for listed in old.addresses.values() for item in listed}
    after = {item.split("/")[0] for listed in new.addresses.values() for item in listed}
    gone = sorted(before - after - set(addresses))
    if gone and after != before:
        message = f"the host had {', '.join(gone)}; this machine has {', '.join(sorted(after))}"
        found.append(Difference("warning", message, _names_to_move(old, gone)))
    if old.memory_bytes and new.memory_bytes < old.memory_bytes * 0.9:
        message = f"{_size(new.memory_bytes)} of memory here, {_size(old.memory_bytes)} there"
        found.append(Difference("warning", message))
    if new.processors < old.processors:
        message = f"{new.processors} processors here, {old.processors} there"
        found.append(Difference("warning", message))
    if old.system and old.system != new.system:
        found.append(Difference("ok", f"{new.system} here, {old.system} there"))
    return found


def _names_to_move(old: MachineFacts, gone: Sequence[str]) -> str:
    names = sorted(n for n, answers in old.names.items() if set(answers) & set(gone))
    if not names:
        return "Change what points to the old address: DNS, firewalls, monitoring."
    return f"Point these names here afterwards: {', '.join(names)}"
