"""A logical snapshot loaded by several connections, all of it or a part; settings put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from engine.api import Job, RestoreRequest
from engine.core.recovery import Target
from tests.integration.test_round_trips import contents, database_site
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import Site, expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("partial")]
MORE = """
CREATE DATABASE ledger;
CREATE TABLE ledger.entries (id INT PRIMARY KEY AUTO_INCREMENT, amount DECIMAL(12,2), note TEXT);
INSERT INTO ledger.entries (amount, note) VALUES (1.5, 'a;\\n-- b'), (2.5, 'USE `shop`;');
CREATE TABLE shop.bulk (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(900), day INT, KEY (day));
INSERT INTO shop.bulk (note, day) VALUES (REPEAT('x;', 300), 1), (REPEAT('\\n);', 200), 2);
"""
DOUBLE = "INSERT INTO shop.bulk (note, day) SELECT CONCAT(id, note), day + 2 FROM shop.bulk"
SETTINGS = (
    "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.max_allowed_packet, "
    "@@GLOBAL.event_scheduler, @@GLOBAL.sync_binlog, @@GLOBAL.innodb_buffer_pool_size"
)


@dataclass(frozen=True)
class Made:
    site: Site
    database: DatabaseContainer
    sums: list[tuple[str, ...]]


def checksums(database: DatabaseContainer) -> list[tuple[str, ...]]:
    return database.sql("CHECKSUM TABLE shop.bulk, shop.orders, shop.customers, ledger.entries")


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def made(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Made]:
    root = tmp_path_factory.mktemp(request.param)
    with database_site(lab, root, request.param) as (site, database):
        database.client(MORE)
        for _ in range(12):
            database.sql(DOUBLE)
        expect(site.backup())
        yield Made(site, database, checksums(database))


def restore(made: Made, name: str, **parts: object) -> Job:
    request = RestoreRequest("shop-db", "latest", Target("container", name=name), **parts)  # type: ignore[arg-type]
    return made.site.finish(made.site.engine.start_restore(request, made.site.passphrase))


def drop(lab: Lab, job: Job) -> None:
    assert job.result is not None
    lab.docker("rm", "-f", str(job.result.facts["target"]))
    lab.docker("volume", "rm", str(job.result.facts["volume"]))


def test_all_of_it_by_several_connections(made: Made, lab: Lab) -> None:
    job = expect(restore(made, f"whole-{made.database.kind}"))
    try:
        fresh = replace(made.database, name=f"whole-{made.database.kind}")
        assert checksums(fresh) == made.sums
        assert contents(fresh) == contents(made.database)
        assert fresh.sql(SETTINGS) == made.database.sql(SETTINGS), "all settings are put back"
        if fresh.kind == "mysql":
            assert fresh.sql("SHOW STATUS LIKE 'Innodb_redo_log_enabled'")[0][1] == "ON"
    finally:
        drop(lab, job)


def test_one_schema_and_one_table_alone(made: Made, lab: Lab) -> None:
    name = f"part-{made.database.kind}"
    job = expect(restore(made, name, schemas=("ledger",), tables=(("shop", "orders"),)))
    try:
        fresh = replace(made.database, name=name)
        assert fresh.sql("CHECKSUM TABLE ledger.entries") == made.sums[3:]
        assert fresh.sql("SHOW TABLES FROM shop") == [("orders",)]
        assert fresh.sql("CHECKSUM TABLE shop.orders") == made.sums[1:2]
        assert [row[0] for row in fresh.sql("SHOW TRIGGERS FROM shop")] == ["stamp"]
        assert job.result is not None and job.result.facts["tables"] == 2
    finally:
        drop(lab, job)


def test_one_table_as_text(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "out"
    request = RestoreRequest(
        "shop-db", "latest", Target("directory", str(out)), tables=(("ledger", "entries"),)
    )
    plan = made.site.engine.plan(request)
    assert plan.title.startswith("ledger.entries of shop-db")
    assert "--table ledger.entries" in plan.command
    expect(made.site.finish(made.site.engine.start_restore(request, made.site.passphrase)))
    text = (out / "dump.sql").read_text()
    assert "INSERT INTO `entries`" in text and "`orders`" not in text
    made.database.sql("CREATE DATABASE elsewhere")
    try:
        made.database.client(text.replace("`ledger`", "`elsewhere`"), "--binary-mode")
        assert made.database.value("SELECT COUNT(*) FROM elsewhere.entries") == "2"
    finally:
        made.database.sql("DROP DATABASE elsewhere")


def test_what_is_not_there_is_named(made: Made, tmp_path: Path) -> None:
    target = Target("directory", str(tmp_path / "out"))
    for parts, name, code in (
        ({"schemas": ("nowhere",)}, "nowhere", 2),
        ({"tables": (("shop", "nothing"),)}, "shop.nothing", 1),
    ):
        request = RestoreRequest("shop-db", "latest", target, **parts)  # type: ignore[arg-type]
        job = made.site.finish(made.site.engine.start_restore(request, made.site.passphrase))
        assert job.failure is not None and name in job.failure.message
        assert job.failure.exit_code == code
    assert not (tmp_path / "out").exists()


def test_a_part_is_not_switched_in(made: Made) -> None:
    request = RestoreRequest(
        "shop-db", "latest", Target("in-place"), confirm=made.database.name, schemas=("shop",)
    )
    plan = made.site.engine.plan(request)
    assert any("--to container" in line for line in plan.blockers)
    job = made.site.finish(made.site.engine.start_restore(request, made.site.passphrase))
    assert job.failure is not None and "--to container" in job.failure.remedy
    assert asdict(plan.request)["schemas"] == ("shop",)
