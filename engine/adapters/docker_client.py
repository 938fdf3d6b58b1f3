"""The connection to a Docker Engine, and the one place where its errors become ours."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from typing import Any

from engine.core.errors import ContainersError, DockerUnreachable, MentatError, SourceMissing

DEFAULT_HOST = "unix:///var/run/docker.sock"
QUICK = 5  # seconds for an answer that needs no work
PATIENT = 120  # seconds for one that does; asked only after a quick answer
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_TLS = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_PROGRAM_PLACES = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/snap/bin"


def checked_name(name: str, what: str) -> str:
    """A name that Docker could have given, since it becomes part of a URL and of an argv."""
    if not _NAME.match(name):
        raise SourceMissing(
            f"{name!r} cannot be the name of a {what}",
            "Correct it in the configuration.",
        )
    return name


class Connection:
    """Clients of one engine, made at first use. Thread-safe.

    host is what DOCKER_HOST takes; empty: the environment's, else the default socket. TLS comes
    from the environment, as for the docker program."""

    def __init__(self, host: str = "") -> None:
        self.host = host or os.environ.get("DOCKER_HOST", "") or DEFAULT_HOST
        self._clients: dict[int, Any] = {}
        self._lock = threading.Lock()

    @property
    def local(self) -> bool:
        return self.host.startswith(("unix://", "/"))

    def quick(self) -> Any:
        """For questions: an answer within QUICK seconds or DockerUnreachable."""
        return self._client(QUICK)

    def patient(self) -> Any:
        """For work: makes sure first that the engine answers at all."""
        with self.asking():
            self.quick().ping()
        return self._client(PATIENT)

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, timeout: int) -> Any:
        self._knock()
        with self._lock:
            if timeout not in self._clients:
                with self.asking():
                    self._clients[timeout] = self._connect(timeout)
            return self._clients[timeout]

    def _knock(self) -> None:
        """See by ourselves whether the socket answers: the SDK leaks one that does not."""
        if not self.local:
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(QUICK)
            try:
                probe.connect(self.host.removeprefix("unix://"))
            except OSError as error:
                raise self._unreachable(error) from error

    def _connect(self, timeout: int) -> Any:
        import docker
        from docker.utils import kwargs_from_env

        known = self._clients.get(QUICK)
        environment = {"DOCKER_HOST": self.host, **_tls_environment(self.host)}
        return docker.APIClient(
            **kwargs_from_env(environment=environment),
            version=known.api_version if known else "auto",
            timeout=timeout,
            use_ssh_client=self.host.startswith("ssh://"),
        )

    def program(self) -> tuple[str, dict[str, str]]:
        """The docker program and the environment that makes it ask this same engine."""
        path = shutil.which("docker") or shutil.which("docker", path=_PROGRAM_PLACES)
        if not path:
            raise ContainersError(
                "the docker program is not installed",
                "Install Docker's command line (package docker-ce-cli, docker.io or docker-cli).",
            )
        environment = {"DOCKER_HOST": self.host, **_tls_environment(self.host)}
        if self.host.startswith("ssh://") and "SSH_AUTH_SOCK" in os.environ:
            environment["SSH_AUTH_SOCK"] = os.environ["SSH_AUTH_SOCK"]
        return path, environment

    @contextlib.contextmanager
    def asking(self, what: str = "", remedy: str = "") -> Iterator[None]:
        """Turn what the SDK raises into our errors; `what` names the object asked for."""
        import docker.errors
        import requests
        import urllib3

        try:
            yield
        except MentatError:
            raise
        except docker.errors.NotFound as error:
            said = _explanation(error)
            raise SourceMissing(
                f"Docker has no {what}" if what else f"Docker: {said}",
                remedy
                or "`docker ps -a`, `docker volume ls` and `docker images` show what it has.",
            ) from error
        except docker.errors.APIError as error:
            about = f" ({what})" if what else ""
            raise ContainersError(
                f"Docker refused{about}: {_explanation(error)}",
                remedy or "See the engine's log: journalctl -u docker.",
            ) from error
        except (
            docker.errors.DockerException,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            raise self._unreachable(error) from error
        except ValueError as error:
            raise ContainersError(
                f"Docker at {self.host} gave an answer that cannot be read: {error}",
                "See whether DOCKER_HOST or `docker` in the configuration is a Docker Engine.",
            ) from error

    def _unreachable(self, error: BaseException) -> DockerUnreachable:
        said = " ".join(str(error).split())
        lowered = said.lower()
        if "timed out" in lowered:
            why, remedy = "does not answer", "Restart it (systemctl restart docker), try again."
        elif "no such file" in lowered or "filenotfound" in lowered:
            why = "is not running: there is no such socket"
            remedy = "Start it (systemctl start docker) or correct `docker` in the configuration."
        elif "permission" in lowered:
            why, remedy = "may not be used by this user", "Run it as root."
        elif "refused" in lowered:
            why, remedy = "is not running", "Start it (systemctl start docker), then try again."
        else:
            why = f"cannot be reached: {said[:300]}"
            remedy = "See `docker info`, and `docker` in the configuration."
        return DockerUnreachable(f"Docker at {self.host} {why}", remedy)


def _tls_environment(host: str) -> dict[str, str]:
    if not host.startswith("tcp://"):
        return {}
    return {name: os.environ[name] for name in _TLS if os.environ.get(name)}


def _explanation(error: BaseException) -> str:
    said = str(getattr(error, "explanation", "") or error)
    return " ".join(said.split())[:500]
