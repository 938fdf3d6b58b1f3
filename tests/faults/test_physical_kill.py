"""A job that dies while a server is cloned, or made fast for a load: the next one puts it right."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.api import RestoreRequest
from engine.core.recovery import Target
from engine.settings import Secret, SourceSettings, StoreSettings
from tests import site as sites
from tests.integration.test_round_trips import SHOP, contents, database_site
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("physical")]
BULK = """
CREATE TABLE shop.bulk (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(900));
INSERT INTO shop.bulk (note) VALUES (REPEAT('x', 800)), (REPEAT('y', 800));
"""


def fill(database: DatabaseContainer, doublings: int) -> None:
    database.client(BULK)
    for _ in range(doublings):
        database.sql("INSERT INTO shop.bulk (note) SELECT SUBSTR(CONCAT(id, note), 1, 850) FROM "
                     "shop.bulk")  # fmt: skip


def kill_in(site: Site, job_id: str, true: Callable[[], bool]) -> None:
    """kill -9 as soon as it is true; AssertionError when the job ends before."""
    until = time.monotonic() + 120
    while not true():
        job = site.engine.job(job_id)
        assert not job.final and time.monotonic() < until, (job.state, job.failure)
        time.sleep(0.01)
    pid = site.engine.job(job_id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert site.finish(job_id, 60).state == "interrupted"


def phase_is(site: Site, job_id: str, name: str) -> Callable[[], bool]:
    def true() -> bool:
        phase = site.engine.job(job_id).phase
        return phase is not None and phase.name == name

    return true


def clones(database: DatabaseContainer) -> list[str]:
    listed = database.exec("ls", "-A", "/var/lib/mysql-files").split()
    return [name for name in listed if name.startswith("mentat-dr-clone-")]


def plugin(database: DatabaseContainer) -> list[tuple[str, ...]]:
    return database.sql(
        "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_NAME='clone'"
    )


@pytest.fixture(scope="module")
def cloned(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, DatabaseContainer]]:
    with database_site(lab, tmp_path_factory.mktemp("clone"), "mysql") as (site, database):
        fill(database, 14)
        yield site, database


@pytest.mark.parametrize("phase", ["copy", pytest.param("stream", marks=pytest.mark.full)])
def test_a_clone_is_removed_after_a_kill(
    cloned: tuple[Site, DatabaseContainer], phase: str
) -> None:
    site, database = cloned
    job_id = site.engine.start_backup(method="physical")
    begun = phase_is(site, job_id, f"{phase} shop-db")
    kill_in(site, job_id, lambda: begun() and bool(clones(database)))
    assert clones(database) and plugin(database)
    job = expect(site.finish(site.engine.start_backup(method="physical")))
    assert any("left by the dead job" in w.message for w in job.warnings)
    assert clones(database) == [] and plugin(database) == []
    assert not list((site.state / "debris").glob("*"))
    rows = site.engine.snapshots()
    assert [row.id.ref for row in rows] == [
        *(job.result.facts["snapshots"] if job.result else ()),
        *(row.id.ref for row in rows[1:]),
    ]


def test_a_clone_is_removed_after_a_cancel(cloned: tuple[Site, DatabaseContainer]) -> None:
    site, database = cloned
    job_id = site.engine.start_backup(method="physical")
    begun = phase_is(site, job_id, "copy shop-db")
    while not (begun() and clones(database)):
        assert not site.engine.job(job_id).final
        time.sleep(0.01)
    site.engine.cancel(job_id)
    assert site.finish(job_id, 120).state == "cancelled"
    assert clones(database) == [] and plugin(database) == []
    assert not list((site.state / "debris").glob("*"))


def test_settings_of_a_server_that_others_use_are_put_back(lab: Lab, tmp_path: Path) -> None:
    """A server reached by address is loaded in place: its events stop meanwhile."""
    (tmp_path / "store").mkdir()
    with lab.run_mariadb() as database:
        database.client(SHOP)
        fill(database, 13)
        source = SourceSettings(
            "shop-db",
            "database",
            HOUR,
            HOUR,
            engine="mariadb",
            address=database.host_ip,
            password=Secret(value=database.root_password),
        )
        store = StoreSettings("directory", path=str(tmp_path / "store"))
        with sites.site(tmp_path / "site", store, [source]) as site:
            expect(site.backup())
            truth = contents(database)
            database.sql("SET GLOBAL event_scheduler = ON")
            before = settings(database)
            request = RestoreRequest("shop-db", "latest", Target("in-place"), confirm="shop-db")
            job_id = site.engine.start_restore(request, site.passphrase)
            begun = phase_is(site, job_id, "load shop-db")
            kill_in(site, job_id, lambda: begun() and settings(database) != before)
            saved = next(row for row in site.engine.snapshots() if row.aside)
            job = site.restore(
                "shop-db", Target("in-place"), snapshot=saved.id.ref, confirm="shop-db"
            )
            assert job.state in ("done", "warnings"), job.failure
            assert settings(database) == before
            assert contents(database) == truth


def settings(database: DatabaseContainer) -> list[tuple[str, ...]]:
    return database.sql(
        "SELECT @@GLOBAL.event_scheduler, @@GLOBAL.max_allowed_packet, "
        "@@GLOBAL.innodb_flush_log_at_trx_commit"
    )
