"""Prune on real stores: what goes, what stays, and what it refuses to touch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.adapters.local_upload import temporary_name
from engine.core.errors import StoreDenied
from engine.core.pruning import PruneRequest
from engine.core.snapshot import Method, SnapshotId, format_utc
from engine.jobs.lease import Lease
from engine.ports import ObjectStore
from engine.repository.inventory import proof_key
from engine.repository.lease import StoreHolder, StoreLease
from engine.settings import SourceSettings, StoreSettings
from tests import site as sites
from tests.lab import Lab
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab]
DAY = timedelta(days=1)
ALL = PruneRequest()


def plant(
    store: ObjectStore,
    age: timedelta,
    source: str = "etc",
    method: Method = "full",
    *,
    host: str = "landsraad",
    base: SnapshotId | None = None,
    whole: bool = True,
) -> SnapshotId:
    """A snapshot as far as a prune looks: its objects, of that age by their names."""
    at = (datetime.now(UTC) - age).replace(microsecond=0)
    snapshot = SnapshotId(host, source, at, method, os.urandom(4).hex())
    store.put(snapshot.artifact_key("files.tar.zst.gpg"), b"x" * 100)
    if base is not None:
        store.put(snapshot.base_key(base.ref), b"{}\n")
    if whole:
        store.put(snapshot.signature_key, b"signed")
        store.put(snapshot.manifest_key, b"{}")
    return snapshot


def prove(store: ObjectStore, snapshot: SnapshotId) -> str:
    key = proof_key(snapshot, datetime.now(UTC), "verified")
    store.put(key, b"{}")
    return key


def there(store: ObjectStore) -> set[SnapshotId]:
    from engine.repository.inventory import entries

    return {row.id for row in entries(store.list("v1/")) if row.committed}


def objects(store: ObjectStore, snapshot: SnapshotId) -> list[str]:
    return [item.key for item in store.list(snapshot.prefix)]


@pytest.fixture
def site(
    request: pytest.FixtureRequest, lab: Lab, tmp_path: Path
) -> Iterator[tuple[Site, ObjectStore, ObjectStore]]:
    """A site, its store and its local tier."""
    tree = tmp_path / "etc"
    tree.mkdir()
    sources = [
        SourceSettings("etc", "config", HOUR, HOUR, paths=(str(tree),)),
        SourceSettings("logs", "observability", HOUR, HOUR, paths=(str(tree),)),
    ]
    if getattr(request, "param", "directory") == "bucket":
        settings = sites.bucket(lab.s3, lab.s3.new_bucket("prune"))
    else:
        (tmp_path / "bucket").mkdir()
        settings = StoreSettings("directory", path=str(tmp_path / "bucket"))
    with sites.site(tmp_path / "site", settings, sources, local=True, passphrase=None) as made:
        repository = made.engine.door.repo()
        assert repository.local is not None
        yield made, repository.store, repository.local


@pytest.mark.parametrize("site", ["bucket", "directory"], indirect=True)
def test_a_prune_removes_what_the_plan_says(site: tuple[Site, ObjectStore, ObjectStore]) -> None:
    made, store, local = site
    etc = [plant(store, age * DAY) for age in (0, 1, 50, 89, 100, 110, 120)]
    logs = [plant(store, age * DAY, "logs") for age in (0, 1, 29, 31, 40)]
    base = plant(store, 39 * DAY, "logs")
    link = plant(store, 28 * DAY, "logs", "incremental", base=base)
    proofs = [prove(store, etc[5]), prove(store, etc[6])]
    here = [plant(local, age * DAY, "logs") for age in (0, 1, 2, 6, 8)]
    other = plant(store, 400 * DAY, host="mentat")
    plan = made.engine.retention.plan(ALL)
    assert {v.snapshot for v in plan.tiers[0].removed} == {etc[4], etc[6], logs[3], logs[4]}
    assert {v.snapshot for v in plan.tiers[1].removed} == set()
    assert any("the only copy" in v.reasons[0] for v in plan.tiers[1].decision.verdicts)
    for snapshot in here:
        for key in objects(local, snapshot):
            store.put(key, b"copied")
    plan = made.engine.retention.plan(ALL)
    assert {v.snapshot for v in plan.tiers[1].removed} == {here[4]}
    job = expect(made.finish(made.engine.retention.start(ALL)))
    assert job.result is not None and job.result.facts["kept"] == 19
    gone = {etc[4], etc[6], logs[3], logs[4]}
    assert there(store) == ({*etc, *logs, *here, base, link, other} - gone)
    assert there(local) == {*here[:4]}
    for snapshot in gone:
        assert not objects(store, snapshot)
    left = {item.key for item in store.list("v1/landsraad/journal/proofs/")}
    assert left == {proofs[0]}, "a proof goes with its snapshot"
    again = expect(made.finish(made.engine.retention.start(ALL)))
    assert again.result is not None and again.result.facts["removed"] == []


def test_a_listing_that_shrank_stops_everything(
    site: tuple[Site, ObjectStore, ObjectStore],
) -> None:
    made, store, _ = site
    rows = [plant(store, age * DAY) for age in range(6)]
    expect(made.finish(made.engine.retention.start(ALL)))
    old = plant(store, 200 * DAY)
    store.delete(rows[5].manifest_key)
    job = expect(made.finish(made.engine.retention.start(ALL)), "warnings")
    assert old in there(store)
    assert any(rows[5].ref in w.message for w in job.warnings)
    assert made.engine.retention.plan(ALL).tiers[0].decision.refusals
    expect(made.finish(made.engine.retention.start(PruneRequest(despite=("missing",)))))
    assert old not in there(store)
    expect(made.finish(made.engine.retention.start(ALL)))


def test_a_snapshot_of_the_future_stops_its_source(
    site: tuple[Site, ObjectStore, ObjectStore],
) -> None:
    made, store, _ = site
    for age in (0, 1, 2):
        plant(store, age * DAY)
        plant(store, age * DAY, "logs")
    old, old_log = plant(store, 200 * DAY), plant(store, 200 * DAY, "logs")
    future = plant(store, -100 * DAY)
    expect(made.finish(made.engine.retention.start(ALL)), "warnings")
    assert old in there(store) and old_log not in there(store)
    expect(made.finish(made.engine.retention.start(PruneRequest(despite=("clock",)))))
    assert old not in there(store) and future in there(store)


def test_others_at_work_are_left_alone(site: tuple[Site, ObjectStore, ObjectStore]) -> None:
    made, store, _ = site
    for source in ("etc", "logs"):
        for age in (0, 1, 2, 200):
            plant(store, age * DAY, source)
    with Lease.acquire(made.state, "etc", "a-backup", "backup"):
        job = expect(made.finish(made.engine.retention.start(ALL)), "warnings")
    assert [w.code for w in job.warnings] == ["prune-held"]
    assert len([s for s in there(store) if s.source == "etc"]) == 4
    assert len([s for s in there(store) if s.source == "logs"]) == 3
    holder = StoreHolder("mentat", "root", "job-of-mentat", "prune", 1)
    with StoreLease.acquire(store, "prune", holder, lambda: datetime.now(UTC)):
        job = made.finish(made.engine.retention.start(ALL))
    assert job.failure is not None and job.failure.exit_code == 6
    assert "mentat" in job.failure.message


def test_debris_goes_when_it_is_a_day_old(tmp_path: Path) -> None:
    tree = tmp_path / "etc"
    tree.mkdir()
    folder = tmp_path / "bucket"
    folder.mkdir()
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(tree),))
    settings = StoreSettings("directory", path=str(folder))
    with sites.site(tmp_path / "site", settings, [source], passphrase=None) as made:
        store = made.engine.door.repo().store
        kept = [plant(store, age * DAY) for age in (0, 1)]
        old, young = (plant(store, 3 * DAY, whole=False) for _ in range(2))
        elsewhere = plant(store, 3 * DAY, host="mentat", whole=False)
        uploads = [unfinished(folder, kept[0], age) for age in (2 * DAY, DAY / 2)]
        for snapshot in (old, elsewhere):
            age_files(folder / snapshot.prefix, 2 * DAY)
        orphan = prove(store, SnapshotId("landsraad", "etc", old.at, "full", "00000000"))
        age_files(folder / orphan, 2 * DAY)
        job = expect(made.finish(made.engine.retention.start(PruneRequest(all_hosts=True))))
        assert job.result is not None and job.result.facts["debris"] == 3
        assert not objects(store, old) and objects(store, young) and objects(store, elsewhere)
        assert [u.exists() for u in uploads] == [False, True]
        assert there(store) == set(kept) and not (folder / orphan).exists()


def unfinished(folder: Path, snapshot: SnapshotId, age: timedelta) -> Path:
    upload_id = f"{format_utc(datetime.now(UTC) - age)}-{os.urandom(6).hex()}"
    name = temporary_name("dump.sql.zst.gpg", upload_id)
    file = folder / snapshot.prefix / name
    file.write_bytes(b"half")
    return file


def age_files(path: Path, age: timedelta) -> None:
    then = time.time() - age.total_seconds()
    for file in path.rglob("*") if path.is_dir() else [path]:
        os.utime(file, (then, then))


def test_debris_that_has_a_manifest_after_all_is_kept(tmp_path: Path) -> None:
    """A listing may lack a key that is there."""
    from engine.operations.prune import _clear
    from engine.operations.prune_debris import find

    (tmp_path / "b").mkdir()
    settings = StoreSettings("directory", path=str(tmp_path / "b"))
    from engine import wiring

    store = wiring.object_store(settings)
    snapshot = plant(store, 3 * DAY)
    listing = [item for item in store.list("v1/") if item.key != snapshot.manifest_key]
    from engine.repository.inventory import entries

    rows = entries(listing)
    found = find(store, listing, rows, "landsraad", datetime.now(UTC) + 2 * DAY, "v1/")
    assert [d.snapshot for d in found] == [snapshot]

    class Ctx:
        settings = None

        def warn(self, *_: str) -> None: ...

    assert not _clear(Ctx(), store, found[0], {snapshot: [i.key for i in listing]})  # type: ignore[arg-type]
    assert len(objects(store, snapshot)) == 3


def test_credentials_that_may_not_delete_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import wiring
    from engine.operations.prune import _remove

    (tmp_path / "b").mkdir()
    store = wiring.object_store(StoreSettings("directory", path=str(tmp_path / "b")))
    snapshot = plant(store, 3 * DAY)

    class Denied:
        def delete(self, key: str) -> None:
            raise StoreDenied(f"deleting {key}: no")

    class Ctx:
        class settings:  # noqa: N801
            repository = StoreSettings("s3")

    with pytest.raises(StoreDenied):
        _remove(Ctx(), Denied(), snapshot, [])  # type: ignore[arg-type]
    assert len(objects(store, snapshot)) == 3
