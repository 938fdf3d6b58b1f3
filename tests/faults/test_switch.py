"""A restore in place meets its end around the switch: nothing that was live is ever lost."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.core.recovery import RestoreRequest, Target
from engine.settings import Secret, SourceSettings, StoreSettings
from tests import site as sites
from tests.lab import Lab
from tests.lab.errors import CommandFailed
from tests.site import HOUR, Site, expect

DEATHS = [
    (when, which, how)
    for how in ("kill", "cancel", "full")
    for which in (1, 2)
    for when in ("before", "after")
]


def die(
    site: Site, source: str, confirm: str, when: str, which: int, how: str
) -> subprocess.CompletedProcess[str]:
    request = RestoreRequest(source, "latest", Target("in-place"), confirm=confirm)
    argv = [str(site.config), f"job-{how}-{which}", json.dumps(asdict(request)), when, str(which)]
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.dying_restore", *argv, how],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )


def clear(site: Site) -> str:
    """What the next job does before its own work."""
    argv = [str(site.config), "next", "{}", "before", "0", "clear"]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.dying_restore", *argv],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def wait_for(true: Callable[[], bool]) -> None:
    """CommandFailed of the last attempt, or an AssertionError, when it does not come true."""
    until = time.monotonic() + 60
    while True:
        try:
            assert true()
            return
        except (CommandFailed, AssertionError):
            if time.monotonic() > until:
                raise
        time.sleep(0.2)


@contextlib.contextmanager
def config_site(root: Path, *paths: Path) -> Iterator[Site]:
    (root / "store").mkdir()
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=tuple(map(str, paths)))
    store = StoreSettings("directory", path=str(root / "store"))
    with sites.site(root / "site", store, [source], passphrase=None) as made:
        yield made


def texts(*folders: Path) -> list[str]:
    return [(folder / "file").read_text() for folder in folders]


def kept_texts(site: Site, one: Path, two: Path) -> list[str]:
    """What the old data that is kept says; the site must keep exactly one."""
    (kept,) = site.engine.kept()
    return texts(*(Path(kept.what) / str(path).lstrip("/") for path in (one, two)))


@pytest.mark.parametrize(("when", "which", "how"), DEATHS)
def test_two_paths_switch_together_or_not_at_all(
    tmp_path: Path, when: str, which: int, how: str
) -> None:
    one, two = tmp_path / "live" / "one", tmp_path / "live" / "two"
    for folder in (one, two):
        folder.mkdir(parents=True)
        (folder / "file").write_text("backed up")
    with config_site(tmp_path, one, two) as site:
        expect(site.backup())
        for folder in (one, two):
            (folder / "file").write_text("live")
        ended = die(site, "etc", "etc", when, which, how)
        assert ended.returncode != 0, ended.stdout
        if how == "kill":
            assert ended.returncode == -9, ended.stderr
            clear(site)
        if how == "kill" and (when, which) == ("after", 2):
            assert texts(one, two) == ["backed up"] * 2
            assert kept_texts(site, one, two) == ["live"] * 2
            kept = site.engine.kept()[0]
            expect(site.finish(site.engine.start_release(kept.id, kept.what)))
        else:
            assert texts(one, two) == ["live"] * 2
            assert not site.engine.kept()
        assert sorted(p.name for p in one.parent.iterdir()) == ["one", "two"]
        assert not list((site.state / "debris").glob("*"))
        assert not list((site.state / "kept").glob("*"))


def test_a_path_inside_another_is_switched_with_it_and_only_once(tmp_path: Path) -> None:
    outer = tmp_path / "live" / "outer"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("backed up")
    with config_site(tmp_path, outer, inner, Path(f"{inner}/"), Path(f"{outer}/../outer")) as site:
        expect(site.backup())
        (inner / "file").write_text("live")
        expect(site.restore("etc", Target("in-place"), confirm="etc", passphrase=""))
        assert (inner / "file").read_text() == "backed up"
        kept = Path(site.engine.kept()[0].what)
        assert (kept / str(inner).lstrip("/") / "file").read_text() == "live"


def test_what_is_mounted_inside_a_path_is_not_carried_off(tmp_path: Path) -> None:
    live = tmp_path / "live" / "srv"
    (live / "disk").mkdir(parents=True)
    (live / "file").write_text("backed up")
    with config_site(tmp_path, live) as site:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(live / "disk")], check=True)
        try:
            (live / "disk" / "precious").write_text("never backed up")
            site.backup()
            job = site.restore("etc", Target("in-place"), confirm="etc", passphrase="")
            assert job.failure is not None and "mount point" in job.failure.message
            assert (live / "disk" / "precious").read_text() == "never backed up"
        finally:
            subprocess.run(["umount", str(live / "disk")], check=True)


def test_a_missing_parent_comes_back_passable(tmp_path: Path) -> None:
    conf = tmp_path / "opt" / "app" / "conf"
    conf.mkdir(parents=True)
    (conf / "file").write_text("backed up")
    (tmp_path / "opt").chmod(0o755)
    with config_site(tmp_path, conf) as site:
        expect(site.backup())
        subprocess.run(["rm", "-r", str(conf.parent)], check=True)
        expect(site.restore("etc", Target("in-place"), confirm="etc", passphrase=""))
        assert (conf / "file").read_text() == "backed up"
        assert conf.parent.stat().st_mode & 0o777 == 0o755


def test_a_release_of_what_is_gone_already_ends_well(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "file").write_text("backed up")
    with config_site(tmp_path, conf) as site:
        expect(site.backup())
        expect(site.restore("etc", Target("in-place"), confirm="etc", passphrase=""))
        kept = site.engine.kept()[0]
        subprocess.run(["rm", "-r", kept.what], check=True)
        expect(site.finish(site.engine.start_release(kept.id, kept.what)))
        assert not site.engine.kept()


@pytest.fixture
def volume_site(lab: Lab, tmp_path: Path) -> Iterator[tuple[Site, str, str]]:
    volume = lab.new_volume()
    (lab.volume_path(volume) / "file").write_text("backed up")
    with lab.run_app("sleep", "3600", volumes={volume: "/data"}) as app:
        source = SourceSettings("uploads", "volume", HOUR, HOUR, volume=volume)
        (tmp_path / "store").mkdir()
        store = StoreSettings("directory", path=str(tmp_path / "store"))
        with sites.site(
            tmp_path / "site", store, [source], docker=lab.docker_host, passphrase=None
        ) as site:
            expect(site.backup())
            (lab.volume_path(volume) / "file").write_text("live")
            yield site, volume, app.name
            for kept in site.engine.kept():
                lab.docker("volume", "rm", kept.what)


def state_of(lab: Lab, container: str) -> str:
    return lab.docker("inspect", "-f", "{{.State.Status}}", container).strip()


@pytest.mark.lab
@pytest.mark.parametrize(("when", "which", "how"), [d for d in DEATHS if d[1] == 1])
def test_a_volume_keeps_what_was_live(
    volume_site: tuple[Site, str, str], lab: Lab, when: str, which: int, how: str
) -> None:
    site, volume, app = volume_site
    live = lab.volume_path(volume) / "file"
    ended = die(site, "uploads", volume, when, which, how)
    assert ended.returncode != 0, ended.stdout
    if how == "kill":
        assert ended.returncode == -9, ended.stderr
        clear(site)
        # The dead job's guard puts it back, at its own pace: the next job leaves that to it.
        wait_for(lambda: state_of(lab, app) == "running")
    assert state_of(lab, app) == "running"
    befores = [n for n in lab.docker("volume", "ls", "-q").split() if f"{volume}_before" in n]
    if how == "kill" and when == "after":
        assert live.read_text() == "backed up"
        (kept,) = site.engine.kept()
        assert befores == [kept.what]
        assert (lab.volume_path(kept.what) / "file").read_text() == "live"
    else:
        assert live.read_text() == "live"
        assert not befores and not site.engine.kept()
    assert lab.docker("exec", app, "cat", "/data/file").strip() == live.read_text()


@pytest.mark.lab
@pytest.mark.parametrize("found", ["paused", "exited", "running"])
def test_containers_are_left_as_they_were_found(
    volume_site: tuple[Site, str, str], lab: Lab, found: str
) -> None:
    site, volume, app = volume_site
    with lab.run_app("sleep", "3600", volumes={volume: "/data:ro"}) as reader:
        if found == "paused":
            lab.docker("pause", app)
        if found == "exited":
            lab.docker("stop", "-t", "0", app)
        expect(site.restore("uploads", Target("in-place"), confirm=volume, passphrase=""))
        assert state_of(lab, app) == found
        assert lab.docker("exec", reader.name, "cat", "/data/file").strip() == "backed up"
        if found == "paused":
            lab.docker("unpause", app)


@pytest.mark.lab
def test_a_volume_whose_folder_is_gone_comes_back(
    volume_site: tuple[Site, str, str], lab: Lab
) -> None:
    site, volume, app = volume_site
    lab.docker("stop", "-t", "0", app)
    subprocess.run(["rm", "-r", str(lab.volume_path(volume))], check=True)
    expect(site.restore("uploads", Target("in-place"), confirm=volume, passphrase=""))
    assert (lab.volume_path(volume) / "file").read_text() == "backed up"
    assert not site.engine.kept()


@pytest.mark.lab
def test_a_volume_that_was_removed_is_made_anew(
    volume_site: tuple[Site, str, str], lab: Lab
) -> None:
    site, volume, app = volume_site
    lab.docker("rm", "-f", app)
    lab.docker("volume", "rm", volume)
    job = site.restore("uploads", Target("in-place"), confirm=volume, passphrase="")
    expect(job, "done")
    assert [w.code for w in job.warnings] == ["volume-made"]
    assert (lab.volume_path(volume) / "file").read_text() == "backed up"
    assert not site.engine.kept()


@pytest.mark.lab
def test_a_server_that_ends_after_the_switch_gets_its_old_data_back(
    lab: Lab, tmp_path: Path
) -> None:
    with lab.run_database("mariadb") as database:
        database.sql("CREATE DATABASE shop")
        database.sql("CREATE TABLE shop.t (note VARCHAR(20))")
        source = SourceSettings(
            "db",
            "database",
            HOUR,
            HOUR,
            engine="mariadb",
            container=database.name,
            password=Secret(value=database.root_password),
        )
        (tmp_path / "store").mkdir()
        store = StoreSettings("directory", path=str(tmp_path / "store"))
        with sites.site(
            tmp_path / "site", store, [source], docker=lab.docker_host, passphrase=None
        ) as site:
            expect(site.backup())
            out = Target("directory", str(tmp_path / "out"))
            expect(site.restore("db", out, passphrase=""))
            assert site.engine.snapshots()[0].proven_at is None, "no server has loaded it"
            database.sql("INSERT INTO shop.t VALUES ('live')")
            ended = die(site, "db", database.name, "after", 1, "spoil")
            assert ended.returncode == 1, ended.stdout + ended.stderr
            assert "switched-back" in ended.stdout
            wait_for(lambda: database.value("SELECT note FROM shop.t") == "live")
            assert not site.engine.kept()
            volumes = lab.docker("volume", "ls", "-q").split()
            assert not [name for name in volumes if f"{database.volume}_before" in name]
            assert site.engine.snapshots()[0].proven_at is None
