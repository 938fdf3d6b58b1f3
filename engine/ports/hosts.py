"""A machine and its Docker Engine as a whole: looked at for a host's facts, and rebuilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.core.commands import Command
from engine.core.host_facts import EngineFacts, MachineFacts


class Machine(Protocol):
    """The machine this runs on. Never raises for what cannot be looked at: it becomes one of the
    facts' problems."""

    def facts(self, names: Sequence[str] = (), folders: Sequence[Path] = ()) -> MachineFacts:
        """Everything. names are resolved beside those found in certificates; folders are looked
        through for certificates beside the usual places."""

    def texts(self, files: Sequence[str]) -> Mapping[str, str]:
        """Those of the files that can be read as text, none above 1 MiB."""

    def listens(self, port: int) -> bool:
        """Whether something on this machine takes connections at a TCP port."""

    def copy_command(self, source: Path, target: Path) -> Command:
        """Copies a file or a tree with everything that belongs to it to a name that is free."""


class HostEngine(Protocol):
    """Docker as a whole. Errors are ContainersError's. What is there already is left alone."""

    def facts(self) -> EngineFacts: ...

    def has_image(self, reference: str) -> bool: ...

    def pull(self, reference: str) -> None:
        """Fetch an image from its registry; ContainersError when it cannot be had."""

    def create_network(self, definition: Mapping[str, Any], *, same_subnet: bool = True) -> None:
        """Make the network of an inspect's definition; nothing when one of its name is there."""

    def create_volume(self, definition: Mapping[str, Any]) -> bool:
        """Make the volume of a definition, empty; False when one of its name is there."""

    def create_container(self, definition: Mapping[str, Any], binds: Sequence[str] = ()) -> bool:
        """Make, not start, the container of an inspect, with all its options and networks;
        False when one of its name is there. binds adds `volume:path` mounts."""

    def exists(self, what: str, name: str) -> bool:
        """Whether there is a `container`, `network` or `volume` of that name."""

    def health(self, name: str) -> tuple[str, str]:
        """A container's state, and its health (`healthy`, ...; empty where it has no check)."""

    def save_command(self, references: Sequence[str]) -> Command:
        """Writes the images as a tar to stdout."""

    def load_command(self) -> Command:
        """Reads such a tar from stdin."""
