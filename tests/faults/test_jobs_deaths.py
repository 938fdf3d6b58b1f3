"""Jobs and sudden ends: kill -9, a lost terminal, a vanished launcher, children left over."""

from __future__ import annotations

import hashlib
import os
import pty
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.core.events import Accepted, Failed, Output, Result
from engine.jobs import board
from engine.jobs.folder import Folder
from engine.jobs.journal import read_all
from engine.jobs.lease import Lease
from engine.jobs.locks import held
from tests.toy_jobs import await_output, gone, start

LAUNCHER = """
import os, sys, time
from pathlib import Path
from tests.toy_jobs import start
job = start(Path(sys.argv[1]), ["secret", "p"], ["sleep", 1.0], secrets={"p": b"hunter2hunter2"})
os.write(1, f"{job}\\n".encode())
"""
DIGEST = "sha256 " + hashlib.sha256(b"hunter2hunter2").hexdigest()


def watch_to_end(state: Path, job: str) -> list[object]:
    return [record.event for record in board.watch(state, job, 0.02)]


@pytest.mark.parametrize("rounds", [12, pytest.param(60, marks=pytest.mark.full)])
def test_kill_9_at_any_moment_leaves_a_job_that_reads_as_interrupted(
    tmp_path: Path, rounds: int
) -> None:
    states = set()
    for _ in range(rounds):
        job = start(tmp_path, ["lease", "shop-db"], ["chatter", 60], ["child", 60], wait=60)
        time.sleep(random.uniform(0, 0.3))
        pid = board.find(tmp_path, job).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        events = watch_to_end(tmp_path, job)
        last = events[-1]
        assert isinstance(last, Failed) and last.code == "interrupted" and last.remedy
        found = board.find(tmp_path, job)
        states.add(found.state)
        journal = Folder(tmp_path / "jobs" / job)
        assert not held(journal.lock)
        records, offset = read_all(journal.journal)
        assert [r.seq for r in records] == list(range(1, len(records) + 1))
        assert not [r for r in records if isinstance(r.event, Output) and "unread" in r.event.line]
        assert offset <= journal.journal.stat().st_size
        with Lease.acquire(tmp_path, "shop-db", "next", "backup") as lease:
            # Its child was ended, by the takeover at the latest.
            for event in events:
                if isinstance(event, Output) and event.line.startswith("child"):
                    assert lease.warning and gone(int(event.line.split()[1]))
    assert states == {"interrupted"}
    assert watch_to_end(tmp_path, start(tmp_path, ["lease", "shop-db"]))[-1] == Result(
        "done", "1 things done", {"config": "/nowhere/config.toml"}
    )


def test_the_job_outlives_the_terminal_it_was_started_from(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        # A shell that starts the job and stays in front, as over SSH.
        command = [sys.executable, "-c", LAUNCHER + "time.sleep(300)\n", str(tmp_path)]
        os.execv(sys.executable, command)
    said = b""
    while b"\n" not in said:
        said += os.read(terminal, 4096)
    job = said.decode().strip()
    os.close(terminal)  # the line drops: SIGHUP to the session
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGHUP
    events = watch_to_end(tmp_path, job)
    assert isinstance(events[-1], Result) and Output(DIGEST) in events


def test_the_job_outlives_a_hang_up_sent_to_everybody(tmp_path: Path) -> None:
    job = start(tmp_path, ["say", "here"], ["sleep", 0.6])
    await_output(tmp_path, job, "here")
    pid = board.find(tmp_path, job).pid
    assert pid
    for _ in range(3):
        os.killpg(pid, signal.SIGHUP)
        time.sleep(0.05)
    assert isinstance(watch_to_end(tmp_path, job)[-1], Result)


def test_secrets_arrive_though_the_launcher_dies_at_once(tmp_path: Path) -> None:
    for _ in range(5):
        launcher = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER + "os.kill(os.getpid(), 9)\n", str(tmp_path)],
            stdout=subprocess.PIPE,
        )
        job = launcher.communicate()[0].decode().strip()
        assert launcher.returncode == -signal.SIGKILL
        events = watch_to_end(tmp_path, job)
        assert isinstance(events[-1], Result) and Output(DIGEST) in events


def test_a_launcher_killed_at_any_moment_leaves_a_whole_job_or_an_interrupted_one(
    tmp_path: Path,
) -> None:
    ends = []
    for _ in range(8):
        launcher = subprocess.Popen(
            [sys.executable, "-c", "print('go', flush=True)\n" + LAUNCHER, str(tmp_path)],
            stdout=subprocess.PIPE,
        )
        assert launcher.stdout and launcher.stdout.readline() == b"go\n"
        time.sleep(random.uniform(0.05, 0.4))
        launcher.kill()
        launcher.communicate()
    deadline = time.monotonic() + 60
    while any(not job.final for job in board.jobs(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for job in board.jobs(tmp_path):
        ends.append(job.state)
        assert job.state in ("done", "interrupted")
        assert job.state == "done" or job.started_at is None
        assert not held(Folder(tmp_path / "jobs" / job.id).lock)
    assert len(ends) <= 8


def test_cancelling_ends_children_and_those_an_owner_forgot(tmp_path: Path) -> None:
    job = start(tmp_path, ["stray", 300], ["child", 300])
    near, far = map(int, await_output(tmp_path, job, "strays").split()[1:])
    child = int(await_output(tmp_path, job, "child").split()[1])
    try:
        assert board.cancel(tmp_path, job)
        events = watch_to_end(tmp_path, job)
        last = events[-1]
        assert isinstance(last, Failed) and (last.code, last.exit_code) == ("cancelled", 130)
        # Ended before the last event was written, the one that ignores SIGTERM too.
        assert gone(child, 0) and gone(near, 0)
        assert board.find(tmp_path, job).warnings[0].code == "children-left"
        # In a session of its own, as the guard of paused containers is: left alone.
        assert not gone(far, 0)
    finally:
        os.kill(far, signal.SIGKILL)


@pytest.mark.parametrize("do", [["sleep", 0], ["fail", "x"], ["crash", "x"]])
def test_children_do_not_outlive_any_end(tmp_path: Path, do: list[object]) -> None:
    job = start(tmp_path, ["stray", 300], do)
    near, far = map(int, await_output(tmp_path, job, "strays").split()[1:])
    os.kill(far, signal.SIGKILL)
    assert isinstance(watch_to_end(tmp_path, job)[-1], Result | Failed)
    assert gone(near, 0)


def test_jobs_of_dead_workers_do_not_stop_the_next(tmp_path: Path) -> None:
    dead = start(tmp_path, ["lease", "shop-db"], ["kill", None])
    watch_to_end(tmp_path, dead)
    job = start(tmp_path, ["lease", "shop-db"])
    events = watch_to_end(tmp_path, job)
    assert isinstance(events[0], Accepted) and isinstance(events[-1], Result)
    assert [w.code for w in board.find(tmp_path, job).warnings] == ["lease-taken-over"]
    assert dead in board.find(tmp_path, job).warnings[0].message


def test_two_jobs_on_one_source_one_is_refused_with_the_others_name(tmp_path: Path) -> None:
    first = start(tmp_path, ["lease", "shop-db"], ["say", "has it"], ["sleep", 60])
    await_output(tmp_path, first, "has it")
    last = watch_to_end(tmp_path, start(tmp_path, ["lease", "shop-db"]))[-1]
    assert isinstance(last, Failed) and (last.code, last.exit_code) == ("held", 6)
    assert first in last.message
    board.cancel(tmp_path, first)
    watch_to_end(tmp_path, first)
