"""What is missing or damaged in one store is read from another, and said."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine import settings_file
from engine.api import Engine, Job, RestoreRequest, SnapshotId, events
from engine.core.errors import DamageError, ManifestAltered, UsageError
from engine.core.recovery import Target
from engine.ports import ObjectStore
from tests.lab import Lab
from tests.replica_site import FILES, Pair, pair
from tests.site import expect

pytestmark = [pytest.mark.lab]


@pytest.fixture(scope="module")
def whole(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One backup in the primary and in the replica; each test takes another snapshot to break."""
    with pair(lab, tmp_path_factory.mktemp("pair")) as made:
        yield made


def fresh(made: Pair) -> SnapshotId:
    """A new snapshot that is in both stores."""
    expect(made.site.backup("conf"))
    expect(made.replicate())
    return made.site.engine.find("conf", "latest").id


@pytest.fixture(scope="module")
def snapshot(whole: Pair) -> SnapshotId:
    return fresh(whole)


@contextlib.contextmanager
def broken(made: Pair, store: ObjectStore, key: str, how: str) -> Iterator[None]:
    """The object is gone or damaged in this store until the block ends."""
    body = store.get(key)
    if how == "gone":
        store.delete(key)
    else:
        made.spoil(store, key)
    try:
        yield
    finally:
        store.put(key, body)


def restore(made: Pair, snapshot: SnapshotId, target: Path) -> Job:
    return made.site.restore("conf", Target("directory", str(target)), snapshot=snapshot.ref)


def told(job: Job) -> list[str]:
    return [w.message for w in job.warnings if w.code == "store-fallback"]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (FILES, "gone"),
        (FILES, "damaged"),
        ("manifest.json", "gone"),
        ("manifest.json", "damaged"),
        ("manifest.json.sig", "damaged"),
    ],
)
def test_a_restore_takes_it_from_the_replica_and_says_so(
    whole: Pair, snapshot: SnapshotId, tmp_path: Path, name: str, how: str
) -> None:
    with broken(whole, whole.primary, snapshot.artifact_key(name), how):
        request = RestoreRequest("conf", snapshot.ref, Target("directory", str(tmp_path / "plan")))
        plan = whole.site.engine.plan(request)
        assert not plan.blockers
        if (name, how) != (FILES, "damaged"):  # damage inside an artifact shows when it is read
            assert any(whole.primary.name in line for line in plan.warnings), plan.warnings
        job = expect(restore(whole, snapshot, tmp_path / "out"), "warnings")
        detail = whole.site.engine.detail(snapshot)
    assert whole.restored(tmp_path / "out") == ""
    assert len(told(job)) == 1 and whole.primary.name in told(job)[0]
    assert job.result is not None and told(job)[0] in job.result.summary
    assert job.result.facts["fallbacks"] == told(job) and job.exit_code == 8
    assert detail.signature.good and detail.manifest.id == snapshot


def test_nothing_is_restored_when_no_store_has_it_whole(
    whole: Pair, snapshot: SnapshotId, tmp_path: Path
) -> None:
    def everywhere(key: str, how: str) -> contextlib.ExitStack:
        stack = contextlib.ExitStack()
        for store in (whole.primary, whole.replica):
            stack.enter_context(broken(whole, store, key, how))
        return stack

    with everywhere(snapshot.artifact_key(FILES), "damaged"):
        job = expect(restore(whole, snapshot, tmp_path / "out"), "failed")
    assert job.exit_code == DamageError.exit_code and not (tmp_path / "out").exists()
    repository = whole.site.engine.door.repo()
    with (
        everywhere(snapshot.manifest_key, "damaged"),
        pytest.raises((DamageError, ManifestAltered)),
    ):
        repository.trusted(snapshot)
    with (
        everywhere(snapshot.manifest_key, "gone"),
        pytest.raises(UsageError, match="there is no snapshot"),
    ):
        whole.site.engine.detail(snapshot)


def test_each_range_comes_from_whichever_store_has_it(lab: Lab, tmp_path: Path) -> None:
    """Both copies damaged, at different places."""
    with pair(lab, tmp_path, size=24 << 20) as made:
        snapshot = fresh(made)
        made.spoil(made.primary, snapshot.artifact_key(FILES), 1 << 20)
        made.spoil(made.replica, snapshot.artifact_key(FILES), 20 << 20)
        job = expect(restore(made, snapshot, tmp_path / "out"), "warnings")
        assert made.restored(tmp_path / "out") == "" and told(job)


def test_the_local_tier_serves_a_manifest_that_is_damaged_in_the_bucket(
    lab: Lab, tmp_path: Path
) -> None:
    with pair(lab, tmp_path, local=True) as made:
        expect(made.site.backup("conf"))
        snapshot = made.site.engine.find("conf", "latest").id
        made.spoil(made.primary, snapshot.manifest_key)
        job = expect(restore(made, snapshot, tmp_path / "out"), "warnings")
        assert made.restored(tmp_path / "out") == ""
        assert made.primary.name in told(job)[0]


def test_the_primary_bucket_is_destroyed_in_the_middle_of_a_restore(
    lab: Lab, tmp_path: Path, full: bool
) -> None:
    with pair(lab, tmp_path, size=(1 << 30) if full else (128 << 20)) as made:
        snapshot = fresh(made)
        engine = made.site.engine
        request = RestoreRequest("conf", snapshot.ref, Target("directory", str(tmp_path / "out")))
        job_id = engine.start_restore(request)
        until = time.monotonic() + 60
        while not any(
            isinstance(r.event, events.PhaseStarted) and r.event.phase == "unpack conf"
            for r in engine.records(job_id)[0]
        ):
            assert time.monotonic() < until
            time.sleep(0.005)
        made.primary.delete(snapshot.artifact_key(FILES))
        made.destroy(made.primary_settings)
        job = expect(made.site.finish(job_id), "warnings")
        assert made.restored(tmp_path / "out") == ""
        assert any(made.primary.name in line for line in told(job)), told(job)
        assert job.result is not None and job.result.facts["fallbacks"]

        # From here on the primary is gone, or empty, since this server makes buckets when they
        # are written to: everything still opens, from the replica.
        assert [row.id for row in engine.snapshots()] == [snapshot]
        assert made.replica.name in engine.replicas.elsewhere()
        assert engine.detail(snapshot).signature.good
        posture = engine.posture()
        assert posture.store.read_from == made.replica.name
        assert posture.sources[0].recoverable_to == snapshot.at
        expect(restore(made, snapshot, tmp_path / "again"), "warnings")
        assert made.restored(tmp_path / "again") == ""


def test_a_host_that_never_saw_the_primary_restores_from_the_replica(
    whole: Pair, snapshot: SnapshotId, tmp_path: Path
) -> None:
    """The endpoint does not answer at all, and nothing is kept on this host's disk."""
    settings = whole.site.engine.settings
    away = replace(settings.repository, endpoint="http://127.0.0.1:9", bucket="nowhere")
    elsewhere = replace(settings, repository=away, file=tmp_path / "config.toml")
    settings_file.save(elsewhere)
    engine = Engine.open(elsewhere.file)
    assert snapshot in [row.id for row in engine.snapshots()]
    made = replace(whole, site=replace(whole.site, engine=engine))
    job = expect(restore(made, snapshot, tmp_path / "out"), "warnings")
    assert made.restored(tmp_path / "out") == ""
    assert "nowhere" in told(job)[0]
