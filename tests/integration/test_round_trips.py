"""The product's path as a whole: back up, lose, restore, compare; on real servers and jobs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.core.recovery import Target
from engine.settings import Secret, SourceSettings
from tests import site as sites
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab]


def same_tree(one: Path, other: Path) -> str:
    """What rsync finds different: nothing, when they are the same in every respect."""
    return subprocess.run(
        ["rsync", "-aHAXn", "--checksum", "--delete", "--itemize-changes", f"{one}/", f"{other}/"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def fill(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "empty").mkdir(mode=0o700)
    (folder / "noise").write_bytes(os.urandom(3 << 20))
    (folder / "deep" / "er" / "text [bold]").write_text("words\n" * 10_000)
    os.link(folder / "noise", folder / "deep" / "same-noise")
    (folder / "link").symlink_to("deep/er")
    os.mkfifo(folder / "fifo")
    os.chown(folder / "noise", 1234, 65534)
    (folder / "noise").chmod(0o4750)
    os.setxattr(folder / "noise", "user.note", b"kept")
    os.utime(folder / "noise", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    subprocess.run(["setfacl", "-m", "u:4321:r", str(folder / "noise")], check=True)


@pytest.fixture
def volume_site(lab: Lab, tmp_path: Path) -> Iterator[tuple[Site, Path, str]]:
    volume = lab.new_volume()
    folder = lab.volume_path(volume)
    fill(folder)
    script = "while :; do date +%s.%N > /data/../tmp/beat; sleep 0.1; done"
    with lab.run_app("sh", "-c", script, volumes={volume: "/data"}) as app:
        source = SourceSettings("uploads", "volume", HOUR, HOUR, volume=volume, quiesce="stop")
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(
            tmp_path / "site", store, [source], docker=lab.docker_host, local=True
        ) as site:
            yield site, folder, app.name


def test_a_lost_volume_comes_back_in_place(
    volume_site: tuple[Site, Path, str], lab: Lab, tmp_path: Path
) -> None:
    site, folder, app = volume_site
    truth = tmp_path / "truth"
    subprocess.run(["rsync", "-aHAX", "--delete", f"{folder}/", f"{truth}/"], check=True)
    expect(site.backup("uploads"))
    for child in folder.iterdir():
        shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    (folder / "written after the loss").write_text("kept aside")
    volume = site.engine.settings.sources[0].volume
    job = expect(site.restore("uploads", Target("in-place"), confirm=volume))
    assert same_tree(truth, folder) == ""
    assert lab.docker("inspect", "-f", "{{.State.Status}}", app).strip() == "running"
    kept = site.engine.kept()
    assert [k.what for k in kept] == [job.result.facts["kept"]]  # type: ignore[union-attr]
    old = lab.volume_path(kept[0].what)
    assert [p.name for p in old.iterdir()] == ["written after the loss"]
    rows = site.engine.snapshots()
    assert rows[0].proven_at is not None, "a verified restore is a proof"
    expect(site.finish(site.engine.start_release(kept[0].id, kept[0].what)))
    assert not old.exists() and not site.engine.kept()


def test_a_volume_goes_to_a_directory_and_to_a_new_volume(
    volume_site: tuple[Site, Path, str], lab: Lab, tmp_path: Path
) -> None:
    site, folder, _ = volume_site
    expect(site.backup("uploads"))
    out = tmp_path / "out"
    expect(site.restore("uploads", Target("directory", str(out))))
    assert same_tree(folder, out) == ""
    job = expect(site.restore("uploads", Target("container")))
    assert job.result is not None
    name = str(job.result.facts["target"])
    try:
        assert same_tree(folder, lab.volume_path(name)) == ""
    finally:
        if job.result.facts["container"]:
            lab.docker("rm", "-f", str(job.result.facts["container"]))
        lab.docker("volume", "rm", name)


def test_the_local_tier_serves_when_the_bucket_is_gone_and_the_other_way(
    volume_site: tuple[Site, Path, str], tmp_path: Path
) -> None:
    site, folder, _ = volume_site
    expect(site.backup("uploads"))
    snapshot = site.engine.find("uploads", "latest").id
    local = site.root / "local" / snapshot.artifact_key("files.tar.zst.gpg")
    content = bytearray(local.read_bytes())
    content[100] ^= 1
    local.write_bytes(content)
    out = tmp_path / "out"
    job = expect(site.restore("uploads", Target("directory", str(out))))
    assert [w.code for w in job.warnings].count("store-fallback") == 1
    assert same_tree(folder, out) == ""


def test_configuration_comes_back_in_place(lab: Lab, tmp_path: Path) -> None:
    etc, opt = tmp_path / "conf" / "etc", tmp_path / "conf" / "opt"
    for folder in (etc, opt):
        folder.mkdir(parents=True)
        fill(folder)
    single = tmp_path / "conf" / "hosts"
    single.write_text("127.0.0.1 localhost\n")
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(etc), str(opt), str(single)))
    truth = tmp_path / "truth"
    subprocess.run(["rsync", "-aHAX", f"{tmp_path}/conf/", f"{truth}/"], check=True)
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    with sites.site(tmp_path / "site", store, [source]) as site:
        expect(site.backup())
        shutil.rmtree(etc)
        (opt / "noise").write_bytes(b"ruined")
        single.write_text("ruined")
        job = expect(site.restore("etc", Target("in-place"), confirm="etc"))
        assert job.result is not None
        kept = Path(str(job.result.facts["kept"]))
        assert kept.is_dir()
        for name in ("etc", "opt"):
            assert same_tree(truth / name, tmp_path / "conf" / name) == ""
        assert single.read_text() == "127.0.0.1 localhost\n"


SHOP = """
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(200) NOT NULL);
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, note TEXT,
  proof BLOB, FOREIGN KEY (customer) REFERENCES customers (id));
INSERT INTO customers (name) VALUES ('Paul \\U0001F41B'), ('Jessica'), ('Alia [bold]');
INSERT INTO orders (customer, note, proof) SELECT id, name, UNHEX('00FF27225C') FROM customers;
CREATE VIEW recent AS SELECT * FROM orders WHERE id > 1;
CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '!');
CREATE PROCEDURE count_orders() SELECT COUNT(*) FROM orders;
CREATE USER 'shop'@'%' IDENTIFIED BY 'pa''ss';
GRANT SELECT, INSERT ON shop.* TO 'shop'@'%';
""".replace("\\U0001F41B", "\U0001f41b")


def contents(database: DatabaseContainer) -> dict[str, object]:
    """What an independent client sees: every row, object and account."""
    return {
        "orders": database.sql(
            "SELECT id, customer, note, HEX(proof) FROM shop.orders ORDER BY id"
        ),
        "customers": database.sql("SELECT id, HEX(name) FROM shop.customers ORDER BY id"),
        "view": database.sql("SELECT id FROM shop.recent ORDER BY id"),
        "triggers": database.sql(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop'"
        ),
        "routines": database.sql(
            "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'shop'"
        ),
        "grants": database.sql("SHOW GRANTS FOR 'shop'@'%'"),
    }


@contextlib.contextmanager
def database_site(lab: Lab, root: Path, kind: str) -> Iterator[tuple[Site, DatabaseContainer]]:
    with lab.run_database(kind) as database:  # type: ignore[arg-type]
        database.client(SHOP)
        source = SourceSettings(
            "shop-db",
            "database",
            HOUR,
            HOUR,
            engine=kind,  # type: ignore[arg-type]
            container=database.name,
            password=Secret(value=database.root_password),
        )
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(root / "site", store, [source], docker=lab.docker_host) as site:
            yield site, database


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_a_lost_database_comes_back_in_place(lab: Lab, tmp_path: Path, kind: str) -> None:
    with database_site(lab, tmp_path, kind) as (site, database):
        truth = contents(database)
        expect(site.backup())
        database.sql("DROP DATABASE shop")
        database.sql("DROP USER 'shop'@'%'")
        database.sql("CREATE DATABASE after_the_loss")
        job = expect(site.restore("shop-db", Target("in-place"), confirm=database.name))
        assert job.result is not None
        database.wait_ready()
        assert contents(database) == truth
        assert not database.sql("SHOW DATABASES LIKE 'after_the_loss'")
        assert database.value("SELECT 1 FROM DUAL") == "1", "root's password is the old one"
        kept = site.engine.kept()[0]
        assert (lab.volume_path(kept.what) / "after_the_loss").is_dir()
        expect(site.finish(site.engine.start_release(kept.id, kept.what)))


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_a_database_goes_into_a_fresh_container(lab: Lab, tmp_path: Path, kind: str) -> None:
    with database_site(lab, tmp_path, kind) as (site, database):
        truth = contents(database)
        expect(site.backup())
        job = expect(site.restore("shop-db", Target("container", name=f"fresh-{kind}")))
        assert job.result is not None
        try:
            fresh = replace(database, name=f"fresh-{kind}")
            assert contents(fresh) == truth
            assert contents(database) == truth
        finally:
            lab.docker("rm", "-f", f"fresh-{kind}")
            lab.docker("volume", "rm", str(job.result.facts["volume"]))
