"""Docker: containers and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from engine.core.commands import Command

Liveness = Literal["running", "paused", "exited", "created", "restarting", "dead"]


@dataclass(frozen=True, slots=True)
class Mount:
    volume: str  # volume name; empty for a bind mount
    source: str
    destination: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    id: str
    name: str
    image: str
    image_id: str
    state: Liveness
    mounts: tuple[Mount, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)  # network name -> address
    # The engine's full inspect. Its environment may hold passwords: out of repr.
    definition: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Volume:
    name: str
    mountpoint: Path
    driver: str
    labels: Mapping[str, str] = field(default_factory=dict)


class Containers(Protocol):
    """Docker. Errors are ContainersError's; DockerUnreachable when it does not answer in time.

    Objects made by this product carry the label `mentat-dr`; nothing without it is removed.
    """

    def ping(self) -> str:
        """The engine's version."""

    def container(self, name: str) -> Container:
        """SourceMissing when there is none."""

    def containers(self, *, all_states: bool = True) -> Sequence[Container]: ...

    def volume(self, name: str) -> Volume: ...

    def using(self, volume: str) -> Sequence[Container]:
        """Containers that mount it, whatever their state."""

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Volume: ...

    def remove_volume(self, name: str) -> None:
        """Refused (ContainersError) without our label."""

    def pause(self, name: str) -> None: ...

    def unpause(self, name: str) -> None: ...

    def stop(self, name: str, timeout: int = 60) -> None: ...

    def start(self, name: str) -> None: ...

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
        """Create, not start, a labelled container of `image`; where a model is given its
        environment, command, user and options are taken over, never its ports. mounts maps
        volume name to path. SourceMissing when the image is not here."""

    def remove_container(self, name: str) -> None:
        """Kill and remove. Refused (ContainersError) without our label."""

    def logs(self, name: str, lines: int = 50) -> Sequence[str]: ...

    def exec_command(
        self, container: str, argv: Sequence[str], *, label: str = "", marker: str = ""
    ) -> Command:
        """A Command that runs argv inside, with stdin and stdout joined and the exit code kept.
        `marker` marks the inner process so that `kill_marked` finds it."""

    def kill_marked(self, marker: str) -> int:
        """Kill processes inside containers that carry the marker; how many there were."""
