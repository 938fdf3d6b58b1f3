"""MySQL and MariaDB in containers: started, ready, asked, removed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Any, Literal

from tests.lab import images, processes
from tests.lab.client import Docker, labels
from tests.lab.errors import CommandFailed, NotReady

Kind = Literal["mysql", "mariadb"]
IMAGES: dict[Kind, str] = {"mysql": images.MYSQL, "mariadb": images.MARIADB}
READY_SECONDS = 120.0


@dataclass(frozen=True)
class DatabaseContainer:
    """A database server in a container; a context manager that removes it at the end.

    ``host_ip`` and ``port`` are reachable from the host; ``volume`` holds ``/var/lib/mysql``.
    """

    kind: Kind
    name: str
    image: str
    root_password: str
    volume: str
    port: int
    owns_volume: bool
    docker: Docker = field(repr=False, compare=False)

    @property
    def host_ip(self) -> str:
        """Its address now: another container may take it while this one is stopped."""
        return address_of(self.docker.inspect("container", self.name) or {})

    def sql(self, statement: str, *, database: str = "") -> list[tuple[str, ...]]:
        """Run statements as root and return all their rows, values as text, NULL as ``"NULL"``.

        They go in on standard input and the password by the environment: neither is in an argv.
        """
        # Tabs, line ends and backslashes inside values come escaped, so lines are rows.
        output = self.client(statement, "--batch", "--skip-column-names", database=database)
        rows = output.split("\n")[:-1]
        return [tuple(_unescaped(value) for value in row.split("\t")) for row in rows]

    def value(self, statement: str, *, database: str = "") -> str:
        """The one value that a statement returns."""
        ((found,),) = self.sql(statement, database=database)
        return found

    def client(self, stdin: str | bytes, *options: str, database: str = "") -> str:
        """Feed ``stdin`` to the command-line client inside, as root; returns what it prints."""
        return self.exec(
            self.kind,
            "--user=root",
            "--default-character-set=utf8mb4",
            *options,
            *([database] if database else []),
            stdin=stdin,
        )

    def exec(self, *command: str, stdin: str | bytes = b"", seconds: float = 600) -> str:
        """Run a command inside, with the root password as ``MYSQL_PWD``; returns its output."""
        return self.docker(
            "exec",
            "--interactive",
            "--env=MYSQL_PWD",
            self.name,
            *command,
            stdin=stdin,
            environment={"MYSQL_PWD": self.root_password},
            seconds=seconds,
        )

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it answers by its socket and by TCP, and the host can connect.

        ``NotReady`` with its log when it has stopped or time is up.
        """
        deadline = time.monotonic() + seconds
        while reason := self._why_not_ready():
            state = (self.docker.inspect("container", self.name) or {}).get("State", {})
            if not state.get("Running") or time.monotonic() > deadline:
                raise NotReady(
                    f"{self.name} ({self.image}) does not serve: {reason}\n"
                    f"It said:\n{self.logs()[-3000:]}"
                )
            time.sleep(0.1)

    def _why_not_ready(self) -> str:
        try:
            self.client("SELECT 1")
            self.client("SELECT 1", "--host=127.0.0.1", "--protocol=tcp")
        except CommandFailed as failure:
            return str(failure)
        # Last, and so once: a server shuts out a host that often connects and says nothing.
        address = self.host_ip
        if address and not processes.connects(address, self.port):
            return f"the host cannot connect to {address}:{self.port}"
        return ""

    def logs(self) -> str:
        """What the server has printed, on both of its outputs."""
        return self.docker.logs(self.name)

    def close(self) -> None:
        """Remove the container, and its volume unless that was given to it."""
        self.docker("rm", "--force", "--volumes", self.name)
        if self.owns_volume:
            self.docker("volume", "rm", "--force", self.volume)

    def record(self) -> dict[str, Any]:
        """All but the client, to be written down for another process."""
        return {name: getattr(self, name) for name in _WRITTEN}

    def __enter__(self) -> DatabaseContainer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_WRITTEN = [each.name for each in fields(DatabaseContainer) if each.name != "docker"]


def start_database(
    docker: Docker,
    run_id: str,
    kind: Kind,
    *,
    name: str | None = None,
    arguments: Sequence[str] = (),
    options: Sequence[str] = (),
    volume: str | None = None,
    root_password: str | None = None,
    wait: bool = True,
) -> DatabaseContainer:
    """A new server, ready unless told not to wait; removed again if it does not become ready.

    ``arguments`` go to the server, ``options`` to ``docker run``. A ``volume`` that holds a data
    directory is served as it is, and ``root_password`` must then be the one within.
    """
    image = IMAGES[kind]
    images.require(docker, image)
    name = name or f"{kind}-{secrets.token_hex(4)}"
    owns_volume = volume is None
    if volume is None:
        volume = docker("volume", "create", *labels(run_id), f"{name}-data").strip()
    password = root_password or f"lab-{secrets.token_urlsafe(18)}"
    docker(
        "run",
        "--detach",
        f"--name={name}",
        f"--hostname={name}",
        *labels(run_id),
        "--env=MYSQL_ROOT_PASSWORD",
        f"--volume={volume}:/var/lib/mysql",
        *options,
        image,
        *arguments,
        environment={"MYSQL_ROOT_PASSWORD": password},
    )
    container = DatabaseContainer(kind, name, image, password, volume, 3306, owns_volume, docker)
    if wait:
        try:
            container.wait_ready()
        except NotReady:
            container.close()
            raise
    return container


def address_of(record: dict[str, Any]) -> str:
    """The first address in the engine's record of a container; empty with no network."""
    networks = record.get("NetworkSettings", {}).get("Networks", {})
    found = [str(each["IPAddress"]) for each in networks.values() if each.get("IPAddress")]
    return found[0] if found else ""


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    meanings = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
    out: list[str] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            out.append(meanings.get(following, character + following))
        else:
            out.append(character)
    return "".join(out)
