"""A database reached by address or by socket, with the client programs of this host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.core.recovery import RestoreRequest, Target
from engine.settings import Secret, SourceSettings
from tests import site as sites
from tests.integration.test_round_trips import SHOP, contents
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab]


@pytest.fixture(params=["address", "socket"])
def server(
    lab: Lab, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Site, DatabaseContainer]]:
    run = tmp_path / "run"
    run.mkdir(mode=0o777)
    run.chmod(0o777)
    with lab.run_mariadb(options=[f"--volume={run}:/run/mysqld"]) as database:
        database.client(SHOP)
        source = SourceSettings(
            "shop-db",
            "database",
            HOUR,
            HOUR,
            engine="mariadb",
            password=Secret(value=database.root_password),
        )
        if request.param == "address":
            source = replace(source, address=database.host_ip)
        else:
            source = replace(source, socket=str(next(run.glob("*.sock"))))
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(tmp_path / "site", store, [source]) as site:
            yield site, database


def test_a_server_on_the_host_comes_back_in_place(
    server: tuple[Site, DatabaseContainer],
) -> None:
    site, database = server
    truth = contents(database)
    expect(site.backup())
    database.sql("DELETE FROM shop.orders")
    database.sql("CREATE TABLE shop.mistake (id INT)")
    plan = site.engine.plan(request())
    assert plan.confirm_name == "shop-db" and "saved as a new snapshot" in plan.destroys[0].what
    job = expect(site.restore("shop-db", Target("in-place"), confirm="shop-db"))
    assert contents(database) == truth
    assert not database.sql("SHOW TABLES FROM shop LIKE 'mistake'")
    assert job.result is not None
    before = str(job.result.facts["before"])
    assert site.engine.find("shop-db", "latest").id.ref == job.request["restore"]["snapshot"], (
        "what was saved before a restore may be the ruin itself: it is never the latest"
    )
    expect(site.restore("shop-db", Target("in-place"), confirm="shop-db", snapshot=before))
    assert database.value("SELECT COUNT(*) FROM shop.orders") == "0"
    assert database.sql("SHOW TABLES FROM shop LIKE 'mistake'")


def test_a_damaged_snapshot_touches_nothing(
    server: tuple[Site, DatabaseContainer],
) -> None:
    site, database = server
    expect(site.backup())
    database.sql("INSERT INTO shop.customers (name) VALUES ('Stilgar')")
    truth = contents(database)
    damage(site)
    job = site.restore("shop-db", Target("in-place"), confirm="shop-db")
    assert job.failure is not None and job.failure.exit_code == 7
    assert contents(database) == truth


def test_a_load_that_fails_brings_back_what_was_live(
    server: tuple[Site, DatabaseContainer],
) -> None:
    site, database = server
    database.sql("CREATE TABLE shop.zipped (id INT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED")
    database.sql("INSERT INTO shop.zipped VALUES (1)")
    expect(site.backup())
    database.sql("DROP TABLE shop.zipped")
    database.sql("INSERT INTO shop.customers (name) VALUES ('Stilgar')")
    truth = contents(database)
    # From here on the server refuses rows of compressed tables: the load fails at its last table.
    database.sql("SET GLOBAL innodb_read_only_compressed = ON")
    job = site.restore("shop-db", Target("in-place"), confirm="shop-db")
    assert job.failure is not None, job.result
    assert {"saved-first", "going-back", "went-back"} <= {w.code for w in job.warnings}
    assert contents(database) == truth


def request() -> RestoreRequest:
    return RestoreRequest("shop-db", "latest", Target("in-place"))


def damage(site: Site) -> None:
    """Flip a bit of the newest dump in the bucket: the proof comes before any change."""
    snapshot = site.engine.find("shop-db", "latest").id
    store = site.engine.door.repo().store
    key = snapshot.artifact_key("dump.sql.zst.gpg")
    content = bytearray(store.get(key))
    content[len(content) // 2] ^= 1
    store.put(key, bytes(content))
