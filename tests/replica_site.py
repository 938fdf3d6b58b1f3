"""A site with a primary bucket and a replica bucket, and a hand that breaks things in them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.api import Job
from engine.ports import ObjectStore
from engine.settings import SourceSettings, StoreSettings
from engine.wiring import object_store
from tests import site as sites
from tests.lab import Lab
from tests.site import HOUR, Site

FILES = "files.tar.zst.gpg"


@dataclass
class Pair:
    """`tree` is what the source `conf` holds."""

    site: Site
    lab: Lab
    tree: Path
    primary_settings: StoreSettings
    replica_settings: StoreSettings

    @property
    def primary(self) -> ObjectStore:
        return object_store(self.primary_settings)

    @property
    def replica(self) -> ObjectStore:
        return object_store(self.replica_settings)

    def replicate(self) -> Job:
        return self.site.finish(self.site.engine.replicas.start())

    def destroy(self, settings: StoreSettings) -> None:
        """The whole bucket, with all in it."""
        client = self.lab.s3.client()
        with contextlib.closing(client):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket):
                for item in page.get("Contents", []):
                    client.delete_object(Bucket=settings.bucket, Key=item["Key"])
            client.delete_bucket(Bucket=settings.bucket)

    def spoil(self, store: ObjectStore, key: str, at: int = 100) -> None:
        """One bit of one object."""
        body = bytearray(store.get(key))
        body[at % len(body)] ^= 1
        store.put(key, bytes(body))

    def restored(self, target: Path) -> str:
        """What differs between the source and what was restored; empty for nothing."""
        inside = target / str(self.tree).lstrip("/")
        done = subprocess.run(
            ["rsync", "-aHAXn", "--checksum", "--delete", "-i", f"{self.tree}/", f"{inside}/"],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout


@contextlib.contextmanager
def pair(lab: Lab, root: Path, *, size: int = 300_000, local: bool = False) -> Iterator[Pair]:
    """A site below root with one source of `size` random bytes in several files."""
    tree = root / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "note").write_text("hello\n")
    step = max(1, size // 8)
    for number in range(8):
        (tree / f"file-{number}").write_bytes(os.urandom(step))
    source = SourceSettings("conf", "config", HOUR, HOUR, paths=(str(tree),))
    primary = sites.bucket(lab.s3, lab.s3.new_bucket("primary"))
    replica = sites.bucket(lab.s3, lab.s3.new_bucket("replica"))
    with sites.site(
        root / "site", primary, [source], replicas=[replica], local=local, passphrase=None
    ) as made:
        yield Pair(made, lab, tree, primary, replica)
