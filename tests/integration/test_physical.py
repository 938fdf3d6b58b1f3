"""Physical snapshots on real servers: made, proven, switched in, refused, and restored by hand."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine import settings_file
from engine.adapters.database import connect
from engine.api import Engine, RestoreRequest
from engine.core.errors import DatabaseError
from engine.core.physical import TAR, XBSTREAM
from engine.core.recovery import Target
from tests.integration.test_recovery_text import BLOCK, private_key
from tests.integration.test_round_trips import contents, database_site
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import PASSPHRASE, Site, expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("physical")]
KINDS = ("mariadb", "mysql")


@dataclass(frozen=True)
class Made:
    """A database with a physical snapshot of it."""

    site: Site
    database: DatabaseContainer
    truth: dict[str, object]
    ref: str


@pytest.fixture(scope="module", params=KINDS)
def made(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Made]:
    root = tmp_path_factory.mktemp(request.param)
    with database_site(lab, root, request.param) as (site, database):
        job = expect(site.finish(site.engine.start_backup(method="physical")))
        assert job.result is not None
        yield Made(site, database, contents(database), job.result.facts["snapshots"][0])


def plugins(database: DatabaseContainer) -> list[tuple[str, ...]]:
    return database.sql(
        "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'"
    )


def test_the_manifest_tells_what_it_holds(made: Made) -> None:
    entry = made.site.engine.find("shop-db", made.ref)
    manifest = made.site.engine.detail(entry.id).manifest
    facts = manifest.database
    assert facts is not None and manifest.id.method == "physical"
    assert [a.name for a in manifest.artifacts] == [
        XBSTREAM if made.database.kind == "mariadb" else TAR
    ]
    assert {(t.schema, t.table): t.rows for t in facts.tables} == {
        ("shop", "orders"): 3,
        ("shop", "customers"): 3,
    }
    assert facts.objects["triggers"] == 1 and facts.objects["views"] == 1
    status = "SHOW MASTER STATUS" if made.database.kind == "mariadb" else "SHOW BINARY LOG STATUS"
    file, position, *_ = made.database.sql(status)[0]
    assert facts.position is not None
    assert (facts.position.file, facts.position.position) == (file, int(position))
    assert facts.position.gtid_set
    assert manifest.tools["physical"].startswith(("mariadb-backup 10.11", "CLONE of 9."))
    assert manifest.warnings == ()


def test_nothing_is_left_in_the_server(made: Made) -> None:
    assert not list((made.site.state / "debris").glob("*"))
    left = made.database.exec("sh", "-c", "ls -A /tmp /dev/shm /var/lib/mysql-files 2>&1 || true")
    assert "mentat" not in left
    if made.database.kind == "mysql":
        assert plugins(made.database) == []
        assert made.database.sql("SELECT * FROM mysql.plugin WHERE name = 'clone'") == []


def test_files_of_another_machine_are_not_taken_for_ours(made: Made) -> None:
    """A server that is reached by address may keep its files anywhere, under any folder's name."""
    server = connect(user="root", password=made.database.root_password, host=made.database.host_ip)
    with pytest.raises(DatabaseError, match="not on this machine") as caught:
        server.physical.copy()
    assert "--method logical" in caught.value.remedy


def test_it_comes_back_in_place(made: Made, lab: Lab) -> None:
    site, database = made.site, made.database
    database.sql("DROP DATABASE shop")
    database.sql("DROP USER 'shop'@'%'")
    database.sql("CREATE DATABASE after_the_loss")
    job = expect(
        site.restore("shop-db", Target("in-place"), snapshot=made.ref, confirm=database.name)
    )
    assert job.result is not None
    database.wait_ready()
    assert contents(database) == made.truth
    assert not database.sql("SHOW DATABASES LIKE 'after_the_loss'")
    if database.kind == "mysql":
        assert plugins(database) == []
    entry = site.engine.find("shop-db", made.ref)
    facts = site.engine.detail(entry.id).manifest.database
    assert facts is not None and facts.position is not None
    variable = "gtid_executed" if database.kind == "mysql" else "gtid_slave_pos"
    held = database.value(f"SELECT @@GLOBAL.{variable}")
    assert "".join(held.split()) == facts.position.gtid_set
    assert job.result.facts["gtid_set"] == facts.position.gtid_set
    assert entry.proven_at is not None
    (kept,) = site.engine.kept()
    assert (lab.volume_path(kept.what) / "after_the_loss").is_dir()
    expect(site.finish(site.engine.start_release(kept.id, kept.what)))
    assert not list((site.state / "debris").glob("*"))
    names = lab.docker("ps", "-a", "--format", "{{.Names}}").split()
    assert not [name for name in names if name.endswith(f"-{job.id[-4:]}")]


def test_it_goes_into_a_fresh_container(made: Made, lab: Lab) -> None:
    name = f"fresh-physical-{made.database.kind}"
    target = Target("container", name=name)
    job = expect(made.site.restore("shop-db", target, snapshot=made.ref))
    assert job.result is not None
    try:
        fresh = replace(made.database, name=name)
        assert contents(fresh) == made.truth
    finally:
        lab.docker("rm", "-f", name)
        lab.docker("volume", "rm", str(job.result.facts["volume"]))


def test_another_version_is_refused_with_the_way_out(made: Made, tmp_path: Path) -> None:
    """Its manifest is what says of which version the files are."""
    site = made.site
    entry = site.engine.find("shop-db", made.ref)
    repo = site.engine.door.repo()
    document = repo.store.get(entry.id.manifest_key).decode()
    version = re.search(r'"version": "([^"]*)"', document)
    assert version is not None
    other = document.replace(f'"version": "{version[1]}"', '"version": "5.5.68"', 1)
    repo.store.put(entry.id.manifest_key, other.encode())
    try:
        request = RestoreRequest(
            "shop-db", made.ref, Target("in-place"), accept_unsigned=made.ref,
            confirm=made.database.name,
        )  # fmt: skip
        plan = site.engine.plan(request)
        assert any("of version 5.5" in line and "logical" in line for line in plan.blockers), plan
        job = site.restore(
            "shop-db", Target("in-place"), snapshot=made.ref, accept_unsigned=made.ref,
            confirm=made.database.name,
        )  # fmt: skip
        assert job.failure is not None and "5.5" in job.failure.message
        assert "logical" in job.failure.remedy
        assert not site.engine.kept() and not list((site.state / "debris").glob("*"))
    finally:
        repo.store.put(entry.id.manifest_key, document.encode())


def test_recovery_text_alone_brings_it_back(made: Made, lab: Lab, tmp_path: Path) -> None:
    site, database = made.site, made.database
    handed = tmp_path / "handed"
    handed.mkdir()
    private_key(site, handed / "backup-private-key.asc")
    (handed / "passphrase").write_text(PASSPHRASE)
    text = site.engine.door.repo().store.get("RECOVERY.md").decode()
    blocks = BLOCK.findall(text)
    setup = "\n".join(script for kind, _, script in blocks if kind == "setup")
    steps = {kind: script for kind, what, script in blocks if what == "landsraad/shop-db physical"}
    assert set(steps) == {"restore", "prepare"}
    out, serving = lab.new_volume(), lab.new_volume()
    bare_options = ["--network=host", f"--volume={handed}:/handed:ro", f"--volume={out}:/out"]
    with lab.run_bare(options=bare_options) as bare:
        bare.sh(
            "mkdir -p /work && cd /work && export PASSPHRASE_FILE=/handed/passphrase && "
            "gpg --batch --quiet --import /handed/backup-private-key.asc\n"
            + setup
            + "export TARGET=/out/files\n"
            + steps["restore"],
            **lab.s3.environment(),
        )
    lab.docker(
        "run", "--rm", "--network=none", f"--volume={out}:/out",
        f"--volume={serving}:/var/lib/mysql",
        "--env=TARGET=/out/files", database.image, "sh", "-c", steps["prepare"],
    )  # fmt: skip
    with lab.run_database(
        database.kind, volume=serving, root_password=database.root_password
    ) as restored:
        assert contents(restored) == made.truth


@contextlib.contextmanager
def writing(database: DatabaseContainer) -> Iterator[list[int]]:
    """Somebody commits, one row after the other, and knows how many were acknowledged."""
    database.sql("CREATE TABLE shop.written (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT)")
    stop, count = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            database.sql("INSERT INTO shop.written (note) VALUES (REPEAT('x', 500))")
            count[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while count[0] < 3:
            time.sleep(0.05)
        yield count
    finally:
        stop.set()
        writer.join()


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_a_busy_server_is_caught_at_one_moment(lab: Lab, tmp_path: Path, kind: str) -> None:
    with database_site(lab, tmp_path, kind) as (site, database):
        with writing(database) as count:
            before = count[0]
            job = site.finish(site.engine.start_backup(method="physical"))
            assert job.state in ("done", "warnings"), job.failure
            after = count[0] + 1
        assert job.result is not None
        name = f"busy-{kind}"
        ref = job.result.facts["snapshots"][0]
        restored = site.restore("shop-db", Target("container", name=name), snapshot=ref)
        assert restored.state in ("done", "warnings"), restored.failure
        assert restored.result is not None
        try:
            fresh = replace(database, name=name)
            ids = [int(row[0]) for row in fresh.sql("SELECT id FROM shop.written ORDER BY id")]
            assert ids == list(range(1, len(ids) + 1)), "no commit is missing before another"
            assert before <= len(ids) <= after
            # The position it tells is where the rest begins, with nothing twice.
            position = int(restored.result.facts["binlog_position"])
            file = str(restored.result.facts["binlog_file"])
            rest = database.exec(
                "sh", "-c",
                f"{'mariadb' if kind == 'mariadb' else 'mysql'}-binlog --no-defaults "
                f"--base64-output=decode-rows -vv --start-position={position} "
                f"/var/lib/mysql/{file} | grep -c '### INSERT INTO `shop`.`written`' || true"
                if kind == "mariadb" else
                "mysqlbinlog --no-defaults --base64-output=decode-rows -vv "
                f"--start-position={position} /var/lib/mysql/{file} "
                "| grep -c '### INSERT INTO `shop`.`written`' || true",
            )  # fmt: skip
            total = int(database.value("SELECT COUNT(*) FROM shop.written"))
            assert len(ids) + int(rest) == total
        finally:
            lab.docker("rm", "-f", name)
            lab.docker("volume", "rm", str(restored.result.facts["volume"]))


def test_methods_follow_the_schedule(made: Made) -> None:
    """The physical one is fresh; a logical one was never made."""
    site = made.site
    before = site.engine.settings
    source = replace(before.sources[0], methods={"physical": "weekly", "logical": "daily"})
    settings_file.save(replace(before, sources=(source,)))
    try:
        site.engine = Engine.open(site.config)
        assert any("its files are copied by" in f.message for f in site.engine.doctor())
        job = expect(site.backup())
        refs = job.result.facts["snapshots"] if job.result else ()
        assert [ref.split("-")[1] for ref in refs] == ["logical"]
        assert any(row.id.method == "physical" for row in site.engine.snapshots())
        text = site.engine.door.repo().store.get("RECOVERY.md").decode()
        assert "landsraad/shop-db physical" in text and "dump.sql.zst.gpg" in text
    finally:
        settings_file.save(before)
        site.engine = Engine.open(site.config)
