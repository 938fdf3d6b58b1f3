"""The last runs of every operation, by source: what outlives the journals of the jobs.

Where binlogs are shipped every minute, yesterday's backup is soon no longer among the newest jobs;
so runs are remembered, a dozen for each operation and source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from engine.core.job import Job

KEPT = 12  # runs remembered of one operation and source
_REASONS = {3: "configuration", 4: "store", 5: "keys", 6: "held", 7: "damage", 130: "cancelled"}


@dataclass(frozen=True, slots=True)
class Run:
    """One operation's run on one source (empty: on none in particular).

    ok is False for what failed, was cancelled or interrupted. `reason` is a class of failure
    (configuration, store, keys, held, damage, cancelled, interrupted, failed), `code` the error's.
    """

    job: str
    operation: str
    source: str
    at: datetime
    ok: bool
    seconds: float
    stored_bytes: int = 0
    raw_bytes: int = 0
    files: int = 0
    warnings: int = 0
    reason: str = ""
    code: str = ""
    message: str = ""
    remedy: str = ""

    @property
    def subject(self) -> str:
        """`backup shop-db`: what a later run succeeds or fails at again."""
        return f"{self.operation} {self.source}".strip()


History = Mapping[str, tuple[Run, ...]]
"""Runs by subject, newest first."""


def runs_of(job: Job) -> tuple[Run, ...]:
    """What a job that has ended did for each of its sources; nothing for one that runs."""
    if not job.final:
        return ()
    return tuple(_run(job, source) for source in job.sources or ("",))


def _run(job: Job, source: str) -> Run:
    at = job.ended_at or job.last_at or job.accepted_at
    assert at is not None
    made = next((s for s in reversed(job.snapshots) if s.source == source), None)
    own = [w for w in job.warnings if w.source == source or len(job.sources) == 1]
    ok = job.state in ("done", "warnings") or (job.operation == "backup" and made is not None)
    phases = [p.seconds for p in job.phases if p.source == source and p.seconds is not None]
    whole = (at - job.started_at).total_seconds() if job.started_at else 0.0
    reason, code, message, remedy = ("", "", "", "") if ok else _why(job, source)
    return Run(
        job=job.id,
        operation=job.operation,
        source=source,
        at=at,
        ok=ok,
        seconds=sum(phases) if phases and len(job.sources) > 1 else max(0.0, whole),
        stored_bytes=made.stored_bytes if made else 0,
        raw_bytes=made.raw_bytes if made else 0,
        files=made.files if made else 0,
        warnings=len(own) if ok else 0,
        reason=reason,
        code=code,
        message=message,
        remedy=remedy,
    )


def _why(job: Job, source: str) -> tuple[str, str, str, str]:
    """Reason, code, message and remedy; a job of several sources warns of each that failed."""
    failure = job.failure
    if failure is None:
        return "interrupted", "interrupted", "it died without an end", "Start it again."
    reason = _REASONS.get(failure.exit_code, "failed")
    if job.state == "interrupted":
        reason = "interrupted"
    own = next((w for w in reversed(job.warnings) if source and w.source == source), None)
    if own is not None and len(job.sources) > 1:
        same = own.code == failure.code or failure.message.find(own.message) >= 0
        return (reason if same else "failed"), own.code, own.message, failure.remedy
    return reason, failure.code, failure.message, failure.remedy


def remember(history: History, jobs: Iterable[Job]) -> History:
    """The history with the runs of these jobs; each run is kept once."""
    found = {subject: {(r.job, r.source): r for r in runs} for subject, runs in history.items()}
    for job in jobs:
        for run in runs_of(job):
            found.setdefault(run.subject, {})[(run.job, run.source)] = run
    return {
        subject: tuple(sorted(runs.values(), key=lambda r: (r.at, r.job), reverse=True)[:KEPT])
        for subject, runs in found.items()
    }


def failures_in_a_row(runs: tuple[Run, ...]) -> int:
    """How many of the newest runs failed, up to the newest that did its work."""
    return next((number for number, run in enumerate(runs) if run.ok), len(runs))
