"""The only importer of concrete adapters: builds each from the settings, as late as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Command, Ended
from engine.core.events import Emit
from engine.ports import (
    Cipher,
    Containers,
    Database,
    ObjectStore,
    RunningPipeline,
    StreamTap,
    Trees,
)
from engine.repository import Repository
from engine.settings import EncryptionSettings, Settings, SourceSettings, StoreSettings

if TYPE_CHECKING:
    from engine.core.job import Job
    from engine.operations.context import Context
    from engine.operations.doctor import Patient
    from engine.operations.initialise import Keyring


def utc_now() -> datetime:
    return datetime.now(UTC)


def object_store(settings: StoreSettings) -> ObjectStore:
    """A store for one bucket or directory; connects at its first call."""
    if settings.provider == "directory":
        from engine.adapters.local_store import LocalStore

        return LocalStore(Path(settings.path), settings.shown, settings.prefix)
    from engine.adapters.s3 import S3Store

    return S3Store(settings)


def cipher(settings: Settings) -> Cipher:
    from engine.adapters.gpg import Gpg

    return Gpg(settings.encryption, settings.state / "gnupg")


def keyring(settings: EncryptionSettings, state: Path) -> Keyring:
    """The keys of a host that is being set up."""
    from engine.adapters.gpg import Gpg

    return Gpg(settings, state / "gnupg")


def repository(settings: Settings) -> Repository:
    local = object_store(settings.local) if settings.local else None
    return Repository(object_store(settings.repository), cipher(settings), local)


@cache
def containers(docker_host: str = "") -> Containers:
    """Docker at docker_host; empty means the environment's or the default socket."""
    from engine.adapters.docker import DockerContainers

    return DockerContainers(docker_host)


def trees() -> Trees:
    from engine.adapters.volume import GnuTar

    return GnuTar()


def database(settings: Settings, source: SourceSettings, container: str, marker: str) -> Database:
    """The server of a database source; `container` overrides where it runs."""
    from engine.adapters import database as adapter

    where = container or source.container

    def run_in(argv: Sequence[str], label: str, mark: str) -> Command:
        docker = containers(settings.docker)
        return docker.exec_command(where, argv, label=label, marker=mark)

    return adapter.connect(
        user=source.user,
        password=source.password.reveal() if source.password else None,
        run_in=run_in if where else None,
        host=source.address,
        port=source.port,
        socket=source.socket,
        schemas=source.schemas,
        checksums=source.checksums,
        marker=marker,
        name=source.name,
    )


class _Processes:
    """adapters.command and adapters.pipeline as the port."""

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        check: bool = True,
    ) -> Ended:
        from engine.adapters import command as commands

        return commands.run(command, stdin=stdin, timeout=timeout, check=check)

    def tap(self) -> StreamTap:
        from engine.adapters.pipeline import Tap

        return Tap()

    def pipeline(
        self,
        stages: Sequence[Command | StreamTap],
        *,
        feed: bool = False,
        collect: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> RunningPipeline:
        from engine.adapters.pipeline import Pipeline

        return Pipeline(stages, feed=feed, collect=collect, on_line=on_line)  # type: ignore[arg-type]

    def failure(self, ended: Ended) -> Exception:
        from engine.adapters import command as commands

        return commands.failure(ended)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What jobs give an operation: leases and quiescing live with them, not with adapters."""

    lease: Callable[[str], AbstractContextManager[object]]
    quiesced: Callable[[Sequence[str], str], AbstractContextManager[object]]
    emit: Emit
    job_id: str


def context(settings: Settings, around: Surroundings) -> Context:
    from engine.operations.context import Context

    marker = f"mentat-dr-{around.job_id}"
    return Context(
        settings=settings,
        repository=repository(settings),
        processes=_Processes(),
        trees=trees(),
        containers=lambda: containers(settings.docker),
        database=lambda source, where: database(settings, source, where, marker),
        lease=around.lease,
        quiesced=around.quiesced,
        clock=utc_now,
        emit=around.emit,
        state=settings.state,
        job_id=around.job_id,
    )


def patient(settings: Settings, *, jobs: Sequence[Job], stale_leases: Sequence[str]) -> Patient:
    """What doctor looks at."""
    from engine.operations.doctor import Patient

    stores = {"repository": settings.repository}
    stores |= {f"replica {number}": store for number, store in enumerate(settings.replicas, 1)}
    if settings.local:
        stores["local"] = settings.local
    return Patient(
        settings=settings,
        stores=[(name, partial(object_store, store)) for name, store in stores.items()],
        cipher=lambda: cipher(settings),
        containers=lambda: containers(settings.docker),
        database=lambda source, where: database(settings, source, where, "mentat-dr-doctor"),
        trees=trees(),
        processes=_Processes(),
        clock=utc_now,
        jobs=jobs,
        stale_leases=stale_leases,
    )
