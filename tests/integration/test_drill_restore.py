"""Restore tests and drills of a whole host, by real jobs: a database, a volume, configuration."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.api import Engine
from engine.core.snapshot import Manifest
from engine.operations import reports
from engine.settings import Assertion, Secret, SourceSettings
from tests import damage
from tests import site as sites
from tests.damage import named, run_verify
from tests.lab import Lab
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("drill")]
DUMP = "dump.sql.zst.gpg"


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("drill")
    damage.tree_of(root / "etc")
    volume = lab.new_volume()
    damage.tree_of(lab.volume_path(volume))
    with lab.run_mariadb() as database:
        database.client(
            "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, note TEXT);"
            "INSERT INTO orders VALUES (1, 'spice'), (2, 'water'), (3, 'worm');"
            "CREATE TABLE stock (id INT PRIMARY KEY); INSERT INTO stock VALUES (7);"
        )
        sources = [
            SourceSettings(
                "db",
                "database",
                HOUR,
                HOUR,
                engine="mariadb",
                container=database.name,
                password=Secret(value=database.root_password),
                assertions=(
                    Assertion("SELECT COUNT(*) FROM shop.orders", ">= 3"),
                    Assertion("SELECT note FROM shop.orders WHERE id = 3", "worm"),
                ),
            ),
            SourceSettings("etc", "config", HOUR, HOUR, paths=(str(root / "etc"),)),
            SourceSettings("uploads", "volume", HOUR, HOUR, volume=volume),
        ]
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(
            root / "site", store, sources, docker=lab.docker_host, passphrase=None, local=True
        ) as made:
            expect(made.backup())
            yield made


def leftovers(lab: Lab) -> list[str]:
    asked = ("--filter", "label=mentat-dr.test")
    containers = lab.docker("ps", "-aq", *asked).split()
    return containers + lab.docker("volume", "ls", "-q", *asked).split()


def test_a_restore_test_proves_each_source_and_leaves_nothing(site: Site, lab: Lab) -> None:
    job = site.finish(site.engine.proofs.start_verify("restore"))
    report = site.engine.proofs.report(job.id)
    assert report.failed == 0, damage.said(report)
    assert job.exit_code == (8 if report.warnings else 0), job
    names = {check.name for check in report.of("db") if check.outcome == "passed"}
    assert names >= {"table-rows", "check-table", "crud", "assertion-1", "assertion-2", "restored"}
    assert {rto.source for rto in report.rto} == {"db", "etc", "uploads"}
    assert report.store == site.engine.settings.repository.shown
    assert all(row.proven_at for row in site.engine.snapshots())
    assert leftovers(lab) == []
    assert not list((site.state / "restore-test").rglob("file-*"))


def test_a_full_drill_needs_the_bucket_and_the_key_alone(site: Site, lab: Lab) -> None:
    local = site.root / "local"
    local.rename(site.root / "away")
    try:
        job = site.finish(site.engine.proofs.start_drill("full"))
    finally:
        (site.root / "away").rename(local)
    report = site.engine.proofs.report(job.id)
    assert report.kind == "drill-full" and report.failed == 0, damage.said(report)
    assert report.whole is not None and report.whole.met
    assert report.whole.seconds >= sum(rto.seconds for rto in report.rto if rto.source) * 0.99
    assert named(report, "whole", "passed")
    assert leftovers(lab) == []
    assert not list(Path("/tmp").glob(f".mentat-dr-restore-{job.id}*")), "no key is left behind"
    posture = site.engine.posture()
    found = site.engine.proofs.forecast(posture)
    assert found["db"].seconds and found[""].seconds and found[""].met
    assert all(source.rto_forecast for source in posture.sources)
    kept = reports.fetch(damage.context(site).repository.store, "landsraad")
    assert report.id in {one.id for one in kept}, "the bucket keeps it too"


def manifest_of(site: Site) -> Manifest:
    repository = damage.context(site).repository
    return repository.trusted(site.engine.find("db", "latest").id)


def test_a_dump_that_lost_rows_a_table_or_its_end_is_found(site: Site) -> None:
    ctx, manifest = damage.context(site), manifest_of(site)
    whole = damage.plain(ctx, manifest.id, DUMP)
    row = whole.replace(b",\n(3,'worm')", b"").replace(b",(3,'worm')", b"")
    assert row != whole
    with damage.forged(ctx, manifest, {DUMP: row}):
        assert "2 rows instead of 3" in named(run_verify(site, "restore"), "restored").message
    start = whole.index(b"DROP TABLE IF EXISTS `stock`")
    table = whole[:start] + whole[whole.index(b"UNLOCK TABLES", start) :]
    with damage.forged(ctx, manifest, {DUMP: table}):
        assert "stock is missing" in named(run_verify(site, "restore"), "restored").message
    with damage.forged(ctx, manifest, {DUMP: whole[: whole.rindex(b"-- Dump completed")]}):
        check = named(run_verify(site), "stored-bytes")
        assert "completion marker" in check.message
    with damage.forged(ctx, manifest, {DUMP: b""}):
        named(run_verify(site), "size" if manifest.raw_bytes < 100 else "stored-bytes")


def test_an_assertion_that_does_not_hold_fails_the_test(site: Site) -> None:
    kept = site.engine
    wrong = replace(kept.settings.sources[0], assertions=(Assertion("SELECT 1", "2"),))
    site.engine = Engine(replace(kept.settings, sources=(wrong,)))
    try:
        report = run_verify(site, "restore")
    finally:
        site.engine = kept
    assert named(report, "assertion-1").message == "SELECT 1 is 1, expected 2"
    assert not [c for c in report.checks if c.name == "restored"], "it is no proof"


def test_what_a_killed_test_leaves_is_removed_by_the_next(site: Site, lab: Lab) -> None:
    stranger = lab.new_volume()
    job_id = site.engine.proofs.start_verify("restore", ["db"])
    until = time.monotonic() + 120
    while not leftovers(lab):
        assert time.monotonic() < until
        time.sleep(0.05)
    pid = site.engine.job(job_id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    site.finish(job_id)
    assert leftovers(lab), "it was killed in the middle"
    site.finish(site.engine.proofs.start_verify("restore", ["etc"]))
    assert leftovers(lab) == []
    assert stranger in lab.docker("volume", "ls", "-q").split()
