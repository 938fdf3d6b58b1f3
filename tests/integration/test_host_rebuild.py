"""The first scenario: a whole host is lost, and comes back from the bucket and the key alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.api import Job
from engine.core.errors import UsageError
from engine.core.events import PhaseStarted
from engine.core.host_rebuild import RebuildRequest
from engine.operations.host_progress import load
from engine.settings import Secret, SourceSettings, StoreSettings
from tests import site as sites
from tests.integration.host_shop import Shop, Writer, open_shop
from tests.integration.test_round_trips import same_tree
from tests.lab import Lab
from tests.site import HOUR, PASSPHRASE, Site, expect

pytestmark = [pytest.mark.lab]
KINDS = ("network", "volume", "config", "data", "database", "container", "health")


@contextmanager
def lost_host(
    lab: Lab, root: Path, *, with_database: bool
) -> Iterator[tuple[Shop, StoreSettings, Path, list[tuple[str, ...]]]]:
    """A shop, backed up under load and destroyed; its uploads and its rows as they were."""
    shop = open_shop(lab, root, with_database=with_database)
    tag = shop.tag
    sources = [
        SourceSettings(f"uploads-{tag}", "volume", HOUR, HOUR, volume=shop.uploads),
        SourceSettings(f"conf-{tag}", "config", HOUR, HOUR, paths=(str(shop.conf),)),
    ]
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    rows: list[tuple[str, ...]] = []
    try:
        if shop.database is not None:
            database = SourceSettings(
                f"orders-{tag}",
                "database",
                HOUR,
                HOUR,
                engine="mysql",
                container=shop.database.name,
                binlogs={"every": "60s"},
                password=Secret(value=shop.database.root_password),
            )
            sources.insert(0, database)
        with sites.site(root / "old", store, sources, docker=lab.docker_host) as site:
            if shop.database is not None:
                with Writer(shop.database):
                    expect(site.backup())
                expect(site.finish(site.engine.binlogs.start_ship([f"orders-{tag}"])))
                rows = shop.orders()
            else:
                expect(site.backup())
        truth = root / "truth"
        truth.mkdir()
        folder = lab.volume_path(shop.uploads)
        subprocess.run(["rsync", "-aHAX", f"{folder}/", f"{truth}/uploads/"], check=True)
        subprocess.run(["rsync", "-aHAX", f"{shop.conf}/", f"{truth}/conf/"], check=True)
        shop.destroy()
        shutil.rmtree(root / "old")
        yield shop, store, truth, rows
    finally:
        shop.destroy()


def parts_of(shop: Shop, **given: object) -> RebuildRequest:
    """The lab's engine is shared, so that only what carries this shop's tag is asked for."""
    asked = RebuildRequest("landsraad", only=("image:mentat-lab/*", f"*{shop.tag}*"))
    return replace(asked, confirm="landsraad", **given)


def test_a_host_is_rebuilt_from_bucket_and_key_and_serves_again(lab: Lab, tmp_path: Path) -> None:
    with lost_host(lab, tmp_path, with_database=True) as (shop, store, truth, rows):
        with sites.site(tmp_path / "new", store, [], docker=lab.docker_host, host="bare") as site:
            plan = site.engine.hosts.plan(parts_of(shop), PASSPHRASE)
            assert plan.blockers == () and not plan.already
            kinds = [part.kind for part in plan.parts if part.kind != "image"]
            assert "then its binary logs" in next(p for p in plan.parts if p.ref and p.until).title
            assert kinds == [
                *("network", "volume", "volume", "config", "data", "database"),
                *("container",) * 3,
                *("health",) * 3,
            ]
            job = expect(site.finish(site.engine.hosts.start_rebuild(plan.request, PASSPHRASE)))
            assert job.result is not None and job.result.facts["seconds"] < 7200
            assert site.engine.kept() == (), "nothing was there before"
            report = list((site.state / "restored").rglob("BY-HAND.md"))
            assert report and oct(report[0].stat().st_mode & 0o777) == "0o600"
        assert same_tree(truth / "conf", shop.conf) == ""
        assert same_tree(truth / "uploads", lab.volume_path(shop.uploads)) == ""
        assert shop.database is not None
        shop.database.wait_ready()
        back = shop.orders()
        assert len(back) > 300 and back == rows, "all that was shipped, after the snapshot too"
        assert shop.wait_page("/orders") == str(len(back)).encode()
        assert shop.page("/cat.txt") == b"a cat\n" * 1000
        grants = shop.database.sql("SHOW GRANTS FOR 'shop'@'%'")
        assert any("INSERT" in grant for (grant,) in grants)


def started(site: Site, job_id: str, phase: str) -> Job:
    """The job, once it has begun this phase or ended."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        job = site.engine.job(job_id)
        told = site.engine.records(job_id)[0]
        began = any(isinstance(r.event, PhaseStarted) and r.event.phase == phase for r in told)
        if began or job.final:
            return job
        time.sleep(0.01)
    raise AssertionError(f"{phase} never began")


def test_a_rebuild_killed_at_each_part_goes_on_where_it_was(
    lab: Lab, tmp_path: Path, full: bool
) -> None:
    with lost_host(lab, tmp_path, with_database=full) as (shop, store, truth, _rows):
        with sites.site(tmp_path / "new", store, [], docker=lab.docker_host, host="bare") as site:
            asked = parts_of(shop)
            plan = site.engine.hosts.plan(asked, PASSPHRASE)
            killed = 0
            for part in plan.parts:
                if part.kind not in (KINDS if full else ("network", "data", "container")):
                    continue
                job = started(site, site.engine.hosts.start_rebuild(asked, PASSPHRASE), part.id)
                if not job.final and job.pid:
                    os.kill(job.pid, signal.SIGKILL)
                    killed += 1
                ended = site.finish(job.id)
                assert ended.state in ("interrupted", "done"), ended.failure
                if ended.state == "done":
                    break
                done = load(site.state, plan.host_set.id)
                assert done is not None and part.id not in done.done
            else:
                expect(site.finish(site.engine.hosts.start_rebuild(asked, PASSPHRASE)))
            assert killed >= (6 if full else 3)
            again = site.engine.hosts.plan(asked, PASSPHRASE)
            assert not again.done and f"container:app-{shop.tag}" in again.already
        assert same_tree(truth / "uploads", lab.volume_path(shop.uploads)) == ""
        assert same_tree(truth / "conf", shop.conf) == ""
        assert shop.wait_page("/cat.txt") == b"a cat\n" * 1000
        left = lab.docker("volume", "ls", "--quiet", "--filter", f"name={shop.tag}").split()
        assert not [name for name in left if "_before_" in name]


def test_what_is_in_the_way_is_said_before_anything_is_made(lab: Lab, tmp_path: Path) -> None:
    with lost_host(lab, tmp_path, with_database=False) as (shop, store, _truth, _rows):
        with sites.site(tmp_path / "new", store, [], docker=lab.docker_host, host="bare") as site:
            with pytest.raises(UsageError, match="must be given"):
                site.engine.hosts.start_rebuild(replace(parts_of(shop), confirm=""), PASSPHRASE)
            with pytest.raises(UsageError, match="no part"):
                site.engine.hosts.plan(replace(parts_of(shop), only=("nothing",)), PASSPHRASE)
            lab.new_volume(f"mark-{shop.tag}")
            blocked = lab.run_app(
                *("python3", "-m", "http.server", str(shop.port)),
                options=["--network=host"],
                name=f"proxy-in-the-way-{shop.tag}",
            )
            try:
                time.sleep(1)
                plan = site.engine.hosts.plan(parts_of(shop), PASSPHRASE)
                assert any(f"port {shop.port}" in said for said in plan.blockers)
                with pytest.raises(UsageError, match="in use"):
                    site.engine.hosts.start_rebuild(parts_of(shop), PASSPHRASE)
            finally:
                blocked.close()
            assert not lab.docker.exists("network", f"net-{shop.tag}")
        nowhere = f"unix://{tmp_path}/none.sock"
        with sites.site(tmp_path / "nodocker", store, [], docker=nowhere, host="bare") as site:
            plan = site.engine.hosts.plan(parts_of(shop), PASSPHRASE)
            assert any("Docker is not there" in said for said in plan.blockers)


def test_parts_can_be_left_out_and_the_command_line_shows_the_plan(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.cli.main import run

    with lost_host(lab, tmp_path, with_database=False) as (shop, store, truth, _rows):
        with sites.site(tmp_path / "new", store, [], docker=lab.docker_host, host="bare") as site:
            secret = tmp_path / "pass"
            secret.write_text(PASSPHRASE)
            secret.chmod(0o600)
            restore = ["restore", "--host", "landsraad", "--config", str(site.config)]
            restore += ["--passphrase-file", str(secret), "--only", f"*{shop.tag}*"]
            restore += ["--without", "container:*", "--without", "health:*"]
            assert run([*restore, "--plan"]) == 0
            shown = capsys.readouterr().out
            assert f"make network net-{shop.tag}" in shown and "left out: container:" in shown
            assert run(restore) == 2
            assert not lab.docker.exists("volume", shop.uploads)
            assert run([*restore, "--confirm", "landsraad"]) == 0
        assert same_tree(truth / "uploads", lab.volume_path(shop.uploads)) == ""
        assert not lab.docker.exists("container", f"app-{shop.tag}")
