"""Where the lab keeps what it makes, and nothing else in the machine is touched."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT_CACHE = Path("/var/cache/mentat-dr-lab")
ROOT_RUNTIME = Path("/run/mentat-dr-lab")


@dataclass(frozen=True)
class Places:
    """The lab's two directories: ``cache`` outlives runs (images, run data), ``runtime`` does not.

    ``runtime`` is short on purpose: a unix socket's path must stay below 108 bytes.
    """

    cache: Path
    runtime: Path

    @classmethod
    def of_this_machine(cls) -> Places:
        """The default places, or those below the directory ``MENTAT_DR_LAB_HOME``."""
        home = os.environ.get("MENTAT_DR_LAB_HOME")
        if home:
            return cls(Path(home) / "cache", Path(home) / "run")
        if os.geteuid() == 0:
            return cls(ROOT_CACHE, ROOT_RUNTIME)
        own = Path.home() / ".cache" / "mentat-dr-lab"
        return cls(own, own / "run")

    @property
    def runs(self) -> Path:
        """One directory for each run; on disk, since object stores grow in it."""
        return self.cache / "runs"

    @property
    def binaries(self) -> Path:
        """Programs that no package of the host brings (``restic``)."""
        return self.cache / "bin"

    @property
    def building(self) -> Path:
        """Half-made things; anything here may be thrown away when no build holds the lock."""
        return self.cache / "building"

    @property
    def docker_data(self) -> Path:
        """The data-root of the lab's own dockerd; the images live here between runs."""
        return self.cache / "docker"

    @property
    def docker_socket(self) -> Path:
        """The socket of the lab's own dockerd."""
        return self.runtime / "docker.sock"

    def make(self) -> None:
        """Create what is missing."""
        for directory in (self.runs, self.binaries, self.building, self.docker_data, self.runtime):
            directory.mkdir(parents=True, exist_ok=True)
        # Object stores and passwords of runs live below; nobody else needs to look.
        self.runs.chmod(0o711)
