"""kill -9 of the job and of its children at random moments of a backup."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api import Job
from engine.core.recovery import Target
from engine.settings import Secret, SourceSettings
from tests import site as sites
from tests.lab import Lab
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("kill")]


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    volume = lab.new_volume()
    folder = lab.volume_path(volume)
    for index in range(40):
        (folder / f"file-{index}").write_bytes(os.urandom(1 << 20))
    with (
        lab.run_mysql() as database,
        lab.run_app("sleep", "3600", volumes={volume: "/data"}) as app,
    ):
        database.sql("CREATE DATABASE shop")
        database.sql("CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT)")
        database.sql("INSERT INTO shop.orders (note) VALUES (REPEAT('x', 1000)), ('y')")
        for _ in range(12):
            database.sql("INSERT INTO shop.orders (note) SELECT note FROM shop.orders")
        sources = [
            SourceSettings(
                "db",
                "database",
                HOUR,
                HOUR,
                engine="mysql",
                container=database.name,
                password=Secret(value=database.root_password),
            ),
            SourceSettings("uploads", "volume", HOUR, HOUR, volume=volume, quiesce="pause"),
        ]
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        root = tmp_path_factory.mktemp("site")
        with sites.site(root, store, sources, docker=lab.docker_host, passphrase=None) as made:
            made.container = app.name  # type: ignore[attr-defined]
            made.volume = folder  # type: ignore[attr-defined]
            yield made


def descendants(pid: int) -> list[int]:
    """The job's own processes, the guard of paused containers among them."""
    found = [pid]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if int(status[1]) in found and status[0] != "Z":
                found.append(int(entry.name))
    return found


def state_of(lab: Lab, container: str) -> str:
    return lab.docker("inspect", "-f", "{{.State.Status}}", container).strip()


def wait_running(lab: Lab, container: str) -> None:
    until = time.monotonic() + 30
    while state_of(lab, container) != "running":
        assert time.monotonic() < until, f"{container} is left {state_of(lab, container)}"
        time.sleep(0.2)


def seconds_of(job: Job) -> float:
    assert job.started_at is not None and job.ended_at is not None
    return (job.ended_at - job.started_at).total_seconds()


def strike(site: Site, dice: random.Random, length: float) -> str:
    """Start a backup and kill one of its processes at a random moment; which one, or "" when it
    had ended before."""
    job_id = site.engine.start_backup()
    while not (pid := site.engine.job(job_id).pid):
        time.sleep(0.01)
    time.sleep(dice.uniform(0, length))
    victims = descendants(pid) if Path(f"/proc/{pid}").exists() else []
    victim = ""
    if victims:
        chosen = pid if dice.random() < 0.3 else dice.choice(victims)
        with contextlib.suppress(OSError):
            victim = Path(f"/proc/{chosen}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            os.kill(chosen, signal.SIGKILL)
    site.finish(job_id, 120)
    return victim[:100]


def test_no_kill_makes_a_snapshot_lie(site: Site, lab: Lab, full: bool, tmp_path: Path) -> None:
    length = seconds_of(expect(site.backup()))
    known = {row.id for row in site.engine.snapshots()}
    dice = random.Random(20261122)
    turns = 50 if full else 8
    victims = []
    for turn in range(turns):
        victims.append(strike(site, dice, length))
        wait_running(lab, site.container)  # type: ignore[attr-defined]
        for row in site.engine.snapshots():
            if row.id not in known:
                known.add(row.id)
                prove(site, row.id.source, row.id.ref, tmp_path / f"{turn}-{row.id.id}")
    hits = [victim for victim in victims if victim]
    print(*victims, sep="\n")
    assert len(hits) >= turns // 2, "most strikes came too late to prove anything"
    expect(site.backup())


def prove(site: Site, source: str, ref: str, target: Path) -> None:
    """A snapshot that exists is whole: it restores, and a tree's files are those of the volume."""
    expect(site.restore(source, Target("directory", str(target)), snapshot=ref))
    if source == "uploads":
        compared = subprocess.run(
            [
                "rsync",
                "-aHAXn",
                "--checksum",
                "--delete",
                "--itemize-changes",
                f"{site.volume}/",
                f"{target}/",
            ],  # type: ignore[attr-defined]
            check=True,
            capture_output=True,
            text=True,
        )
        assert compared.stdout == ""
    else:
        assert "Dump completed" in (target / "dump.sql").read_text()[-200:]
