"""What an incident's journal says, one line each. Unknown events of later versions are skipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Mode = Literal["LIVE", "DRILL"]
Outcome = Literal["recovered", "partly", "false-alarm", "abandoned"]
OUTCOMES: tuple[Outcome, ...] = ("recovered", "partly", "false-alarm", "abandoned")


@dataclass(frozen=True, slots=True)
class Who:
    """Who did something, and from where.

    person   the account a person logged in with, or the name they gave
    account  the account it ran as
    origin   the address of their SSH connection, the terminal, or `cron`
    session  tells two logins of one account apart: host, and the login's first process
    """

    person: str
    account: str
    origin: str
    host: str
    session: str = ""

    @property
    def shown(self) -> str:
        """`anna (as root) from 10.0.0.7`."""
        account = f" (as {self.account})" if self.account != self.person else ""
        return f"{self.person}{account}" + (f" from {self.origin}" if self.origin else "")


@dataclass(frozen=True, slots=True)
class Declared:
    """The incident exists. `runbook` is its whole document, so that it is the same everywhere."""

    incident: str
    mode: Mode
    host: str
    environment: str
    began: datetime
    runbook: Mapping[str, Any]
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A parameter of the runbook was told."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class StepBegan:
    """attempt counts from 1; `does` is the command line that does the same."""

    step: str
    attempt: int = 1
    does: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepJob:
    """The job that does the step (or its reversal), on the host where it runs."""

    step: str
    job: str
    host: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """ended: when it really ended, where that was before it was noticed."""

    step: str
    note: str = ""
    answer: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepFailed:
    step: str
    why: str
    remedy: str = ""
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepSkipped:
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepReversing:
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepReversed:
    step: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    step: str


@dataclass(frozen=True, slots=True)
class Approved:
    step: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    text: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceKept:
    """name as it was, its SHA-256 and size in bytes, and where a copy is."""

    name: str
    sha256: str
    size: int
    where: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class FollowUp:
    text: str


@dataclass(frozen=True, slots=True)
class RoleTaken:
    role: str
    person: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The lead offers the incident to somebody; it stays theirs until that one accepts."""

    to: str
    summary: str


@dataclass(frozen=True, slots=True)
class HandOverAccepted:
    pass


@dataclass(frozen=True, slots=True)
class TookOver:
    """Somebody took the lead without a hand-over, or on another machine; reason says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    outcome: Outcome
    summary: str


IncidentEvent = (
    Declared
    | ValueSet
    | StepBegan
    | StepJob
    | StepFinished
    | StepFailed
    | StepSkipped
    | StepReversing
    | StepReversed
    | ApprovalAsked
    | Approved
    | Noted
    | EvidenceKept
    | FollowUp
    | RoleTaken
    | HandedOver
    | HandOverAccepted
    | TookOver
    | Closed
)

NAMES: Mapping[str, type] = {
    "declared": Declared,
    "value": ValueSet,
    "step-began": StepBegan,
    "step-job": StepJob,
    "step-finished": StepFinished,
    "step-failed": StepFailed,
    "step-skipped": StepSkipped,
    "step-reversing": StepReversing,
    "step-reversed": StepReversed,
    "approval-asked": ApprovalAsked,
    "approved": Approved,
    "note": Noted,
    "evidence": EvidenceKept,
    "follow-up": FollowUp,
    "role": RoleTaken,
    "handed-over": HandedOver,
    "hand-over-accepted": HandOverAccepted,
    "took-over": TookOver,
    "closed": Closed,
}
WORDS: Mapping[type, str] = {kind: name for name, kind in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal: number from 1, UTC time, who, and what."""

    seq: int
    at: datetime
    who: Who
    event: IncidentEvent
