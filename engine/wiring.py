"""The only importer of concrete adapters: builds each from the settings, as late as possible."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Command, Ended
from engine.core.events import Emit
from engine.ports import (
    AlertSource,
    Cipher,
    Containers,
    Database,
    Metrics,
    Notifier,
    ObjectStore,
    RunningPipeline,
    Silencer,
    StreamTap,
    Trees,
)
from engine.ports.hosts import HostEngine, Machine
from engine.repository import Repository, failover, profiles
from engine.repository.lease import StoreHolder, StoreLease
from engine.settings import EncryptionSettings, Settings, SourceSettings, StoreSettings

if TYPE_CHECKING:
    from engine.adapters.gpg import Gpg
    from engine.core.job import Job
    from engine.core.metrics import Family
    from engine.operations.context import Context
    from engine.operations.doctor import Patient
    from engine.operations.health import Examined
    from engine.operations.initialise import Keyring
    from engine.operations.keys_check import KeyExaminer
    from engine.operations.keys_escrow import Opener


def utc_now() -> datetime:
    return datetime.now(UTC)


def object_store(settings: StoreSettings, state: Path | None = None) -> ObjectStore:
    """A store for one bucket or directory; connects at its first call. What was found by probing
    it stands in `state`."""
    if settings.provider == "directory":
        from engine.adapters.local_store import LocalStore

        return LocalStore(Path(settings.path), settings.shown, settings.prefix)
    from engine.adapters.s3 import S3Store

    return S3Store(settings, profiles.load(state, settings.shown) if state else None)


def cipher(settings: Settings) -> Cipher:
    from engine.adapters.gpg import Gpg

    return Gpg(settings.encryption, settings.state / "gnupg")


def keyring(settings: EncryptionSettings, state: Path) -> Keyring:
    """The keys of a host that is being set up."""
    from engine.adapters.gpg import Gpg

    return Gpg(settings, state / "gnupg")


def repository(settings: Settings) -> Repository:
    local = object_store(settings.local) if settings.local else None
    replicas = [object_store(replica, settings.state) for replica in settings.replicas]
    return Repository(
        object_store(settings.repository, settings.state),
        cipher(settings),
        local,
        replicas,
        _read_first(settings, replicas),
    )


def _read_first(settings: Settings, replicas: Sequence[ObjectStore]) -> ObjectStore | None:
    """The replica that this host has failed over to for reading."""
    decided = failover.load(settings.state)
    if decided is None or decided.writing:
        return None
    names = [replica.shown for replica in settings.replicas]
    return replicas[names.index(decided.store)] if decided.store in names else None


@cache
def containers(docker_host: str = "") -> Containers:
    """Docker at docker_host; empty means the environment's or the default socket."""
    from engine.adapters.docker import DockerContainers

    return DockerContainers(docker_host)


def machine() -> Machine:
    """The machine this runs on."""
    from engine.adapters.host_machine import LinuxMachine

    return LinuxMachine()


@cache
def host_engine(docker_host: str = "") -> HostEngine:
    """Docker at docker_host as a whole, for a host's facts and its rebuild."""
    from engine.adapters.docker_host import DockerHost

    return DockerHost(docker_host)


def metrics_snapshot(url: str) -> str:
    """A snapshot of the data of the Prometheus at a URL; its folder's name."""
    from engine.adapters import prometheus_tsdb

    return prometheus_tsdb.snapshot(url)


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
    holder: StoreHolder | None = None  # who we are to other hosts
    gone: Callable[[StoreHolder], bool] = lambda _holder: False  # its process is known to be dead


def context(settings: Settings, around: Surroundings) -> Context:
    from engine.operations.context import Context

    marker = f"mentat-dr-{around.job_id}"
    myself = around.holder or StoreHolder(settings.host, "", around.job_id, "", os.getpid())
    return Context(
        settings=settings,
        repository=repository(settings),
        processes=_Processes(),
        trees=trees(),
        containers=lambda: containers(settings.docker),
        database=lambda source, where: database(settings, source, where, marker),
        lease=around.lease,
        quiesced=around.quiesced,
        store_lease=lambda store, what: StoreLease.acquire(
            store, what, myself, utc_now, around.gone
        ),
        clock=utc_now,
        emit=around.emit,
        state=settings.state,
        job_id=around.job_id,
        machine=machine,
        host_engine=lambda: host_engine(settings.docker),
        metrics_snapshot=metrics_snapshot,
    )


@contextlib.contextmanager
def bare_repository(
    settings: Settings, state: Path, passphrase: str | None
) -> Iterator[Repository]:
    """The bucket as a new machine sees it: nothing of it known, and a keyring below `state` with
    the recipients' secret keys that are here and all public keys. Its agent ends with the block.
    CipherError when the passphrase does not open a key."""
    bare = replace(
        settings,
        state=state,
        local=None,
        replicas=(),
        encryption=replace(settings.encryption, gnupg_home=""),
    )
    adapter = _gpg(bare)
    try:
        _hand_over(_gpg(settings), adapter, settings.encryption.recipients, state, passphrase)
        yield Repository(object_store(bare.repository), adapter)
    finally:
        adapter.kill_agent()


def _gpg(settings: Settings) -> Gpg:
    from engine.adapters.gpg import Gpg

    return Gpg(settings.encryption, settings.state / "gnupg")


def _hand_over(
    here: Gpg, there: Gpg, recipients: Sequence[str], state: Path, passphrase: str | None
) -> None:
    """Secret keys stay under their passphrase; the file that carries them is private and goes."""
    known = list(here.keys())
    carried = [here.export_public([key.fingerprint for key in known])]
    for name in recipients:
        key = here.keyring.recipient(name, today=False)
        if any(k.has_secret for k in known if k.fingerprint == key.fingerprint):
            carried.append(here.export_secret(key.fingerprint, passphrase))
    file = state / "handed-over.asc"
    try:
        for armoured in carried:
            file.touch(mode=0o600)
            file.write_bytes(armoured)
            there.import_file(file)
    finally:
        file.unlink(missing_ok=True)


def patient(
    settings: Settings, *, jobs: Sequence[Job], stale_leases: Sequence[str], probe: bool = False
) -> Patient:
    """What doctor looks at; with `probe`, stores are asked all they can do."""
    from engine.operations.doctor import Patient

    stores = {"repository": settings.repository}
    stores |= {f"replica {number}": store for number, store in enumerate(settings.replicas, 1)}
    if settings.local:
        stores["local"] = settings.local
    return Patient(
        settings=settings,
        stores=[
            (name, partial(object_store, store, settings.state)) for name, store in stores.items()
        ],
        probe=probe,
        cipher=lambda: cipher(settings),
        containers=lambda: containers(settings.docker),
        database=lambda source, where: database(settings, source, where, "mentat-dr-doctor"),
        trees=trees(),
        processes=_Processes(),
        clock=utc_now,
        jobs=jobs,
        stale_leases=stale_leases,
    )


def publishers(settings: Settings) -> Sequence[Metrics]:
    """Where metrics go."""
    from engine.adapters.prometheus import Pushgateway, Textfile

    monitoring = settings.monitoring
    places: list[Metrics] = []
    if monitoring.pushgateway:
        places.append(Pushgateway(monitoring.pushgateway))
    if monitoring.textfile_directory:
        places.append(Textfile(Path(monitoring.textfile_directory)))
    return places


def notifiers(settings: Settings) -> Sequence[Notifier]:
    """Whom to tell."""
    from engine.adapters.notify import AppriseNotifier

    return [AppriseNotifier(url, number) for number, url in enumerate(settings.notify, 1)]


def alert_sources(settings: Settings) -> Sequence[AlertSource]:
    """Who watches: those that are configured."""
    from engine.adapters.alertmanager import Alertmanager
    from engine.adapters.prometheus_alerts import PrometheusRules

    monitoring = settings.monitoring
    found: list[AlertSource] = []
    if monitoring.prometheus:
        found.append(PrometheusRules(monitoring.prometheus))
    if monitoring.alertmanager:
        found.append(Alertmanager(monitoring.alertmanager))
    return found


def silencer(settings: Settings) -> Silencer | None:
    """Who silences; None when no Alertmanager is configured."""
    from engine.adapters.alertmanager import Alertmanager

    url = settings.monitoring.alertmanager
    return Alertmanager(url) if url else None


def exposition(families: Sequence[Family]) -> str:
    """Metrics as Prometheus scrapes them."""
    from engine.adapters.prometheus import render

    return render(families).decode()


def key_examiner(settings: Settings) -> KeyExaminer:
    """Who tries the configured keys."""
    from engine.adapters.gpg import Gpg
    from engine.adapters.gpg_health import KeyHealth

    return KeyHealth(Gpg(settings.encryption, settings.state / "gnupg"))


def offline_key(file: Path) -> AbstractContextManager[Opener]:
    """A private key that is used once, in a home directory of its own."""
    from engine.adapters.gpg_escrow import OfflineKey

    return OfflineKey(file)


def examined(settings: Settings) -> Examined:
    """What health checks ask through."""
    from engine.adapters.reach import NetworkReach
    from engine.operations.health import Examined

    def ask(source: str, sql: str, timeout: float) -> str:
        reached = database(settings, settings.source(source), "", "mentat-dr-health")
        reached.wait_ready(timeout)
        return reached.probes.ask(sql) or ""

    return Examined(
        reach=NetworkReach(),
        processes=_Processes(),
        containers=lambda: containers(settings.docker),
        ask=ask,
        clock=utc_now,
    )
