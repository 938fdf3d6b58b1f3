"""The board: what the journals say, found fast, with `interrupted` told from `running`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from engine.core.errors import ConfigurationError, MentatError, UsageError
from engine.core.events import (
    Accepted,
    Event,
    Failed,
    Output,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Result,
    SnapshotCommitted,
    Started,
    Warned,
)
from engine.core.job import Job, fold
from engine.jobs import board, codec, folder, folds
from engine.jobs.folder import Folder
from engine.jobs.journal import Journal, read_all
from engine.jobs.locks import Holder, Lock, myself, read_note
from tests.toy_jobs import await_output, gone, start

START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


class Ticking:
    """A clock that moves a second at each look."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def write(state: Path, *events: Event, at: datetime = START, spoken: str = "") -> Folder:
    """A job's folder with these events after Accepted."""
    made = folder.create(state, "backup", at)
    with Journal(made.journal, Ticking(at)) as writer:
        writer.append(Accepted(made.id, "backup", "back up", "landsraad", "root", {}, ("shop-db",)))
        for event in events:
            writer.append(event)
    made.log.write_text(spoken)
    return made


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Each test starts as a fresh process does."""
    folds._memory.clear()
    yield
    folds._memory.clear()


DONE = (
    Started(7, "landsraad"),
    PhaseStarted("dump", "dump shop-db", "shop-db", 100),
    Progress("dump", 40, 100, 10.0, 6.0),
    Warned("changed", "a file changed", "shop-db"),
    Progress("dump", 90, 100, 10.0, 1.0),
    PhaseEnded("dump", 9.0, 100),
    SnapshotCommitted("shop-db", "ref", 50, 100),
    Result("warnings", "1 of 1"),
)


def test_the_fold_is_that_of_the_whole_journal(state: Path) -> None:
    made = write(state, *DONE)
    whole = fold(Job(made.id), read_all(made.journal)[0])
    assert board.jobs(state) == [whole]
    assert whole.state == "warnings" and whole.phases[0].done == 100
    folds._memory.clear()
    assert board.find(state, made.id) == whole  # now from fold.json


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_leaving_void_progress_out_changes_nothing(state: Path) -> None:
    events: list[Event] = [Started(1, "h")]
    for phase in ("a", "b", "a"):
        events.append(PhaseStarted(phase, phase, expected_bytes=9))
        for n in range(5):
            events += [Progress(phase, n, None, float(n), 1.0), Output(f"{phase} {n}")]
            events.append(Progress("b", n + 3, 99, 1.0, None))
        events.append(PhaseEnded(phase, 1.0))
    for size in range(len(events)):
        made = write(state, *events[:size])
        records, _ = read_all(made.journal)
        assert folds.fold_of(made) == fold(Job(made.id), records)


def test_ended_jobs_are_decoded_once(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        write(state, *DONE, at=START + timedelta(minutes=number))
    first = board.jobs(state)
    folds._memory.clear()  # another process

    def never(*_: object) -> None:
        raise AssertionError("a journal was decoded again")

    monkeypatch.setattr(codec, "decode", never)
    assert board.jobs(state) == first
    assert [job.accepted_at for job in first] == sorted(
        (job.accepted_at for job in first if job.accepted_at), reverse=True
    )
    assert board.jobs(state, 7) == first[:7]


def test_a_growing_journal_is_read_on_from_where_it_was(state: Path) -> None:
    made = write(state, Started(os.getpid(), "h"))
    with Lock.take(made.lock):
        seen = [board.find(state, made.id)]
        with Journal(made.journal, Ticking()) as writer:
            for event in DONE[1:]:
                writer.append(event)
                seen.append(board.find(state, made.id))
    assert [job.state for job in seen] == ["running"] * 7 + ["warnings"]
    assert seen[-1] == fold(Job(made.id), read_all(made.journal)[0])


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff", b"[" * 90_000])
def test_a_damaged_cache_is_not_believed(state: Path, content: bytes) -> None:
    made = write(state, *DONE)
    right = board.find(state, made.id)
    folds._memory.clear()
    made.fold.write_bytes(content)
    assert board.find(state, made.id) == right


def test_the_cache_of_another_journal_is_not_believed(state: Path) -> None:
    made, other = write(state, *DONE), write(state, Started(1, "h"), Failed("x", "m", "r", 4))
    board.jobs(state)
    folds._memory.clear()
    made.fold.write_bytes(other.fold.read_bytes())
    assert board.find(state, made.id).state == "warnings"


def test_a_cache_that_cannot_be_written_does_not_matter(state: Path) -> None:
    made = write(state, *DONE)
    made.fold.mkdir()
    (made.fold / "x").write_text("")
    assert board.find(state, made.id).state == "warnings"
    assert sorted(p.name for p in made.path.iterdir()) == [
        "fold.json",
        "journal.jsonl",
        "worker.log",
    ]


def test_a_free_lock_without_an_end_is_interrupted(state: Path) -> None:
    made = write(state, *DONE[:3])
    with Lock.take(made.lock):
        assert board.find(state, made.id).state == "running"
    found = board.find(state, made.id)
    assert found.state == "interrupted" and found.final and found.exit_code == 1
    assert found.failure and found.failure.code == "interrupted"
    assert "02:00:04 UTC" in found.failure.message
    assert f"job log {made.id}" in found.failure.remedy
    assert found.ended_at == found.last_at
    assert b"interrupted" not in made.journal.read_bytes()
    folds._memory.clear()
    assert board.find(state, made.id) == found  # from fold.json
    with Lock.take(made.lock):
        assert board.find(state, made.id).state == "running"


def test_a_worker_that_never_began_is_interrupted_after_its_grace(state: Path) -> None:
    made = write(state, spoken="Traceback\nImportError: no module\n\n")
    accepted = START + timedelta(seconds=1)
    assert board.jobs(state)[0].accepted_at == accepted

    def at(seconds: float) -> Job:
        return board.find(state, made.id, clock=lambda: accepted + timedelta(seconds=seconds))

    assert at(9).state == "accepted"
    found = at(11)
    assert found.state == "interrupted" and found.failure
    assert "never began" in found.failure.message
    assert "ImportError: no module" in found.failure.message
    with Lock.take(made.lock):
        assert at(11).state == "accepted"


def test_a_folder_without_anything_is_interrupted_too(state: Path) -> None:
    made = folder.create(state, "backup", START)
    assert [job.state for job in board.jobs(state)] == ["interrupted"]
    assert board.find(state, made.id).id == made.id


def test_nothing_yet_is_no_jobs(state: Path) -> None:
    assert board.jobs(state) == []
    (state / "jobs").mkdir(parents=True)
    (state / "jobs" / "stray").mkdir()
    assert board.jobs(state) == []


def test_jobs_are_found_by_the_start_of_their_id(state: Path) -> None:
    one = write(state, *DONE)
    two = write(state, *DONE, at=START + timedelta(days=1))
    assert board.find(state, "20261122").id == one.id
    assert board.find(state, two.id).id == two.id
    with pytest.raises(UsageError, match="2 jobs start with '2026'") as refusal:
        board.find(state, "2026")
    assert one.id in refusal.value.remedy
    for wrong in ("", "..", "../jobs", "2026/..", "x"):
        with pytest.raises(UsageError, match="there is no job"):
            board.find(state, wrong)


def test_records_come_from_an_offset(state: Path) -> None:
    made = write(state, *DONE)
    records, offset = board.records(state, made.id)
    assert [r.seq for r in records] == list(range(1, 10))
    assert board.records(state, made.id, offset) == ([], offset)
    with pytest.raises(UsageError):
        board.records(state, "x")


def test_a_directory_that_cannot_be_read_is_named(state: Path) -> None:
    state.mkdir()
    (state / "jobs").symlink_to("jobs")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        board.jobs(state)


# ---------------------------------------------------------------- with real jobs


def test_watching_ends_with_the_last_event(state: Path) -> None:
    job = start(state, ["chatter", 30], ["sleep", 0.3], ["chatter", 30])
    seen = list(board.watch(state, job, 0.01))
    assert [r.seq for r in seen] == list(range(1, len(seen) + 1))
    assert isinstance(seen[-1].event, Result) and len(seen) == 2 + 180 + 1
    assert list(board.watch(state, job)) == seen
    later = list(board.watch(state, job, offset=board.records(state, job)[1]))
    assert later == []


def test_watching_a_job_that_dies_ends_with_interrupted(state: Path) -> None:
    job = start(state, ["say", "alive"], ["kill", None])
    seen = list(board.watch(state, job, 0.02))
    assert isinstance(seen[-1].event, Failed) and seen[-1].event.code == "interrupted"
    assert [type(r.event) for r in seen[:-1]] == [Accepted, Started, Output]
    assert seen[-1].seq == 4
    assert board.find(state, job).state == "interrupted"
    assert len(board.records(state, job)[0]) == 3


def test_watching_a_job_that_died_before_we_came(state: Path) -> None:
    made = write(state, *DONE[:4])
    seen = list(board.watch(state, made.id, 0.01))
    assert len(seen) == 6 and isinstance(seen[-1].event, Failed)


def test_cancel_asks_the_worker_and_it_cleans_up(state: Path) -> None:
    job = start(state, ["slow_cleanup", 0.5])
    await_output(state, job, "working")
    assert board.cancel(state, job[:20])
    await_output(state, job, "cleaning up")
    assert board.cancel(state, job)  # a second one does not disturb the clean-up
    seen = [r.event for r in board.watch(state, job, 0.02)]
    assert Output("cleaned up") in seen
    found = board.find(state, job)
    assert (found.state, found.exit_code) == ("cancelled", 130)
    assert found.pid and gone(found.pid)
    assert not board.cancel(state, job)


def test_cancel_counts_also_where_a_library_swallows_it(state: Path) -> None:
    job = start(state, ["swallow", 300])
    await_output(state, job, "swallowing")
    board.cancel(state, job)
    for _ in board.watch(state, job, 0.02):
        pass
    found = board.find(state, job)
    assert found.state == "cancelled" and found.failure
    assert "connection broken" in found.failure.detail


def test_cancel_right_after_launch(state: Path) -> None:
    for _ in range(5):
        job = start(state, ["sleep", 300])
        assert board.cancel(state, job)
        for _ in board.watch(state, job, 0.02):
            pass
        assert board.find(state, job).state == "cancelled"


def test_cancel_before_the_worker_came_ends_the_job(state: Path) -> None:
    made = write(state, at=datetime.now(UTC))
    assert board.cancel(state, made.id)
    assert board.find(state, made.id).state == "cancelled"
    assert not board.cancel(state, made.id)


def test_cancel_of_what_has_ended_signals_nobody(state: Path) -> None:
    bystander = os.fork()
    if bystander == 0:
        time.sleep(300)
        os._exit(0)
    try:
        dead = write(state, Started(bystander, "landsraad"))
        with Lock.take(dead.lock) as lock:
            lock.note(myself(dead.id, "backup", "root", START))
        assert not board.cancel(state, dead.id)
        assert os.waitpid(bystander, os.WNOHANG) == (0, 0)
    finally:
        os.kill(bystander, signal.SIGKILL)
        os.waitpid(bystander, 0)


def test_cancel_of_a_worker_out_of_sight_says_so(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "_WORKER_COMES", 0.2)
    made = write(state, Started(1, "landsraad"))
    with Lock.take(made.lock) as lock:
        with pytest.raises(MentatError, match="not known yet"):
            board.cancel(state, made.id)
        lock.note(myself(made.id, "backup", "root", START))
        lock.note(lock_of_another_boot(made))
        with pytest.raises(MentatError, match="not to be seen from here"):
            board.cancel(state, made.id)


def lock_of_another_boot(made: Folder) -> Holder:
    note = read_note(made.lock)
    assert note
    return msgspec.structs.replace(note, boot="another machine's")
