"""The object store, or the operator, ends a backup in the middle of its upload."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.settings import SourceSettings
from tests import site as sites
from tests.lab import Lab
from tests.lab.object_store import ObjectStoreServer
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab]
SIZE = 128 << 20


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[tuple[Site, ObjectStoreServer, str]]:
    live = tmp_path / "live"
    live.mkdir()
    (live / "noise").write_bytes(os.urandom(SIZE))
    server = lab.run_s3("mortal")
    bucket = server.new_bucket()
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(live),))
    with sites.site(
        tmp_path / "site", sites.bucket(server, bucket), [source], passphrase=None
    ) as made:
        yield made, server, bucket


def pending(server: ObjectStoreServer, bucket: str) -> list[str]:
    client = server.client()
    found = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    client.close()
    return [upload["Key"] for upload in found]


def under_way(site: Site, server: ObjectStoreServer, bucket: str) -> str:
    """A backup that is uploading now."""
    job = site.engine.start_backup()
    until = time.monotonic() + 60
    while not pending(server, bucket):
        assert not site.engine.job(job).final, "it ended before it was seen to upload"
        assert time.monotonic() < until
        time.sleep(0.02)
    return job


def test_a_cancelled_backup_leaves_no_upload_pending(
    site: tuple[Site, ObjectStoreServer, str],
) -> None:
    made, server, bucket = site
    job = under_way(made, server, bucket)
    made.engine.cancel(job)
    expect(made.finish(job), "cancelled")
    assert pending(server, bucket) == []
    assert made.engine.snapshots() == [] and made.engine.door.repo().entries() == []


def test_a_store_that_dies_costs_this_backup_only(
    site: tuple[Site, ObjectStoreServer, str], lab: Lab
) -> None:
    made, server, bucket = site
    job = under_way(made, server, bucket)
    os.kill(lab.server_process("mortal").pid, signal.SIGKILL)
    ended = made.finish(job)
    assert ended.failure is not None and ended.failure.exit_code == 4, ended.failure
    lab.restart_s3(server, "mortal")
    assert made.engine.snapshots() == []
    expect(made.backup())
    assert len(made.engine.snapshots()) == 1
