"""A Docker Engine as a whole: its facts, and its objects made anew from their definitions."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from engine.adapters import docker_anew as anew
from engine.adapters.docker_client import Connection, checked_name
from engine.core.commands import Command
from engine.core.errors import ContainersError, SourceMissing
from engine.core.host_facts import PREDEFINED_NETWORKS, EngineFacts, Image, own

_PULL_SECONDS = 3600


class DockerHost:
    """The port HostEngine. Connects at its first call."""

    def __init__(self, docker_host: str = "") -> None:
        self._docker = Connection(docker_host)

    def facts(self) -> EngineFacts:
        """All but what this product made itself. Objects that vanish meanwhile are left out."""
        with self._docker.asking():
            client = self._docker.quick()
            version, about = client.version(), client.info()
            containers = self._each(client.inspect_container, client.containers(all=True), "Id")
            networks = self._each(client.inspect_network, client.networks(), "Id")
            volumes = client.volumes().get("Volumes") or []
            images = self._each(client.inspect_image, client.images(), "Id")
        return EngineFacts(
            version=str(version.get("Version", "")),
            root=str(about.get("DockerRootDir", "")),
            driver=str(about.get("Driver", "")),
            containers=tuple(c for c in containers if not own(c)),
            networks=tuple(n for n in networks if n.get("Name") not in PREDEFINED_NETWORKS),
            volumes=tuple(volumes),
            images=tuple(_image(found) for found in images),
        )

    def _each(
        self, inspect: Any, listed: Sequence[Mapping[str, Any]], key: str
    ) -> list[Mapping[str, Any]]:
        found = []
        for entry in listed:
            with contextlib.suppress(SourceMissing), self._docker.asking():
                found.append(inspect(entry[key]))
        return found

    def exists(self, what: str, name: str) -> bool:
        checked_name(name, what)
        client = self._docker.quick()
        inspect = {
            "container": client.inspect_container,
            "network": client.inspect_network,
            "volume": client.inspect_volume,
        }[what]
        try:
            with self._docker.asking(f"{what} {name}"):
                inspect(name)
        except SourceMissing:
            return False
        return True

    def has_image(self, reference: str) -> bool:
        try:
            with self._docker.asking(f"image {reference}"):
                self._docker.quick().inspect_image(reference)
        except SourceMissing:
            return False
        return True

    def pull(self, reference: str) -> None:
        client = self._docker.patient()
        remedy = "Bring the image here yourself (docker load), then run this again: it goes on."
        with self._docker.asking(f"image {reference}", remedy):
            for said in client.pull(reference, stream=True, decode=True):
                if said.get("error"):
                    raise ContainersError(f"{reference} cannot be pulled: {said['error']}", remedy)

    def create_network(self, definition: Mapping[str, Any], *, same_subnet: bool = True) -> None:
        name = str(definition["Name"])
        if self.exists("network", name):
            return
        wanted = anew.network(definition, same_subnet=same_subnet)
        with self._docker.asking(f"network {name}"):
            self._docker.patient().create_network(**wanted)

    def create_volume(self, definition: Mapping[str, Any]) -> bool:
        name = str(definition["Name"])
        if self.exists("volume", name):
            return False
        with self._docker.asking(f"volume {name}"):
            self._docker.patient().create_volume(
                name,
                driver=definition.get("Driver") or "local",
                driver_opts=definition.get("Options") or {},
                labels=definition.get("Labels") or {},
            )
        return True

    def create_container(self, definition: Mapping[str, Any], binds: Sequence[str] = ()) -> bool:
        name = str(definition["Name"]).lstrip("/")
        if self.exists("container", name):
            return False
        wanted, others = anew.container(definition, binds)
        client = self._docker.patient()
        with self._docker.asking(f"container {name}"):
            made = client.create_container_from_config(wanted, name)
            try:
                for network, endpoint in others.items():
                    client.connect_container_to_network(made["Id"], network, **endpoint)
            except BaseException:
                # Half connected it would look whole to whoever goes on later.
                client.remove_container(made["Id"], force=True)
                raise
        return True

    def health(self, name: str) -> tuple[str, str]:
        checked_name(name, "container")
        with self._docker.asking(f"container {name}"):
            state = self._docker.quick().inspect_container(name).get("State") or {}
        return str(state.get("Status", "")), str((state.get("Health") or {}).get("Status", ""))

    def save_command(self, references: Sequence[str]) -> Command:
        program, environment = self._docker.program()
        return Command((program, "save", *references), "save", env=environment)

    def load_command(self) -> Command:
        program, environment = self._docker.program()
        return Command((program, "load", "--quiet"), "load", env=environment)


def _image(found: Mapping[str, Any]) -> Image:
    return Image(
        id=str(found.get("Id", "")),
        tags=tuple(found.get("RepoTags") or ()),
        digests=tuple(found.get("RepoDigests") or ()),
        size=int(found.get("Size") or 0),
        architecture=str(found.get("Architecture", "")),
    )
