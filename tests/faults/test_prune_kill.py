"""kill -9 of a prune at random moments: nothing that should be kept is lost, and the next prune
takes over and ends the work."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.core.pruning import PruneRequest
from engine.core.snapshot import SnapshotId
from engine.ports import ObjectStore
from engine.settings import SourceSettings
from tests import site as sites
from tests.integration.test_prune import plant, there
from tests.lab import Lab
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("prune-kill")]
DAY = timedelta(days=1)
OLD = 24  # snapshots to be removed in each turn


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[tuple[Site, ObjectStore]]:
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=("/etc/apt",))
    store = sites.bucket(lab.s3, lab.s3.new_bucket("prune"))
    with sites.site(tmp_path / "site", store, [source], passphrase=None) as made:
        yield made, made.engine.door.repo().store


def strike(site: Site, dice: random.Random, length: float) -> bool:
    """Start a prune and kill it at some moment of its work; whether it was hit."""
    job_id = site.engine.retention.start(PruneRequest())
    while not (job := site.engine.job(job_id)).phases:
        assert not job.final, job.failure
        time.sleep(0.005)
    time.sleep(dice.uniform(0, length))
    hit = False
    if job.pid and Path(f"/proc/{job.pid}").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(job.pid, signal.SIGKILL)
            hit = True
    return site.finish(job_id, 120).state == "interrupted" and hit


def check(store: ObjectStore, kept: dict[SnapshotId, set[str]]) -> None:
    keys = {item.key for item in store.list("v1/")}
    for snapshot, names in kept.items():
        assert names <= keys, f"{snapshot.ref} is not whole any more"


def test_no_kill_costs_a_snapshot(site: tuple[Site, ObjectStore], full: bool) -> None:
    made, store = site
    kept: dict[SnapshotId, set[str]] = {}
    base = plant(store, 95 * DAY)
    for snapshot in (
        *(plant(store, age * DAY) for age in (0, 10, 60)),
        base,
        plant(store, 80 * DAY, method="incremental", base=base),
    ):
        kept[snapshot] = {item.key for item in store.list(snapshot.prefix)}
    dice = random.Random(20261123)
    began = time.monotonic()
    plant_old(store, dice)
    expect(made.finish(made.engine.retention.start(PruneRequest())))
    length = min(2.0, time.monotonic() - began)
    hits = 0
    turns = 50 if full else 8
    for _ in range(turns):
        plant_old(store, dice)
        hits += strike(made, dice, length)
        check(store, kept)
        for snapshot in there(store):  # what is left of the old ones is whole or does not exist
            assert len(list(store.list(snapshot.prefix))) >= 3
            if snapshot.method == "incremental":
                assert snapshot in kept or any(
                    item.key.endswith(s.ref)
                    for item in store.list(snapshot.prefix)
                    for s in there(store)
                ), "an incremental without its base"
    assert hits >= turns // 3, "most strikes came too late to prove anything"
    expect(made.finish(made.engine.retention.start(PruneRequest())))
    assert there(store) == set(kept)
    check(store, kept)


def plant_old(store: ObjectStore, dice: random.Random) -> None:
    for _ in range(OLD // 2):
        age = dice.uniform(100, 300) * DAY
        base = plant(store, age)
        plant(store, age - DAY / 2, method="incremental", base=base)
