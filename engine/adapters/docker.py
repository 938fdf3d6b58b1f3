"""Docker, by its SDK for questions and by its program for streams."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.adapters import docker_marks as marks
from engine.adapters import docker_models as models
from engine.adapters.docker_client import Connection, checked_name
from engine.adapters.docker_models import LABEL
from engine.core.commands import Command
from engine.core.errors import ContainersError, SourceMissing, UsageError
from engine.ports import Container, Volume

_LOG_LIMIT = 2000  # characters of a line


class DockerContainers:
    """The port Containers. Connects at its first call; a dead or hanging engine costs a few
    seconds, then DockerUnreachable. Thread-safe."""

    def __init__(self, docker_host: str = "") -> None:
        self._docker = Connection(docker_host)

    @property
    def host(self) -> str:
        """The engine's address, as DOCKER_HOST takes it."""
        return self._docker.host

    def close(self) -> None:
        self._docker.close()

    def ping(self) -> str:
        with self._docker.asking():
            return str(self._docker.quick().version()["Version"])

    def container(self, name: str) -> Container:
        checked_name(name, "container")
        with self._docker.asking(f"container {name}"):
            return models.container(self._docker.quick().inspect_container(name))

    def containers(self, *, all_states: bool = True) -> Sequence[Container]:
        with self._docker.asking():
            listed = self._docker.quick().containers(all=all_states)
        return self._inspected(listed)

    def _inspected(self, listed: Sequence[Mapping[str, Any]]) -> list[Container]:
        found = []
        for entry in listed:
            with contextlib.suppress(SourceMissing):  # removed since it was listed
                found.append(self.container(entry["Id"]))
        return sorted(found, key=lambda c: c.name)

    def volume(self, name: str) -> Volume:
        checked_name(name, "volume")
        with self._docker.asking(f"volume {name}"):
            found = self._docker.quick().inspect_volume(name)
        if kind := models.unmounted(found):
            raise ContainersError(
                f"the volume {name} is a {kind} mount, and not mounted now",
                "Start a container that uses it, then try again.",
            )
        return models.volume(found)

    def using(self, volume: str) -> Sequence[Container]:
        """Also those that mount the volume's folder, or a part of it, by its path."""
        mountpoint = str(self.volume(volume).mountpoint)
        with self._docker.asking():
            listed = self._docker.quick().containers(all=True)
        return self._inspected(
            [entry for entry in listed if _mounts(entry, volume, mountpoint)],
        )

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Volume:
        checked_name(name, "volume")
        with contextlib.suppress(SourceMissing):
            self.volume(name)
            raise ContainersError(
                f"there is a volume {name} already", "Choose another name, or remove it first."
            )
        with self._docker.asking(f"volume {name}"):
            return models.volume(self._docker.patient().create_volume(name, labels=dict(labels)))

    def remove_volume(self, name: str) -> None:
        _require_label("volume", name, self.volume(name).labels)
        with self._docker.asking(f"volume {name}"):
            self._docker.patient().remove_volume(name)

    def pause(self, name: str) -> None:
        """No error for one that is paused already."""
        checked_name(name, "container")
        with self._docker.asking(f"container {name}"), self._unless(name, "paused"):
            self._docker.patient().pause(name)

    def unpause(self, name: str) -> None:
        """No error for one that is not paused."""
        checked_name(name, "container")
        with (
            self._docker.asking(f"container {name}"),
            self._unless(name, "running", "exited", "created", "dead", "restarting"),
        ):
            self._docker.patient().unpause(name)

    @contextlib.contextmanager
    def _unless(self, name: str, *states: str) -> Any:
        """Forgive a refusal where the container is in one of the states already."""
        import docker.errors

        try:
            yield
        except docker.errors.NotFound:
            raise
        except docker.errors.APIError:
            if self.container(name).state not in states:
                raise

    def stop(self, name: str, timeout: int = 60) -> None:
        """Returns when it has ended, at the latest by SIGKILL after `timeout` seconds. No error
        for one that does not run."""
        checked_name(name, "container")
        with self._docker.asking(f"container {name}"):
            self._docker.patient().stop(name, timeout=timeout)

    def start(self, name: str) -> None:
        """No error for one that runs."""
        checked_name(name, "container")
        with self._docker.asking(f"container {name}"):
            self._docker.patient().start(name)

    def create_like(
        self,
        model: Container | None,
        *,
        image: str,
        name: str,
        mounts: Mapping[str, str],
        labels: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        network: str | None = "none",
        command: Sequence[str] | None = None,
        memory_limit: str | None = None,
    ) -> Container:
        """See the port, and docker_models.definition for what is taken over."""
        checked_name(name, "container")
        for volume in mounts:
            checked_name(volume, "volume")
        client = self._docker.patient()
        with self._docker.asking(f"image {image}", "Pull or load the image, then try again."):
            client.inspect_image(image)
        wanted = models.definition(
            model.definition if model else {},
            self._image(model.image_id) if model else {},
            image=image,
            mounts=mounts,
            labels=labels,
            environment=environment,
            network=network,
            command=command,
            memory_bytes=_bytes(memory_limit),
        )
        with self._docker.asking(f"container {name}"):
            made = client.create_container_from_config(wanted, name)
        return self.container(made["Id"])

    def _image(self, image_id: str) -> Mapping[str, Any]:
        """The image's inspect; empty when it is gone, as after an upgrade."""
        with contextlib.suppress(SourceMissing), self._docker.asking(f"image {image_id}"):
            found: Mapping[str, Any] = self._docker.quick().inspect_image(image_id)
            return found
        return {}

    def remove_container(self, name: str) -> None:
        """Its anonymous volumes go with it."""
        found = self.container(name)
        _require_label("container", name, found.labels)
        with self._docker.asking(f"container {name}"):
            self._docker.patient().remove_container(found.id, force=True, v=True)

    def logs(self, name: str, lines: int = 50) -> Sequence[str]:
        checked_name(name, "container")
        with self._docker.asking(f"the log of container {name}"):
            raw: bytes = self._docker.quick().logs(name, tail=lines)
        text = raw.decode("utf-8", "backslashreplace")
        return [line.rstrip("\r")[:_LOG_LIMIT] for line in text.split("\n") if line][-lines:]

    def exec_command(
        self, container: str, argv: Sequence[str], *, label: str = "", marker: str = ""
    ) -> Command:
        checked_name(container, "container")
        program, environment = self._docker.program()
        mark = ("-e", f"{marks.VARIABLE}={marks.checked(marker)}") if marker else ()
        return Command(
            (program, "exec", "-i", *mark, container, *argv),
            label or Path(argv[0]).name,
            env=environment,
            where=container,
        )

    def kill_marked(self, marker: str) -> int:
        marks.checked(marker)
        if self._docker.local and (killed := marks.kill_visible(marker)):
            return killed
        client = self._docker.quick()
        with self._docker.asking():
            if self._docker.local and marks.sees_containers(client):
                return 0
            return marks.kill_inside(self._docker.patient(), marker)


def _mounts(entry: Mapping[str, Any], volume: str, mountpoint: str) -> bool:
    for mount in entry.get("Mounts") or ():
        if mount.get("Type") == "volume" and mount.get("Name") == volume:
            return True
        source = str(mount.get("Source") or "")
        if mountpoint and (source == mountpoint or source.startswith(mountpoint + "/")):
            return True
    return False


def _require_label(what: str, name: str, labels: Mapping[str, str]) -> None:
    if LABEL not in labels:
        raise ContainersError(
            f"the {what} {name} was not made by mentat-dr, so it is not removed",
            f"Remove it by hand if you are sure: docker {what} rm {name}",
        )


def _bytes(limit: str | None) -> int | None:
    """512m as bytes."""
    if limit is None:
        return None
    units = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    number, unit = (limit[:-1], limit[-1].lower()) if limit[-1:].isalpha() else (limit, "b")
    if not number.isdigit() or unit not in units:
        raise UsageError(f"{limit!r} is no amount of memory", "Write it like 512m or 2g.")
    return int(number) * units[unit]
