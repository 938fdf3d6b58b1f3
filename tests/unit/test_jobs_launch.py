"""Launching: real workers, detached, private, with an end that says what happened."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.core.errors import ConfigurationError, HeldError, UsageError
from engine.core.events import Accepted, Result, Started
from engine.jobs import board, folder, launch
from engine.jobs.folder import Folder
from engine.jobs.journal import read_all
from engine.jobs.locks import held
from tests import toy_jobs
from tests.toy_jobs import gone, outputs, start
from tests.toy_secrets import check_hidden, ended, on_disk

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


def test_a_job_runs_to_its_end_in_its_own_session(state: Path) -> None:
    job = start(state, ["sleep", 0.5], sources=("shop-db",))
    assert folder.ID.fullmatch(job) and "-toy-" in job
    await_started(state, job)
    pid = board.find(state, job).pid
    assert pid and os.getsid(pid) == pid != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    found = ended(state, job)
    assert (found.state, found.exit_code) == ("done", 0)
    assert found.sources == ("shop-db",) and found.title == "a toy"
    assert found.result and found.result.facts == {"config": "/nowhere/config.toml"}
    kinds = [type(record.event) for record in read_all(Folder(state / "jobs" / job).journal)[0]]
    assert kinds == [Accepted, Started, Result]
    assert gone(pid)


def await_started(state: Path, job: str) -> None:
    assert launch.wait_started(Folder(state / "jobs" / job), 60)


def test_only_the_owner_can_look(state: Path) -> None:
    old = os.umask(0)
    try:
        job = start(state, ["say", "hello"])
    finally:
        os.umask(old)
    found = ended(state, job)
    assert found.pid and gone(found.pid)
    place = state / "jobs" / job
    assert {stat.S_IMODE(p.stat().st_mode) for p in (place, place.parent, state)} == {0o700}
    assert {stat.S_IMODE(p.stat().st_mode) for p in place.iterdir()} == {0o600}
    assert {p.name for p in place.iterdir()} == {
        "spec.json",
        "journal.jsonl",
        "lock",
        "worker.log",
        "fold.json",
    }


def test_waiting_for_the_first_sign_of_life(state: Path) -> None:
    job = start(state, ["sleep", 60], wait=60)
    assert board.find(state, job).state == "running"
    assert board.cancel(state, job)


def test_the_environment_is_clean(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    job = start(state, ["environment", None])
    names = {line.partition("=")[0] for line in outputs(state, job)}
    lines = outputs(state, job)
    assert not names & {"AWS_SECRET_ACCESS_KEY", "PYTHONSTARTUP", "LD_PRELOAD", "TERM"}
    assert {"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", f"MENTAT_DR_JOB={job}"} <= set(lines)


def test_secrets_reach_the_worker_and_nothing_else(state: Path) -> None:
    job = start(
        state, ["secret", "passphrase"], ["child", 60], secrets={"passphrase": SECRET.encode()}
    )
    check_hidden(state, job, SECRET)


def test_variables_the_configuration_names_are_handed_over_too(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2_KEY", SECRET)
    job = start(state, ["variable", "B2_KEY"], ["child", 60], environment=("B2_KEY", "UNSET"))
    check_hidden(state, job, SECRET)


def test_a_secret_in_an_error_is_cut_out(state: Path) -> None:
    job = start(state, ["leak", "passphrase"], secrets={"passphrase": SECRET.encode()})
    found = ended(state, job)
    assert found.failure and "[secret]" in found.failure.message
    assert SECRET.encode() not in on_disk(state)


def test_secrets_too_large_for_a_pipe_are_refused_before_anything_starts(state: Path) -> None:
    with pytest.raises(UsageError, match="can be handed over"):
        start(state, secrets={"key": b"x" * 60_000})
    assert not (state / "jobs").exists()


def test_a_worker_that_cannot_start_fails_the_job(state: Path) -> None:
    job = start(state, worker=("-c", "import no_such_module"), wait=60)
    found = board.find(state, job)
    assert found.state == "failed" and found.failure
    assert found.failure.code == "worker-died"
    assert "exit code 1" in found.failure.message and "no_such_module" in found.failure.message
    assert "worker.log" in found.failure.remedy and "start it again" in found.failure.remedy


def test_a_worker_killed_before_it_began_fails_the_job(state: Path) -> None:
    job = start(state, worker=("-c", "import os; os.kill(os.getpid(), 9)"), wait=60)
    found = board.find(state, job)
    assert found.failure and "was killed by signal 9" in found.failure.message


def test_a_python_that_is_not_there_fails_the_job(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = board.find(state, start(state))
    assert found.failure and "/nowhere/python" in found.failure.message
    assert not held(state / "jobs" / found.id / "lock")


@pytest.mark.parametrize(
    ("do", "code", "exit_code", "message"),
    [
        (["fail", "the passphrase is wrong"], "wrong-passphrase", 5, "the passphrase is wrong"),
        (["crash", "boom\nbang"], "unexpected", 1, "RuntimeError: boom"),
        (["no_such_verb", 0], "unexpected", 1, "AttributeError: "),
    ],
)
def test_failures_end_the_job_with_what_to_do(
    state: Path, do: list[object], code: str, exit_code: int, message: str
) -> None:
    job = start(state, do)
    found = ended(state, job)
    assert found.state == "failed" and found.failure and found.exit_code == exit_code
    assert found.failure.code == code and found.failure.message.startswith(message)
    assert "\n" not in found.failure.message and found.failure.remedy
    assert "Traceback" in found.failure.detail
    if code == "unexpected":
        assert str(state / "jobs" / job / "journal.jsonl") in found.failure.remedy
    assert (state / "jobs" / job / "worker.log").read_bytes() == b""


def test_an_operation_without_result_is_a_failure(state: Path) -> None:
    found = ended(state, start(state, operation="careless"))
    assert found.failure and "instead of a Result" in found.failure.message


def test_the_exit_code_of_the_process_is_the_jobs(state: Path) -> None:
    for do, code in ((["sleep", 0], 0), (["fail", "x"], 5), (["crash", "x"], 1)):
        folded = folder.create(state, "toy", datetime.now(UTC))
        spec = folder.Spec(folded.id, "toy", {"do": [do]}, "/c", str(state))
        folder.write_spec(folded, spec)
        child = os.spawnv(
            os.P_WAIT, sys.executable, [sys.executable, *toy_jobs.WORKER, str(folded.path)]
        )
        assert child == code


def test_one_job_is_begun_once(state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    job = start(state, ["sleep", 300], wait=60)
    path = state / "jobs" / job
    before = (path / "journal.jsonl").read_bytes()
    again = [sys.executable, *toy_jobs.WORKER, str(path)]
    assert os.spawnv(os.P_WAIT, sys.executable, again) == HeldError.exit_code
    assert "runs already" in capfd.readouterr().err
    assert (path / "journal.jsonl").read_bytes() == before
    board.cancel(state, job)
    ended(state, job)
    pid = board.find(state, job).pid
    assert pid and gone(pid)
    before = (path / "journal.jsonl").read_bytes()
    assert os.spawnv(os.P_WAIT, sys.executable, again) == HeldError.exit_code
    assert "was begun before" in capfd.readouterr().err
    assert (path / "journal.jsonl").read_bytes() == before


def test_two_launches_are_two_jobs(state: Path) -> None:
    now = datetime.now(UTC)
    made = {folder.create(state, "toy", now).id for _ in range(40)}
    assert len(made) == 40


@pytest.mark.parametrize("operation", ["", "../x", "Backup", "a b", "x" * 60, "-x"])
def test_odd_operation_names_are_refused(state: Path, operation: str) -> None:
    with pytest.raises(UsageError):
        start(state, operation=operation)


def test_a_state_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written") as refusal:
        start(tmp_path / "file")
    assert "MENTAT_DR_STATE" in refusal.value.remedy


def test_many_threads_may_tell(state: Path) -> None:
    job = start(state, ["crowd", 20])
    ended(state, job)
    records, _ = read_all(Folder(state / "jobs" / job).journal)
    assert [r.seq for r in records] == list(range(1, 3 + 8 * 20 * 3 + 1))


def test_a_stuck_thread_does_not_keep_the_process(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import sys\nfrom engine.jobs import worker\nworker._EXIT_PATIENCE = 0.3\n"
        "from tests.toy_jobs import run\nsys.exit(worker.entry(sys.argv[1:], run))\n"
    )
    job = start(state, ["stuck_thread", 300], worker=("-P", "-c", program))
    found = ended(state, job)
    assert found.state == "done" and found.pid and gone(found.pid)


def test_damaged_specs_end_the_job(state: Path) -> None:
    job = folder.create(state, "toy", datetime.now(UTC))
    folder.write_spec(job, folder.Spec("other", "toy", {}, "/c", str(state)))
    assert (
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, *toy_jobs.WORKER, str(job.path)]) == 3
    )
    found = board.find(state, job.id)
    assert found.failure and "belongs to job other" in found.failure.message
