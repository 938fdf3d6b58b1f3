"""Object Lock on a real server: nothing of a snapshot can be deleted before its time, and nothing
is written unlocked where a lock is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.adapters.s3 import S3Store
from engine.core.errors import ConfigurationError, StoreDenied
from engine.core.pruning import PruneRequest
from engine.core.recovery import Target
from engine.settings import LockSettings, SourceSettings, StoreSettings
from tests import site as sites
from tests.contracts.fault_proxy import Fault, fault_proxy
from tests.contracts.upload_contract import PART, noise, put_part
from tests.integration.test_prune import objects, plant, there
from tests.lab import Lab
from tests.site import HOUR, expect

pytestmark = [pytest.mark.lab]
KEY = "v1/landsraad/etc/20261122T020000Z-full-1a2b3c4d/files.tar.zst.gpg"
LOCK = LockSettings("governance", 3)


@pytest.fixture(scope="module")
def locking(lab: Lab) -> Iterator[StoreSettings]:
    """A bucket that can lock."""
    name = f"locking-{secrets.token_hex(4)}"
    client = lab.s3.client()
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    client.close()
    yield replace(sites.bucket(lab.s3, name), lock=LOCK)


def here(settings: StoreSettings) -> S3Store:
    return S3Store(replace(settings, prefix=secrets.token_hex(6)))


@pytest.mark.parametrize("checksums", [True, False])
def test_what_is_written_is_locked_and_stays(locking: StoreSettings, checksums: bool) -> None:
    store = here(replace(locking, checksums=checksums))
    store.put(KEY, b"small", if_absent=True)
    upload = store.begin_upload(KEY + "-large.gpg")
    put_part(upload, 1, noise(PART))
    put_part(upload, 2, b"the end")
    upload.complete()
    for key in (KEY, KEY + "-large.gpg"):
        head = store.client.head_object(Bucket=store.bucket, Key=store.whole_key(key))
        assert head["ObjectLockMode"] == "GOVERNANCE"
        left = head["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=3) - timedelta(minutes=5) < left <= timedelta(days=3)
        with pytest.raises(StoreDenied):
            store.delete(key)
        assert store.size(key) > 0


def test_a_lock_is_extended_and_never_shortened(locking: StoreSettings) -> None:
    store = here(locking)
    store.put(KEY, b"x")
    later = datetime.now(UTC) + timedelta(days=30)
    assert store.keep_until(KEY, later)
    assert not store.keep_until(KEY, later - timedelta(days=10))
    head = store.client.head_object(Bucket=store.bucket, Key=store.whole_key(KEY))
    assert abs(head["ObjectLockRetainUntilDate"] - later) < timedelta(seconds=2)


def test_what_is_replaced_is_not_locked(locking: StoreSettings) -> None:
    store = here(locking)
    for key in ("RECOVERY.md", "lease/prune/00000001.json", "v1/h/journal/reports/x.json"):
        store.put(key, b"first")
        store.put(key, b"second")
        assert store.get(key) == b"second"
        store.delete(key)
        found = store.client.list_object_versions(Bucket=store.bucket, Prefix=store.whole_key(key))
        assert not found.get("Versions") and not found.get("DeleteMarkers"), "no bytes stay behind"


def test_a_bucket_that_cannot_lock_takes_nothing(lab: Lab) -> None:
    plain = sites.bucket(lab.s3, lab.s3.new_bucket("plain"))
    store = S3Store(replace(plain, lock=LOCK))
    with pytest.raises(ConfigurationError, match="cannot lock"):
        store.put(KEY, b"x")
    upload = store.begin_upload(KEY)
    with pytest.raises(ConfigurationError, match="cannot lock"):
        put_part(upload, 1, noise(PART))
    upload.abort()
    assert not list(store.list()) and not store.pending_uploads()


def test_backups_restores_and_prunes_under_a_lock(locking: StoreSettings, tmp_path: Path) -> None:
    tree = tmp_path / "etc"
    tree.mkdir()
    (tree / "hosts").write_text("127.0.0.1\n")
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(tree),))
    settings = replace(locking, prefix=secrets.token_hex(6))
    with sites.site(tmp_path / "site", settings, [source], passphrase=None) as site:
        expect(site.backup())
        out = tmp_path / "out"
        expect(site.restore("etc", Target("directory", str(out))))
        store = site.engine.door.repo().store
        # Old by their names, yet written and locked just now: the store refuses.
        old = [plant(store, timedelta(days=age)) for age in (1, 2, 300, 400)]
        job = expect(site.finish(site.engine.retention.start(PruneRequest())))
        assert [w.code for w in job.warnings].count("prune-locked") == 2
        assert set(old) <= there(store)
        assert len(objects(store, old[3])) == 3, "it stays whole"
        assert job.result is not None
        assert job.result.facts["locked"] == 0, "locks that last are left as they are"


def test_credentials_that_may_write_and_not_delete_are_enough(
    locking: StoreSettings, tmp_path: Path
) -> None:
    """Backup, proof and doctor; only prune is refused, and says so."""
    tree = tmp_path / "etc"
    tree.mkdir()
    (tree / "hosts").write_text("127.0.0.1\n")
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(tree),))
    with fault_proxy(locking.endpoint) as proxy:
        proxy.always(
            lambda request: request.method == "DELETE",
            Fault(status=403, code="AccessDenied"),
        )
        settings = replace(locking, prefix=secrets.token_hex(6), endpoint=proxy.endpoint, lock=None)
        with sites.site(tmp_path / "site", settings, [source], passphrase=None) as site:
            for _ in range(2):
                expect(site.backup())
            expect(site.restore("etc", Target("directory", str(tmp_path / "out"))))
            found = [f for f in site.engine.doctor() if f.check.startswith("store")]
            assert {f.level for f in found} == {"ok"}, found
            assert any("may write and not delete" in f.message for f in found)
            store = site.engine.door.repo().store
            for age in (2, 400, 500):
                plant(store, timedelta(days=age))
            job = site.finish(site.engine.retention.start(PruneRequest()))
            assert job.failure is not None and job.failure.exit_code == 4
            assert len(there(store)) == 5
