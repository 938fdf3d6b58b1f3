"""Incrementals: chains of a tree that changes in every way, restored link by link."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from engine.adapters import volume_snapshot
from engine.api import SnapshotEntry
from engine.core.errors import TreeError
from engine.core.recovery import Target
from engine.core.snapshot import SnapshotId, parse_ref
from engine.settings import SourceSettings, StoreSettings
from tests import site as sites
from tests.integration import hostile_tree
from tests.integration.test_recovery_text import BLOCK, private_key
from tests.lab import Lab
from tests.site import HOUR, PASSPHRASE, Site, expect

pytestmark = [pytest.mark.lab]
WEEKLY = {"full_every": "7d"}


def copy(tree: Path, to: Path) -> Path:
    subprocess.run(["rsync", "-aHAXS", "--numeric-ids", f"{tree}/", f"{to}/"], check=True)
    return to


def back_up(site: Site, method: str, asked: str = "") -> SnapshotEntry:
    """A backup that must be of this method, its reason given in its journal."""
    job = expect(site.finish(site.engine.start_backup(method=asked)))
    row = next(r for r in site.engine.snapshots() if r.id.ref == job.snapshots[0].ref)
    assert row.id.method == method, [
        r.event.line for r in site.engine.records(job.id)[0] if hasattr(r.event, "line")
    ]
    return row


def build(root: Path) -> None:
    """The hostile tree, its sparse files of a size that is compared at once."""
    hostile_tree.build(root)
    (root / "sparse" / "only-a-hole").unlink()
    os.truncate(root / "sparse" / "a-gigabyte", 8 << 20)


def change(root: Path) -> None:
    """What people do to files between two backups, names and all."""
    names = root / "names"
    for index, path in enumerate(sorted(names.iterdir())):
        if index % 4 == 0 and path.is_dir() and not path.is_symlink():
            path.rename(names / f"moved-{path.name[:100]}")
        elif index % 4 == 1 and (path.is_symlink() or not path.is_dir()):
            path.unlink()
        elif index % 4 == 2 and path.is_file() and not path.is_symlink():
            with path.open("ab") as stream:
                stream.write(b"more")
    (root / "contents" / "size-512").unlink()
    (root / "contents" / "size-512").mkdir()
    (root / "contents" / "size-512" / "inside").write_text("a folder where a file was")
    (root / "kinds" / "empty").rmdir()
    (root / "kinds" / "empty").write_text("a file where a folder was")
    (root / "sparse" / "a-gigabyte").rename(root / "a-gigabyte")
    (root / "many-levels").rename(root / "contents" / "deep down")
    os.link(root / "kinds" / "hard-0", root / "kinds" / "one more")
    (root / "attributes" / "none").chmod(0o640)
    os.setxattr(root / "attributes" / "xattrs", "user.binary", b"changed")
    old = root / "kinds" / "fifo"
    old.unlink()
    old.symlink_to("hard-0")
    stamped = root / "contents" / "size-4095"
    stamped.write_bytes(b"other bytes, the old time")
    os.utime(stamped, ns=(0, 0))


@pytest.fixture
def followed(lab: Lab, tmp_path: Path) -> Iterator[tuple[Site, Path]]:
    volume = lab.new_volume()
    tree = lab.volume_path(volume)
    build(tree)
    source = SourceSettings("uploads", "volume", HOUR, HOUR, volume=volume, incremental=WEEKLY)
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    with sites.site(tmp_path / "site", store, [source], docker=lab.docker_host) as site:
        yield site, tree


def test_a_chain_brings_each_of_its_days_back(followed: tuple[Site, Path], tmp_path: Path) -> None:
    site, tree = followed
    first = back_up(site, "full"), copy(tree, tmp_path / "truth-1")
    change(tree)
    second = back_up(site, "incremental"), copy(tree, tmp_path / "truth-2")
    assert second[0].base == first[0].id.ref
    assert second[0].stored_bytes < first[0].stored_bytes
    # A directory takes the name of one that is removed, and another is put into a third.
    shutil.rmtree(tree / "attributes" / "acl-folder")
    (tree / "times").rename(tree / "attributes" / "acl-folder")
    (tree / "contents").rename(tree / "sparse" / "contents")
    third = back_up(site, "incremental"), copy(tree, tmp_path / "truth-3")
    assert third[0].base == second[0].id.ref
    shutil.rmtree(tree)
    tree.mkdir()
    for number, (row, truth) in enumerate((first, second, third), 1):
        out = tmp_path / f"out-{number}"
        job = expect(site.restore("uploads", Target("directory", str(out)), snapshot=row.id.ref))
        assert hostile_tree.differences(truth, out) == []
        assert job.result is not None and len(job.result.facts.get("chain", [0])) == number  # type: ignore[arg-type]
        assert site.engine.detail(row.id).manifest.base == row.base


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Site, Path]]:
    """Configuration in a directory store: quick to back up again and again."""
    tree = tmp_path / "etc"
    tree.mkdir()
    (tree / "hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "bucket").mkdir()
    store = StoreSettings("directory", path=str(tmp_path / "bucket"))
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(tree),), incremental=WEEKLY)
    with sites.site(tmp_path / "site", store, [source], passphrase=None) as site:
        yield site, tree


def base(site: Site) -> SnapshotId:
    """The full snapshot that the next one would build on."""
    file = site.state / "incremental" / "etc" / "full.json"
    found = parse_ref("landsraad", "etc", msgspec.json.decode(file.read_bytes())["ref"])
    assert found is not None
    return found


def lose_a_byte(site: Site) -> None:
    file = site.state / "incremental" / "etc" / "full.snar"
    file.write_bytes(file.read_bytes()[:-1])


def lose_some_of_the_base(site: Site) -> None:
    site.engine.door.repo().store.delete(base(site).artifact_key("files.tar.zst.gpg"))


@pytest.mark.parametrize("doubt", [lose_a_byte, lose_some_of_the_base])
def test_a_base_that_is_not_whole_makes_a_full_one(
    small: tuple[Site, Path], doubt: Callable[[Site], None]
) -> None:
    site, _ = small
    back_up(site, "full")
    doubt(site)
    back_up(site, "full")
    back_up(site, "incremental")
    back_up(site, "full", "full")


def test_a_named_file_cannot_be_followed(small: tuple[Site, Path], tmp_path: Path) -> None:
    site, tree = small
    back_up(site, "full")
    sources = (replace(site.engine.settings.sources[0], paths=(str(tree), str(tree / "hosts"))),)
    rewrite(site, sources)
    for _ in range(2):
        back_up(site, "full")


def rewrite(site: Site, sources: tuple[SourceSettings, ...]) -> None:
    from engine import settings_file
    from engine.api import Engine

    settings_file.save(replace(site.engine.settings, sources=sources))
    site.engine = Engine.open(site.config)


def test_what_is_excluded_is_not_missed(small: tuple[Site, Path], tmp_path: Path) -> None:
    site, tree = small
    rewrite(site, (replace(site.engine.settings.sources[0], exclude=("*.swp", "/cache")),))
    for folder in ("cache", "kept", "kept/cache"):
        (tree / folder).mkdir()
        (tree / folder / "x.swp").write_text("no")
        (tree / folder / "y").write_text("yes")
    back_up(site, "full")
    (tree / "kept" / "new.swp").write_text("no")
    (tree / "kept" / "new").write_text("yes")
    back_up(site, "incremental")
    expect(site.restore("etc", Target("directory", str(tmp_path / "out"))))
    restored = tmp_path / "out" / str(tree).lstrip("/")
    assert hostile_tree.differences(tree, restored, "*.swp") == []


def test_a_database_file_follows_its_writer(small: tuple[Site, Path], tmp_path: Path) -> None:
    """SQLite files are packed as copies that stand in for them: also in an incremental."""
    site, tree = small
    with contextlib.closing(sqlite3.connect(tree / "app.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (n INT)")
        database.commit()
        back_up(site, "full")
        for number in range(2):
            database.execute("INSERT INTO t VALUES (?)", (number,))
            database.commit()
            back_up(site, "incremental")
    expect(site.restore("etc", Target("directory", str(tmp_path / "out"))))
    restored = tmp_path / "out" / str(tree).lstrip("/") / "app.db"
    with contextlib.closing(sqlite3.connect(restored)) as database:
        assert database.execute("SELECT n FROM t ORDER BY n").fetchall() == [(0,), (1,)]


def test_after_a_restore_in_place_all_is_packed_anew(small: tuple[Site, Path]) -> None:
    site, tree = small
    back_up(site, "full")
    expect(site.restore("etc", Target("in-place"), confirm="etc"))
    assert (tree / "hosts").read_text().startswith("127")
    back_up(site, "full")


def test_a_chain_that_lost_a_link_is_refused_and_passed_over(
    small: tuple[Site, Path], tmp_path: Path
) -> None:
    site, tree = small
    full = back_up(site, "full")
    (tree / "new").write_text("x")
    broken = back_up(site, "incremental")
    store = site.engine.door.repo().store
    store.delete(full.id.manifest_key)
    request = site.engine.posture().sources[0]
    assert request.level == "critical", "there is nothing left to recover from"
    job = site.restore("etc", Target("directory", str(tmp_path / "o")), snapshot=broken.id.ref)
    assert job.failure is not None and "which is gone" in job.failure.message, job
    again = back_up(site, "full")
    assert site.engine.find("etc", "latest").id == again.id


def test_bare_tools_restore_a_chain(lab: Lab, tmp_path: Path) -> None:
    tree = tmp_path / "conf"
    tree.mkdir()
    build(tree)
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(tree),), incremental=WEEKLY)
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    with sites.site(tmp_path / "site", store, [source]) as site:
        back_up(site, "full")
        change(tree)
        back_up(site, "incremental")
        (tree / "last").write_text("of all")
        shutil.rmtree(tree / "times")
        back_up(site, "incremental")
        handed = tmp_path / "handed"
        handed.mkdir()
        private_key(site, handed / "backup-private-key.asc")
        (handed / "passphrase").write_text(PASSPHRASE)
        text = site.engine.door.repo().store.get("RECOVERY.md").decode()
    blocks = re.findall(BLOCK, text)
    setup = "\n".join(script for kind, _, script in blocks if kind == "setup")
    script = next(script for kind, _, script in blocks if kind == "restore")
    assert script.count("v1/landsraad/etc/") == 3
    out = lab.new_volume()
    # trusted.* attributes need more than a container's root has by itself.
    options = ["--network=host", "--cap-add=SYS_ADMIN", f"--volume={handed}:/handed:ro"]
    with lab.run_bare(options=[*options, f"--volume={out}:/out"]) as bare:
        bare.sh(
            "mkdir -p /work && cd /work && export PASSPHRASE_FILE=/handed/passphrase TARGET=/out/e"
            "\ngpg --batch --quiet --import /handed/backup-private-key.asc\n" + setup + script,
            **dict(lab.s3.environment()),
        )
    restored = lab.volume_path(out) / "e" / str(tree).lstrip("/")
    assert hostile_tree.differences(tree, restored) == []


def test_a_snapshot_file_that_is_not_understood(tmp_path: Path) -> None:
    file = tmp_path / "x.snar"
    for content in (b"", b"12345\n", b"GNU tar-1.34-3\n1\0" + b"2\0", os.urandom(100)):
        file.write_bytes(content)
        with pytest.raises(TreeError):
            volume_snapshot.members(file, 1, lambda _name: False)
        with pytest.raises(TreeError):
            volume_snapshot.prepare(file, tmp_path, tmp_path / "y.snar")
