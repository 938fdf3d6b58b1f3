"""Jobs: one run of an operation, seen through its journal. The states are a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from engine.core import events

State = Literal["accepted", "running", "done", "warnings", "failed", "cancelled", "interrupted"]
FINAL: frozenset[State] = frozenset({"done", "warnings", "failed", "cancelled", "interrupted"})

TRANSITIONS: dict[tuple[State, type], State] = {
    ("accepted", events.Started): "running",
    ("running", events.Result): "done",
    ("running", events.Failed): "failed",
    ("accepted", events.Failed): "failed",
}

STATE_WORDS: dict[State, str] = {
    "accepted": "waiting to start",
    "running": "running",
    "done": "done",
    "warnings": "done with warnings",
    "failed": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase as far as it got. seconds is None while it runs."""

    name: str
    title: str
    source: str
    started: datetime
    expected_bytes: int | None = None
    done: int = 0
    rate: float = 0.0
    eta: float | None = None
    seconds: float | None = None
    unit: str = "bytes"


@dataclass(frozen=True, slots=True)
class Job:
    """A fold over a journal: what the job list and the job screen show.

    `interrupted` is never in a journal: the reader sets it when there is no final event and
    nobody holds the job's lock.
    """

    id: str
    operation: str = ""
    title: str = ""
    host: str = ""
    user: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    state: State = "accepted"
    accepted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_at: datetime | None = None
    pid: int | None = None
    phases: tuple[Phase, ...] = ()
    warnings: tuple[events.Warned, ...] = ()
    snapshots: tuple[events.SnapshotCommitted, ...] = ()
    command: events.CommandStarted | None = None
    last_output: str = ""
    result: events.Result | None = None
    failure: events.Failed | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def phase(self) -> Phase | None:
        """The newest phase."""
        return self.phases[-1] if self.phases else None

    @property
    def exit_code(self) -> int | None:
        """What the command line exits with for this job; None while it runs."""
        if self.failure:
            return self.failure.exit_code
        if self.result:
            return 8 if self.result.outcome == "warnings" else 0
        return 1 if self.state == "interrupted" else None


def fold(job: Job, records: Iterable[events.Record]) -> Job:
    """The job after these records."""
    for record in records:
        job = replace(_apply(job, record), last_at=record.at)
    return job


def _apply(job: Job, record: events.Record) -> Job:
    event = record.event
    state = TRANSITIONS.get((job.state, type(event)), job.state)
    match event:
        case events.Accepted():
            return replace(
                job,
                operation=event.operation,
                title=event.title,
                host=event.host,
                user=event.user,
                request=event.request,
                sources=event.sources,
                accepted_at=record.at,
            )
        case events.Started():
            return replace(job, state=state, pid=event.pid, started_at=record.at)
        case events.Result():
            final: State = "warnings" if event.outcome == "warnings" else "done"
            return replace(job, state=final, result=event, ended_at=record.at)
        case events.Failed():
            final = "cancelled" if event.code == "cancelled" else "failed"
            return replace(job, state=final, failure=event, ended_at=record.at)
        case events.Warned():
            return replace(job, warnings=(*job.warnings, event))
        case events.SnapshotCommitted():
            return replace(job, snapshots=(*job.snapshots, event))
        case events.CommandStarted():
            return replace(job, command=event)
        case events.Output():
            return replace(job, last_output=event.line)
        case _:
            return replace(job, phases=_phases(job.phases, record))


def _phases(phases: tuple[Phase, ...], record: events.Record) -> tuple[Phase, ...]:
    event = record.event
    if isinstance(event, events.PhaseStarted):
        new = Phase(event.phase, event.title, event.source, record.at, event.expected_bytes)
        return (*phases, new)
    if not isinstance(event, events.Progress | events.PhaseEnded):
        return phases
    for index in range(len(phases) - 1, -1, -1):
        phase = phases[index]
        if phase.name == event.phase and phase.seconds is None:
            break
    else:
        return phases
    if isinstance(event, events.Progress):
        phase = replace(
            phase,
            done=event.done,
            rate=event.rate,
            eta=event.eta,
            unit=event.unit,
            expected_bytes=event.expected if event.expected is not None else phase.expected_bytes,
        )
    else:
        phase = replace(phase, seconds=event.seconds, done=event.done or phase.done, eta=None)
    return (*phases[:index], phase, *phases[index + 1 :])
