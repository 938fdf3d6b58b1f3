"""The docker client, aimed at the lab's own engine whatever the environment says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.command import run
from tests.lab.errors import CommandFailed
from tests.lab.packages import program

LABEL = "mentat-dr.lab"


class Docker:
    """Runs ``docker`` against one socket; every failure is a ``CommandFailed``."""

    def __init__(self, socket: Path) -> None:
        self.host = f"unix://{socket}"

    def __call__(
        self,
        *arguments: str,
        stdin: bytes | str = b"",
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        seconds: float = 120.0,
    ) -> str:
        """Run ``docker ARGUMENTS`` and return its standard output."""
        added = {
            "DOCKER_HOST": self.host,
            # Debian's docker.io has no buildx.
            "DOCKER_BUILDKIT": "0",
            # A developer's chosen context or TLS must not lead elsewhere.
            "DOCKER_CONTEXT": "",
            "DOCKER_TLS_VERIFY": "",
            **(environment or {}),
        }
        return run(
            [program("docker"), *arguments],
            stdin=stdin,
            environment=added,
            log=log,
            seconds=seconds,
        )

    def answers(self) -> bool:
        """True when the engine serves."""
        try:
            self("version", "--format", "{{.Server.Version}}", seconds=10)
        except CommandFailed:
            return False
        return True

    def logs(self, container: str) -> str:
        """What a container has printed, standard error last; empty when it is gone."""
        done = subprocess.run(
            [program("docker"), "logs", container],
            env={**os.environ, "DOCKER_HOST": self.host, "DOCKER_CONTEXT": ""},
            capture_output=True,
            check=False,
        )
        return (done.stdout + done.stderr).decode(errors="replace")

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """The engine's own record of an object; None when there is none."""
        try:
            found = json.loads(self(kind, "inspect", name))
        except CommandFailed as failure:
            if "no such" in str(failure).lower() or "not found" in str(failure).lower():
                return None
            raise
        record: dict[str, Any] = found[0]
        return record

    def exists(self, kind: str, name: str) -> bool:
        """True when the engine has such an object."""
        return self.inspect(kind, name) is not None

    def remove_labelled(self, label: str | None) -> None:
        """Remove the containers, volumes and networks with ``label``; all of them for None."""
        chosen = ["--filter", f"label={label}"] if label else []
        containers = self("ps", "--all", "--quiet", *chosen).split()
        if containers:
            self("rm", "--force", "--volumes", *containers)
        volumes = self("volume", "ls", "--quiet", *chosen).split()
        if volumes:
            self("volume", "rm", "--force", *volumes)
        own = ["--filter", "type=custom", *chosen]
        networks = self("network", "ls", "--quiet", *own).split()
        if networks:
            self("network", "rm", *networks)


def labels(run_id: str) -> list[str]:
    """The options that mark a container, volume or network as a run's own."""
    return ["--label", f"{LABEL}={run_id}"]


def is_root() -> bool:
    """Docker Engine needs it."""
    return os.geteuid() == 0
