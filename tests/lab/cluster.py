"""A SeaweedFS of several volume servers: what a grown fleet's own store looks like."""

from __future__ import annotations

from pathlib import Path

from tests.lab import processes
from tests.lab.errors import NotReady
from tests.lab.object_store import (
    ObjectStoreServer,
    new_keys,
    start_weed,
    wait_serving,
    write_identities,
)

LOCAL = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
# One copy more, on another volume server: the loss of one is survived.
REPLICATION = "001"


def start_cluster(
    directory: Path, registry: Path, *, name: str, volume_servers: int
) -> ObjectStoreServer:
    """A master, ``volume_servers``, a filer and its S3 gateway, ready to take objects."""
    directory.mkdir()
    ports = processes.free_ports(2)
    master = f"127.0.0.1:{ports[0]}.{ports[1]}"
    leader = _start(name, "master", _master(directory, ports), directory, registry, ports)
    _wait_leading(leader, ports[0])
    for number in range(1, volume_servers + 1):
        own = directory / f"volume-{number}"
        own.mkdir()
        ports = processes.free_ports(2)
        options = _volume(own, master, ports)
        _start(name, f"volume-{number}", options, directory, registry, ports)
    ports = processes.free_ports(2)
    filer = f"127.0.0.1:{ports[0]}.{ports[1]}"
    _start(name, "filer", _filer(directory, master, ports), directory, registry, ports)
    keys = new_keys()
    config = write_identities(directory, keys)
    ports = processes.free_ports(2)
    gateway = _start(name, "s3", _gateway(config, filer, ports), directory, registry, ports)
    server = ObjectStoreServer(f"http://127.0.0.1:{ports[0]}", **keys)
    try:
        wait_serving(server, gateway)
    except NotReady:
        processes.stop(each for each in processes.saved(registry) if each.name.startswith(name))
        raise
    return server


def _start(
    cluster: str, role: str, options: list[str], directory: Path, registry: Path, ports: list[int]
) -> processes.Process:
    name = f"{cluster}-{role}"
    return start_weed(name, options, directory=directory, registry=registry, ports=ports)


def _master(directory: Path, ports: list[int]) -> list[str]:
    data = directory / "master"
    data.mkdir()
    return [
        "master",
        *LOCAL,
        f"-mdir={data}",
        f"-port={ports[0]}",
        f"-port.grpc={ports[1]}",
        "-volumeSizeLimitMB=128",
        f"-defaultReplication={REPLICATION}",
        "-telemetry=false",
    ]


def _volume(own: Path, master: str, ports: list[int]) -> list[str]:
    return [
        "volume",
        *LOCAL,
        f"-dir={own}",
        "-max=50",
        f"-master={master}",
        f"-port={ports[0]}",
        f"-port.grpc={ports[1]}",
        "-preStopSeconds=0",
    ]


def _filer(directory: Path, master: str, ports: list[int]) -> list[str]:
    (directory / "filer").mkdir()
    return [
        "filer",
        *LOCAL,
        f"-defaultStoreDir={directory / 'filer'}",
        f"-master={master}",
        f"-defaultReplicaPlacement={REPLICATION}",
        f"-port={ports[0]}",
        f"-port.grpc={ports[1]}",
    ]


def _gateway(config: Path, filer: str, ports: list[int]) -> list[str]:
    """A process of its own: the filer's built-in one does not start in this version."""
    return [
        "s3",
        "-ip.bind=127.0.0.1",
        f"-filer={filer}",
        f"-config={config}",
        f"-port={ports[0]}",
        f"-port.grpc={ports[1]}",
        "-port.iceberg=0",
        "-port.lance=0",
        "-cacheCapacityMB=0",
        "-readerCacheSizeMB=128",
    ]


def _wait_leading(master: processes.Process, port: int) -> None:
    """Volume servers that find a master without its crown come back only after seconds."""
    processes.wait_until(
        lambda: b'"IsLeader":true' in processes.fetched(f"http://127.0.0.1:{port}/cluster/status"),
        what="the cluster's master",
        seconds=60,
        process=master,
        log=Path(master.log),
    )
