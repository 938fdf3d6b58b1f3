"""A full disk under the state directory: real, on a small tmpfs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.errors import ConfigurationError, NoSpace
from engine.core.events import Failed, Result
from engine.jobs import board, folder
from engine.jobs.folder import Folder
from engine.jobs.journal import read_all
from engine.jobs.lease import Lease
from tests.toy_jobs import await_output, start


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "mentat-dr-test", str(place)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.fail(f"this test mounts a tmpfs, so run it as root: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Path:
    """Leave not one free byte."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        for size in (65536, 4096, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue
    assert os.statvfs(place).f_bavail == 0
    return ballast


def test_no_job_starts_on_a_full_disk_and_nothing_is_left_running(small: Path) -> None:
    (small / "jobs").mkdir()
    fill(small)
    with pytest.raises(NoSpace) as refusal:
        start(small, ["sleep", 60])
    assert "is full" in refusal.value.message and "MENTAT_DR_STATE" in refusal.value.remedy
    for job in board.jobs(small):
        assert job.state in ("accepted", "interrupted") and job.pid is None


@pytest.mark.parametrize(
    ("do", "state", "code"),
    [
        (["say", "x"], "done", 0),
        (["fail", "no such key"], "failed", 5),
        (["crash", "x"], "failed", 1),
    ],
)
def test_a_disk_that_fills_during_a_job_does_not_hide_its_end(
    small: Path, tmp_path: Path, do: list[object], state: str, code: int
) -> None:
    job = start(small, ["say", "begun"], ["chatter", 40], ["sleep", 1.5], ["chatter", 2000], do)
    await_output(small, job, "begun")
    fill(small)
    events = [record.event for record in board.watch(small, job, 0.05)]
    last = events[-1]
    assert isinstance(last, Result | Failed)
    found = board.find(small, job)
    assert (found.state, found.exit_code) == (state, code)
    assert "journal-lost" in [w.code for w in found.warnings]
    assert "No space left on device" in found.warnings[-1].message
    records, _ = read_all(Folder(small / "jobs" / job).journal)
    assert [r.seq for r in records] == list(range(1, len(records) + 1))


def test_a_job_goes_on_telling_when_there_is_room_again(small: Path) -> None:
    job = start(
        small, ["say", "begun"], ["chatter", 40], ["sleep", 1], ["chatter", 200], ["sleep", 1]
    )
    await_output(small, job, "begun")
    ballast = fill(small)
    time.sleep(1.8)
    ballast.unlink()
    for _ in board.watch(small, job, 0.05):
        pass
    found = board.find(small, job)
    assert found.state == "done"
    assert [w.code for w in found.warnings] == ["journal-lost"]


def test_a_full_disk_is_no_reason_to_refuse_a_lease(small: Path) -> None:
    Lease.acquire(small, "shop-db", "J1", "backup").release()
    fill(small)
    with Lease.acquire(small, "shop-db", "J2", "backup") as lease:
        assert lease.holder.job == "J2"


def test_a_read_only_disk_is_named(small: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(ConfigurationError, match="Read-only file system"):
        start(small)
    with pytest.raises(ConfigurationError, match="Read-only file system"):
        Lease.acquire(small, "shop-db", "J", "backup")
    assert folder.ids(small) == []
