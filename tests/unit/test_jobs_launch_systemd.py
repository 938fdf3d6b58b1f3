"""Launching under systemd, handing secrets over, and clearing old jobs away."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.core.errors import MentatError
from engine.core.events import Output
from engine.jobs import board, folder, handover, launch
from engine.jobs.folder import Folder
from engine.jobs.journal import Journal
from engine.jobs.locks import Lock, held
from tests import toy_jobs
from tests.toy_jobs import gone, start
from tests.toy_secrets import check_hidden, ended

SECRET = "correct horse battery staple \N{SNOWMAN}"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory; jobs that still run at the end are ended."""
    place = tmp_path / "state"
    yield place
    for job in board.jobs(place):
        if held(Folder(place / "jobs" / job.id).lock) and job.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGKILL)


# ---------------------------------------------------------------- systemd


def test_without_systemd_the_job_runs_plainly_and_says_so(
    state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "systemd-run").write_text("#!/bin/sh\necho 'no bus here' >&2\nexit 1\n")
    (tmp_path / "systemd-run").chmod(0o755)
    job = start(state, ["secret", "p"], systemd=True, secrets={"p": SECRET.encode()})
    found = ended(state, job)
    assert found.state == "done"
    assert [w.code for w in found.warnings] == ["not-a-unit"]
    assert "no bus here" in found.warnings[0].message
    assert not (state / "jobs" / job / "secrets").exists()


def unit_starter(place: Path, delay: float) -> None:
    """Stands in for systemd-run: returns at once; what follows `--` comes to life later, outside
    of our session, with the environment of --setenv alone."""
    (place / "systemd-run").write_text(
        "#!/bin/bash\nenvironment=()\n"
        'while [ "$1" != -- ]; do case "$1" in --setenv=*) environment+=("${1#--setenv=}");; '
        "esac; shift; done; shift\n"
        f'setsid sh -c "sleep {delay}; exec \\"\\$@\\"" - env -i "${{environment[@]}}" "$@" '
        "</dev/null >/dev/null 2>&1 &\n"
    )
    (place / "systemd-run").chmod(0o755)


def test_a_unit_gets_its_secrets_by_fifo(
    state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unit_starter(tmp_path, 0.5)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    job = start(
        state,
        ["secret", "passphrase"],
        ["child", 60],
        systemd=True,
        secrets={"passphrase": SECRET.encode()},
    )
    check_hidden(state, job, SECRET)
    assert not board.find(state, job).warnings


def test_a_unit_that_never_comes_fails_the_job_and_removes_the_fifo(
    state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unit_starter(tmp_path, 3)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(launch, "_UNIT_PATIENCE", 0.5)
    job = start(state, ["secret", "p"], systemd=True, secrets={"p": SECRET.encode()})
    found = board.find(state, job)
    assert found.failure and "did not come to life" in found.failure.message
    assert not (state / "jobs" / job / "secrets").exists()
    before = (state / "jobs" / job / "journal.jsonl").read_bytes()
    time.sleep(4)  # it comes late, and must not run a job that was given up
    assert (state / "jobs" / job / "journal.jsonl").read_bytes() == before


def test_the_unit_leaves_the_guard_alone_and_shows_no_secret(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2_KEY", SECRET)
    monkeypatch.setenv("HTTPS_PROXY", f"http://anna:{SECRET}@proxy")
    argv = launch.unit_command(Folder(Path("/s/100%/jobs/J")), ["python", "worker"])
    assert argv[-2:] == ["python", "worker"]
    assert "--property=KillMode=process" in argv and "--no-block" in argv
    assert "--property=StandardOutput=append:/s/100%%/jobs/J/worker.log" in argv
    assert SECRET not in " ".join(argv)


# ---------------------------------------------------------------- handing over


def test_a_worker_whose_launcher_vanished_says_so(state: Path) -> None:
    job = folder.create(state, "toy", datetime.now(UTC))
    spec = folder.Spec(job.id, "toy", {"do": []}, "/c", str(state), secrets=("p",))
    folder.write_spec(job, spec)
    os.mkfifo(job.fifo, 0o600)
    assert (
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, *toy_jobs.WORKER, str(job.path)]) == 1
    )
    found = board.find(state, job.id)
    assert found.failure and "were not handed over" in found.failure.message
    assert not job.fifo.exists()


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\xff\xff\xff\xff", b"\0\0\0\2{]"])
def test_a_strange_parcel_is_refused(tmp_path: Path, content: bytes) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    with pytest.raises(MentatError, match="not handed over"):
        handover.receive(read_end, tmp_path / "none")


def test_a_file_in_place_of_the_fifo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_bytes(handover.pack({"p": b"x"}, {}))
    with pytest.raises(MentatError, match="no FIFO"):
        handover.receive(None, tmp_path / "secrets")


def test_a_parcel_shows_names_only() -> None:
    assert repr(handover.Parcel({"p": SECRET.encode()}, {"E": SECRET})) == "Parcel(p, E)"


# ---------------------------------------------------------------- old jobs


def old_job(state: Path, days: float) -> Folder:
    made = folder.create(state, "toy", datetime.now(UTC) - timedelta(days=days))
    with Journal(made.journal) as writer:
        writer.append(Output("x"))
    return made


def test_old_jobs_are_removed_but_never_a_running_one(state: Path) -> None:
    new = [old_job(state, 0.001 * n) for n in range(5)]
    old, running = old_job(state, 91), old_job(state, 92)
    with Lock.take(running.lock):
        removed = folder.remove_old(state, datetime.now(UTC), keep=4)
        assert sorted(removed) == sorted([old.id, new[4].id])
        assert running.path.exists()
    assert sorted(folder.ids(state)) == sorted([*(f.id for f in new[:4]), running.id])
    assert {p.name for p in (state / "jobs").iterdir()} == set(folder.ids(state))
    assert folder.remove_old(state, datetime.now(UTC)) == [running.id]


def test_a_worker_clears_old_jobs_and_strangers_stay(state: Path) -> None:
    old = old_job(state, 100)
    (state / "jobs" / "notes.txt").write_text("mine")
    (state / "jobs" / "20200101T000000Z-toy").mkdir()
    found = ended(state, start(state))
    assert found.pid and gone(found.pid)
    assert not old.path.exists()
    assert (state / "jobs" / "notes.txt").exists()
    assert (state / "jobs" / "20200101T000000Z-toy").exists()
