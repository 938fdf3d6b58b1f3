"""The board: the jobs of this host as their journals tell, without asking any process."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from engine.core.errors import MentatError, UsageError
from engine.core.events import Failed, Record
from engine.core.job import Job, fold
from engine.jobs import folder as folders
from engine.jobs import folds, journal, procfs
from engine.jobs.folder import Folder
from engine.jobs.journal import Clock, utc_now
from engine.jobs.locks import Busy, Lock, held, read_note

GRACE = timedelta(seconds=10)  # from accepted to a worker's lock, where systemd starts it
_PROBE_EVERY = 1.0  # seconds without news after which `watch` looks at the lock
_WORKER_COMES = 5.0  # seconds `cancel` gives a worker that is just starting


def jobs(state: Path, limit: int = 200, *, clock: Clock = utc_now) -> list[Job]:
    """The newest `limit` jobs, newest first. `interrupted` is found here. ConfigurationError when
    the state directory cannot be read; none at all when it does not exist yet."""
    found = [_look(Folder(state / "jobs" / name), clock()) for name in folders.ids(state)[:limit]]
    return sorted(found, key=_newness, reverse=True)


def _newness(job: Job) -> tuple[datetime, str]:
    return job.accepted_at or Folder(Path(job.id)).accepted_at, job.id


def find(state: Path, start: str, *, clock: Clock = utc_now) -> Job:
    """The job of this id or unique start of an id. UsageError when there is none, or several."""
    return _look(_folder(state, start), clock())


def _folder(state: Path, start: str) -> Folder:
    if folders.ID.fullmatch(start) and (state / "jobs" / start).is_dir():
        return Folder(state / "jobs" / start)
    names = [name for name in folders.ids(state) if name.startswith(start)] if start else []
    if len(names) == 1:
        return Folder(state / "jobs" / names[0])
    if not names:
        raise UsageError(f"there is no job {start!r}", "See `mentat-dr job list`.")
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    raise UsageError(f"{len(names)} jobs start with {start!r}", f"Give more of one: {shown}")


def records(state: Path, job_id: str, offset: int = 0) -> tuple[Sequence[Record], int]:
    """Journal records from byte `offset`, some megabytes at most, and the offset to ask with
    next. UsageError when there is no such job."""
    return journal.read(_folder(state, job_id).journal, offset)


def watch(
    state: Path, job_id: str, poll: float = 0.2, *, offset: int = 0, clock: Clock = utc_now
) -> Iterator[Record]:
    """Every record as it comes, until the last one. For a job that died without an end, the last
    is a Failed of code `interrupted` that stands in no journal. Looks every `poll` seconds."""
    folder = _folder(state, job_id)
    news = time.monotonic()
    job = Job(folder.id)
    seq = 0
    while True:
        batch, offset = journal.read(folder.journal, offset)
        for record in batch:
            job, seq = fold(job, [record]), record.seq
            yield record
            if job.final:
                return
        if batch:
            news = time.monotonic()
            continue
        if time.monotonic() - news >= _PROBE_EVERY:
            looked = _look(folder, clock())
            if journal.read(folder.journal, offset)[1] != offset:
                continue
            if looked.state == "interrupted" and looked.failure:
                yield Record(seq + 1, looked.last_at or clock(), looked.failure)
            if looked.final:
                return
            news = time.monotonic()
        time.sleep(poll)


def cancel(state: Path, job_id: str) -> bool:
    """Ask the job's worker, and nobody else, to stop and clean up. False when it has ended
    already. A job whose worker has not come yet ends here. MentatError when its process is not
    to be seen from here."""
    folder = _folder(state, job_id)
    until = time.monotonic() + _WORKER_COMES
    while not _look(folder, utc_now()).final:
        if not held(folder.lock):
            with contextlib.suppress(Busy), Lock.take(folder.lock):
                return _cancel_waiting(folder)
            continue
        holder = read_note(folder.lock)
        if holder and holder.alive:
            return procfs.tell(holder.pid, holder.started, signal.SIGTERM)
        if time.monotonic() > until:
            where = f"pid {holder.pid} on {holder.host}" if holder else "not known yet"
            raise MentatError(
                f"job {folder.id} runs, but its process is not to be seen from here ({where})",
                "Cancel it where it runs, as the same user.",
            )
        time.sleep(0.05)
    return False


def _cancel_waiting(folder: Folder) -> bool:
    """End a job that waits for its worker; the lock is held. False when there was an end."""
    found, _ = journal.read_all(folder.journal)
    if fold(Job(folder.id), found).state != "accepted":
        return False
    with journal.Journal(folder.journal) as writer:
        writer.append(Failed("cancelled", "the job was cancelled before it began", "", 130))
    return True


def _look(folder: Folder, now: datetime) -> Job:
    """The job as it is now. The lock is looked at before the second reading, since a worker
    writes its last event before it lets go."""
    job = folds.fold_of(folder)
    if job.final or held(folder.lock):
        return job
    job = folds.fold_of(folder)
    accepted_at = job.accepted_at or folder.accepted_at
    if job.final or (job.state == "accepted" and now - accepted_at < GRACE):
        return job
    folds.keep(folder)
    return interrupted(job, folder)


def interrupted(job: Job, folder: Folder) -> Job:
    """The job without an end, with what to do next as its failure."""
    said = folder.last_words()
    if job.started_at is None:
        what = "its worker never began"
    else:
        last = job.last_at or job.started_at
        what = f"its process died; the last sign of life was at {last:%Y-%m-%d %H:%M:%S} UTC"
    failure = Failed(
        "interrupted",
        f"the job was interrupted: {what}" + (f" ({said})" if said else ""),
        f"What it had not finished does not count as a snapshot. See how far it came with "
        f"`mentat-dr job log {job.id}`, then start the operation again.",
        1,
    )
    return replace(job, state="interrupted", ended_at=job.last_at, failure=failure)
