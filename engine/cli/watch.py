"""Watching a job: the command line only ever reads the journal; the job runs on without it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.api import Engine, Job, Record
from engine.cli import live
from engine.cli.output import Output, ask, interactive
from engine.core import events
from engine.core.errors import Cancelled, Interrupted
from engine.core.job import fold

POLL = 0.05  # seconds between looks at the journal
ALIVE = 3.0  # seconds of silence before asking whether the job still lives
PLAIN_PROGRESS = 15.0  # seconds between progress lines where nothing is redrawn
_QUIET = (
    events.Accepted,
    events.CommandStarted,
    events.Output,
    events.Progress,
    events.PhaseEnded,
    events.Result,
    events.Failed,
)


@dataclass
class _Watch:
    engine: Engine
    output: Output
    job: Job
    line: live.LiveLine
    offset: int = 0
    heard: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)

    def step(self) -> None:
        """Read what is new, tell it, and see whether the job still lives."""
        records, self.offset = self.engine.records(self.job.id, self.offset)
        self.job = fold(self.job, records)
        for record in records:
            self._tell(record)
        now = time.monotonic()
        if records:
            self.heard = now
        elif now - self.heard > ALIVE and not self.job.final:
            self.heard = now
            seen = self.engine.job(self.job.id)
            if seen.state == "interrupted":
                self.job = seen
        self._progress(now)

    def _tell(self, record: Record) -> None:
        if isinstance(record.event, _QUIET):
            return
        self.line.clear()
        said, style = live.event_line(record)
        self.output.line(said, style)

    def _progress(self, now: float) -> None:
        if self.line.enabled:
            self.line.draw(live.status_line(self.job, datetime.now(UTC)))
        elif now - self.told > PLAIN_PROGRESS and not self.job.final:
            self.told = now
            self.output.line(live.status_line(self.job, datetime.now(UTC)))


def watch(engine: Engine, job_id: str, output: Output) -> int:
    """Show the job until it ends; its exit code. Ctrl-C asks what to do: the job never dies of
    being watched."""
    watched = _Watch(engine, output, Job(job_id), live.LiveLine(output))
    try:
        while not watched.job.final:
            try:
                watched.step()
                if not watched.job.final:
                    time.sleep(POLL)
            except KeyboardInterrupt:
                watched.line.clear()
                if _leave(engine, job_id, output):
                    return 0
    finally:
        watched.line.clear()
    return _end(engine, watched.job, output)


def _leave(engine: Engine, job_id: str, output: Output) -> bool:
    """True to stop watching. The default leaves the job running."""
    if not interactive():
        raise Cancelled("stopped watching; the job goes on", f"mentat-dr job attach {job_id}")
    try:
        answer = ask("\nThe job goes on by itself. [d]etach, [c]ancel the job, [w]atch on? [d] ")
    except KeyboardInterrupt:
        answer = "d"
    if answer.lower().startswith("w"):
        return False
    if answer.lower().startswith("c"):
        output.note("asked the job to stop; waiting until it has cleaned up")
        engine.cancel(job_id)
        return False
    output.note(f"detached; watch again: mentat-dr job attach {job_id}")
    return True


def _end(engine: Engine, job: Job, output: Output) -> int:
    """Tell how the job ended; its exit code."""
    if job.failure:
        # Through the switch of main: same two lines and same JSON as any other failure.
        raise ended_badly(job.failure)
    if job.state == "interrupted":
        raise Interrupted(
            f"job {job.id} ended without a word (killed, or the machine went down)",
            f"Start it again; nothing half-written counts. Its journal: mentat-dr job log {job.id}",
        )
    if output.json:
        output.document(job)
    elif job.result:
        style = "ok" if job.result.outcome == "done" else "warning"
        done = "done" if job.result.outcome == "done" else "done with warnings"
        output.line(f"{done}: {job.result.summary}", style)
    return job.exit_code or 0


def ended_badly(failure: events.Failed) -> Exception:
    """The failure that the journal tells, with its own code and exit code."""
    from engine.core.errors import MentatError

    error = MentatError(failure.message, failure.remedy)
    error.code = failure.code  # type: ignore[misc]
    error.exit_code = failure.exit_code  # type: ignore[misc]
    return error


def start_or_watch(engine: Engine, job_id: str, output: Output, detach: bool) -> int:
    """With `detach` print the job's id and leave it; else watch it to its end."""
    if not detach:
        output.note(f"job {job_id} (it goes on if this terminal goes away)")
        return watch(engine, job_id, output)
    if output.json:
        output.document({"job": job_id})
    else:
        output.line(job_id)
        output.note(f"running by itself; watch it: mentat-dr job attach {job_id}")
    return 0
