"""Other containers of the lab: applications, helpers, and the bare machine of RECOVERY.md."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.lab import images
from tests.lab.client import Docker, labels
from tests.lab.databases import address_of
from tests.lab.errors import LabError


@dataclass(frozen=True)
class AppContainer:
    """A running container; a context manager that removes it (not its volumes) at the end."""

    name: str
    image: str
    host_ip: str
    docker: Docker = field(repr=False, compare=False)

    def exec(
        self,
        *command: str,
        stdin: str | bytes = b"",
        environment: Mapping[str, str] | None = None,
        seconds: float = 300,
    ) -> str:
        """Run a command inside and return its output; ``environment`` stays out of the argv."""
        names = [f"--env={name}" for name in environment or {}]
        return self.docker(
            "exec",
            "--interactive",
            *names,
            self.name,
            *command,
            stdin=stdin,
            environment=environment,
            seconds=seconds,
        )

    def sh(self, script: str, **environment: str) -> str:
        """Run a shell script inside, stopping at its first failure; returns its output."""
        return self.exec("bash", "-euo", "pipefail", "-s", stdin=script, environment=environment)

    def copy_in(self, source: str, target: str) -> None:
        """Copy a file or directory of the host into the container."""
        self.docker("cp", source, f"{self.name}:{target}")

    def state(self) -> str:
        """The engine's word for it: ``running``, ``paused``, ``exited``; empty when it is gone."""
        record = self.docker.inspect("container", self.name) or {}
        return str(record.get("State", {}).get("Status", ""))

    def logs(self) -> str:
        """What it has printed, on both of its outputs."""
        return self.docker.logs(self.name)

    def close(self) -> None:
        """Remove it, if it is there."""
        self.docker("rm", "--force", "--volumes", self.name)

    def __enter__(self) -> AppContainer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def start_app(
    docker: Docker,
    run_id: str,
    *command: str,
    image: str = images.APP,
    name: str | None = None,
    volumes: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> AppContainer:
    """A container that runs ``command`` (default: sleeps); ``volumes`` maps name or path to target.

    Raises ``LabError`` when it has ended within the moment it takes to look.
    """
    images.require(docker, image)
    name = name or f"app-{secrets.token_hex(4)}"
    docker(
        "run",
        "--detach",
        "--init",
        f"--name={name}",
        f"--hostname={name}",
        *labels(run_id),
        *(f"--volume={source}:{target}" for source, target in (volumes or {}).items()),
        *(f"--env={key}" for key in environment or {}),
        *options,
        image,
        *command,
        environment=environment,
    )
    record = docker.inspect("container", name) or {}
    if record.get("State", {}).get("ExitCode"):
        raise LabError(f"{name} ended at its start: {docker.logs(name)}")
    return AppContainer(name, image, address_of(record), docker)
