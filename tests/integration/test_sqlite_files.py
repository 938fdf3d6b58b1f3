"""SQLite files in trees: copied whole under a writer, in place of the torn file, with its names
and owners; restored ones pass SQLite's own check."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.adapters.volume import GnuTar
from engine.core.recovery import Target
from engine.settings import SourceSettings
from tests import site as sites
from tests.lab import Lab
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab]
# Two tables that every transaction changes alike: a torn copy shows in their difference.
WRITER = """
import sqlite3, sys, os
link = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
link.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
link.execute("PRAGMA synchronous = OFF")
link.execute("CREATE TABLE IF NOT EXISTS one (id INTEGER PRIMARY KEY, x BLOB)")
link.execute("CREATE TABLE IF NOT EXISTS two (id INTEGER PRIMARY KEY, x BLOB)")
print("ready", flush=True)
while True:
    link.execute("BEGIN IMMEDIATE")
    for _ in range(20):
        link.execute("INSERT INTO one (x) VALUES (randomblob(900))")
        link.execute("INSERT INTO two (x) VALUES (randomblob(900))")
    link.execute("DELETE FROM one WHERE id % 7 = 0")
    link.execute("DELETE FROM two WHERE id % 7 = 0")
    link.execute("COMMIT")
"""


@contextmanager
def writing(file: Path, mode: str) -> Iterator[None]:
    argv = [sys.executable, "-c", WRITER, str(file), mode]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            time.sleep(0.5)
            yield
        finally:
            child.kill()


def proven(file: Path) -> int:
    """Rows of a database that SQLite finds whole and whose tables are of one moment."""
    link = sqlite3.connect(file)
    try:
        assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (one,) = link.execute("SELECT count(*) FROM one").fetchone()
        (two,) = link.execute("SELECT count(*) FROM two").fetchone()
    finally:
        link.close()
    assert one == two
    return int(one)


@pytest.fixture
def volume_site(lab: Lab, tmp_path: Path) -> Iterator[tuple[Site, Path]]:
    volume = lab.new_volume()
    source = SourceSettings("app", "volume", HOUR, HOUR, volume=volume)
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    with sites.site(tmp_path / "site", store, [source], docker=lab.docker_host) as site:
        yield site, lab.volume_path(volume)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_database_under_a_writer_comes_back_whole(
    volume_site: tuple[Site, Path], tmp_path: Path, mode: str, full: bool
) -> None:
    site, folder = volume_site
    file = folder / "deep er" / "app's [db].sqlite3"
    file.parent.mkdir()
    with writing(file, mode):
        os.chown(file, 1234, 4321)
        file.chmod(0o640)
        for number in range(6 if full else 2):
            expect(site.backup())
            out = tmp_path / f"out{number}"
            expect(site.restore("app", Target("directory", str(out))))
            restored = out / "deep er" / file.name
            found = restored.stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 4321, 0o640)
            assert [p.name for p in restored.parent.iterdir()] == [file.name], "no log of another"
            assert proven(restored) > 0
    assert proven(file) > 0, "the live one is none the worse"
    assert not list(folder.parent.glob(".mentat-dr-*"))


def test_a_database_that_nobody_has_open_gets_no_log_of_ours(
    volume_site: tuple[Site, Path], tmp_path: Path
) -> None:
    site, folder = volume_site
    file = folder / "idle.db"
    link = sqlite3.connect(file)
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("CREATE TABLE one (id)")
    link.execute("CREATE TABLE two (id)")
    link.execute("INSERT INTO one VALUES (1)")
    link.execute("INSERT INTO two VALUES (1)")
    link.commit()
    link.close()
    before = sorted(p.name for p in folder.iterdir())
    (folder / "text.db").write_bytes(b"SQLite format 3\0" + b"no database" * 100)
    padded = (folder / "text.db").read_bytes().ljust(2048, b"!")
    (folder / "text.db").write_bytes(padded)
    job = site.backup()
    assert job.state == "warnings"
    assert any("text.db is a SQLite file, copied as it is" in w.message for w in job.warnings)
    assert sorted(p.name for p in folder.iterdir()) == sorted([*before, "text.db"])
    out = tmp_path / "out"
    expect(site.restore("app", Target("directory", str(out))))
    assert proven(out / "idle.db") == 1
    assert (out / "text.db").read_bytes() == padded


def test_excluded_and_hard_linked_ones_are_left_to_tar(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for name in ("kept.db", "cache.db", "linked.db"):
        link = sqlite3.connect(root / name)
        link.execute("CREATE TABLE one (id)")
        link.commit()
        link.close()
    os.link(root / "linked.db", root / "other.db")
    with GnuTar().sqlite_copies(root, ["."], ["cache.db"], [tmp_path], "me") as copies:
        assert [file.name for _, file in copies.binds] == ["kept.db"]
        copy = copies.binds[0][0]
        assert copy.exists()
    assert not copy.exists()
