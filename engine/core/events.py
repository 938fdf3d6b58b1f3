"""Events: what a job's journal says, one JSON line each.

A record is an event with its time and its number. The final ones are Result and Failed; a job
without one whose lease is free was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Outcome = Literal["done", "warnings"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job exists. `request` holds its parameters without secrets."""

    job: str
    operation: str
    title: str
    host: str
    user: str
    request: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """The worker runs: its process id on `host`."""

    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A part of the work, e.g. `dump shop-db`. `source` is empty where it is about none."""

    phase: str
    title: str
    source: str = ""
    expected_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of the plain stream unless unit says otherwise; rate per second; eta in seconds."""

    phase: str
    done: int
    expected: int | None
    rate: float
    eta: float | None
    unit: str = "bytes"


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    phase: str
    seconds: float
    done: int = 0


@dataclass(frozen=True, slots=True)
class CommandStarted:
    """A child process; secrets never stand in argv. `where` is `host` or a container's name."""

    argv: tuple[str, ...]
    where: str = "host"


@dataclass(frozen=True, slots=True)
class Output:
    """A line a child printed: the operator's sign of life."""

    line: str


@dataclass(frozen=True, slots=True)
class Warned:
    code: str
    message: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotCommitted:
    """A manifest was written: the snapshot exists from here on."""

    source: str
    ref: str
    stored_bytes: int
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class Result:
    """The last event of a job that did its work."""

    outcome: Outcome
    summary: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The last event of a job that did not. `detail` may hold a traceback, for the journal only."""

    code: str
    message: str
    remedy: str
    exit_code: int
    detail: str = ""


Event = (
    Accepted
    | Started
    | PhaseStarted
    | Progress
    | PhaseEnded
    | CommandStarted
    | Output
    | Warned
    | SnapshotCommitted
    | Result
    | Failed
)
EVENTS: dict[str, type] = {
    "accepted": Accepted,
    "started": Started,
    "phase-started": PhaseStarted,
    "progress": Progress,
    "phase-ended": PhaseEnded,
    "command": CommandStarted,
    "output": Output,
    "warning": Warned,
    "snapshot": SnapshotCommitted,
    "result": Result,
    "failed": Failed,
}
EVENT_NAMES: dict[type, str] = {cls: name for name, cls in EVENTS.items()}


@dataclass(frozen=True, slots=True)
class Record:
    """One journal line: number from 1, UTC time, event."""

    seq: int
    at: datetime
    event: Event


Emit = Callable[[Event], None]
"""How an operation tells what it does. It never prints."""
