"""The lab's front: parts that start when they are first asked for, shared by all who join."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lab import images, runs
from tests.lab.apps import AppContainer, start_app
from tests.lab.client import Docker, labels
from tests.lab.cluster import start_cluster
from tests.lab.databases import DatabaseContainer, Kind, start_database
from tests.lab.engine import Engine
from tests.lab.errors import MissingParts, NotReady
from tests.lab.locks import held, read_json, write_json
from tests.lab.monitoring import MonitoringServers, start_monitoring
from tests.lab.object_store import ObjectStoreServer, start_object_store, wait_serving
from tests.lab.places import Places
from tests.lab.processes import Process, from_record, restart
from tests.lab.runs import Run


class Lab:
    """One run of the lab, as seen by one process; see the package's docstring."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @classmethod
    def start(cls, *, run_id: str | None = None, owner: Process | None = None) -> Lab:
        """Open a run (or join ``run_id``) that ends with ``owner``, by default this process."""
        owner = owner or Process.current("owner")
        return cls(runs.join(Places.of_this_machine(), run_id or runs.new_id(), owner))

    @classmethod
    def start_lasting(cls) -> Lab:
        """Open a run that lasts until ``stop`` is called, by whichever process."""
        return cls(runs.join(Places.of_this_machine(), runs.new_id(), None))

    def stop(self) -> None:
        """Stop everything of the run: no process, container, mount or interface stays."""
        runs.close(self.run)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def id(self) -> str:
        """The run's id; containers, volumes and networks carry it as ``mentat-dr.lab=ID``."""
        return self.run.id

    @property
    def directory(self) -> Path:
        """A directory of the run, on disk, removed with it."""
        return self.run.directory

    # --- Docker ---------------------------------------------------------------------------

    @cached_property
    def docker(self) -> Docker:
        """The client of the lab's own engine, which is started if need be."""
        engine = Engine(self.run.places)
        engine.acquire(self.id)
        return engine.docker

    @property
    def docker_host(self) -> str:
        """The engine's address, as ``DOCKER_HOST`` takes it."""
        return self.docker.host

    @property
    def labels(self) -> dict[str, str]:
        """The labels for whatever a test makes with a Docker client of its own."""
        return dict([labels(self.id)[1].split("=", 1)])

    def new_volume(self, name: str | None = None) -> str:
        """Make an empty volume and return its name."""
        return self.docker("volume", "create", *labels(self.id), *([name] if name else [])).strip()

    def new_network(self, name: str) -> str:
        """Make a network whose containers find each other by name; returns ``name``."""
        self.docker("network", "create", *labels(self.id), name)
        return name

    def volume_path(self, volume: str) -> Path:
        """Where the host sees a volume's files."""
        found = self.docker.inspect("volume", volume)
        if found is None:
            raise MissingParts(f"the lab has no volume {volume}")
        return Path(found["Mountpoint"])

    def run_app(
        self,
        *command: str,
        image: str = images.APP,
        name: str | None = None,
        volumes: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> AppContainer:
        """A running container (default: it sleeps); ``options`` go to ``docker run``."""
        return start_app(
            self.docker,
            self.id,
            *command,
            image=image,
            name=name,
            volumes=volumes,
            environment=environment,
            options=options,
        )

    def run_bare(self, *, options: Sequence[str] = ("--network=host",)) -> AppContainer:
        """The bare machine of RECOVERY.md; on the host's network, so it reaches the lab's S3."""
        return self.run_app(image=images.BARE, options=options)

    # --- Databases ------------------------------------------------------------------------

    def run_mysql(self, name: str | None = None, **options: Any) -> DatabaseContainer:
        """A MySQL of your own; see ``start_database`` for the options."""
        return self.run_database("mysql", name, **options)

    def run_mariadb(self, name: str | None = None, **options: Any) -> DatabaseContainer:
        """A MariaDB of your own; see ``start_database`` for the options."""
        return self.run_database("mariadb", name, **options)

    def run_database(
        self, kind: Kind, name: str | None = None, **options: Any
    ) -> DatabaseContainer:
        """A server of either kind; see ``start_database`` for the options."""
        try:
            return start_database(self.docker, self.id, kind, name=name, **options)
        except NotReady:
            # Now and then the engine attaches a container to its bridge so that the host cannot
            # reach it. That one has been removed; another try gets another interface.
            return start_database(self.docker, self.id, kind, name=name, **options)

    @cached_property
    def mysql(self) -> DatabaseContainer:
        """The run's shared MySQL: make databases of your own in it, and leave the rest alone."""
        return self._shared("mysql")

    @cached_property
    def mariadb(self) -> DatabaseContainer:
        """The run's shared MariaDB: make databases of your own in it, leave the rest alone."""
        return self._shared("mariadb")

    def _shared(self, kind: Kind) -> DatabaseContainer:
        def make() -> dict[str, Any]:
            name = f"{kind}-shared-{self.id}"
            # A worker may have died half-way through this.
            self.docker("rm", "--force", "--volumes", name)
            return self.run_database(kind, name=name).record()

        return DatabaseContainer(docker=self.docker, **self._part(kind, make))

    # --- Servers of the host --------------------------------------------------------------

    @cached_property
    def s3(self) -> ObjectStoreServer:
        """The run's S3 server."""

        def make() -> dict[str, Any]:
            return dict(vars(start_object_store(self.directory / "s3", self.run.registry)))

        return ObjectStoreServer(**self._part("s3", make))

    def run_s3(self, name: str) -> ObjectStoreServer:
        """Another S3 server under a ``name`` of its own, stopped with the run: a second site."""
        return start_object_store(self.directory / name, self.run.registry, name=name)

    def run_s3_cluster(self, name: str, *, volume_servers: int = 3) -> ObjectStoreServer:
        """S3 over several volume servers, each object on two of them.

        Their processes are ``NAME-volume-1``, ``-2``, ..., ``NAME-master``,
        ``NAME-filer`` and ``NAME-s3``.
        """
        return start_cluster(
            self.directory / name, self.run.registry, name=name, volume_servers=volume_servers
        )

    def restart_s3(self, server: ObjectStoreServer, name: str = "s3") -> None:
        """Start a stopped or killed S3 server again, with its objects, on its old address."""
        process = restart(self.server_process(name), self.run.registry)
        wait_serving(server, process)

    def server_process(self, name: str) -> Process:
        """The process of a server: ``s3``, ``prometheus``, ... or a name given to ``run_s3``."""
        record = read_json(self.run.registry / f"{name}.json")
        if record is None:
            raise MissingParts(f"the lab runs no server named {name}")
        return from_record(record)

    @cached_property
    def monitoring(self) -> MonitoringServers:
        """The run's Prometheus, Alertmanager and Pushgateway."""

        def make() -> dict[str, Any]:
            servers = start_monitoring(self.directory / "monitoring", self.run.registry)
            return {**vars(servers), "rules": str(servers.rules)}

        record = self._part("monitoring", make)
        return MonitoringServers(**{**record, "rules": Path(record["rules"])})

    @property
    def prometheus_url(self) -> str:
        """The run's Prometheus."""
        return self.monitoring.prometheus_url

    @property
    def alertmanager_url(self) -> str:
        """The run's Alertmanager."""
        return self.monitoring.alertmanager_url

    @property
    def pushgateway_url(self) -> str:
        """The run's Pushgateway."""
        return self.monitoring.pushgateway_url

    @property
    def restic(self) -> Path:
        """restic, for the benchmarks."""
        path = self.run.places.binaries / "restic"
        if not os.access(path, os.X_OK):
            raise MissingParts("restic is not there: run 'python -m tests.lab prepare'")
        return path

    def _part(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The record of a part, made by the first process that asks; the others wait for it."""
        with held(self.directory / f"{name}.lock"):
            record = read_json(self.run.parts / f"{name}.json")
            if record is None:
                record = make()
                write_json(self.run.parts / f"{name}.json", record)
        return record
