"""Reports: what a verification or a drill looked at, what it found and how long it took.

Values only; `engine.operations.reports` writes them down and reads them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Outcome = Literal["passed", "warning", "failed"]
ReportKind = Literal[
    "verify-local",
    "verify-offsite",
    "verify-restore",
    "drill-quick",
    "drill-database",
    "drill-volumes",
    "drill-config",
    "drill-full",
]
VERIFICATIONS: tuple[ReportKind, ...] = ("verify-local", "verify-offsite", "verify-restore")
DRILLS: tuple[ReportKind, ...] = (
    "drill-quick",
    "drill-database",
    "drill-volumes",
    "drill-config",
    "drill-full",
)
REPORT_KINDS: tuple[ReportKind, ...] = VERIFICATIONS + DRILLS
TITLES: dict[ReportKind, str] = {
    "verify-local": "Verification of the local tier",
    "verify-offsite": "Verification of the offsite store",
    "verify-restore": "Restore test",
    "drill-quick": "Drill: quick",
    "drill-database": "Drill: databases",
    "drill-volumes": "Drill: volumes",
    "drill-config": "Drill: configuration",
    "drill-full": "Drill: full",
}

_RANK: dict[Outcome, int] = {"passed": 0, "warning": 1, "failed": 2}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    name      stable, kebab case: `stored-bytes`, `table-rows`
    source    empty where it is about the whole store or host
    remedy    what to do; empty only when it passed
    measured  numbers and words behind the outcome, e.g. {"age_seconds": 312.0, "snapshot": ref};
              bytes and seconds say so in their names
    """

    name: str
    source: str
    outcome: Outcome
    message: str
    remedy: str = ""
    measured: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimedPhase:
    """A part of the work as it was timed; `bytes` of the plain stream, 0 where none flowed."""

    name: str
    source: str
    seconds: float
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class RtoMeasured:
    """How long a recovery took against its target, in seconds. `source` is empty for the whole
    application. `snapshot` is the ref that was recovered; `bytes` its plain size, `stored_bytes`
    what was read from the store."""

    source: str
    kind: str
    seconds: float
    target_seconds: float
    snapshot: str = ""
    bytes: int = 0
    stored_bytes: int = 0

    @property
    def met(self) -> bool:
        return self.seconds <= self.target_seconds


@dataclass(frozen=True, slots=True)
class Report:
    """One verification or drill. `id` is the job's; `store` names where the bytes were read from
    (as on screens); `rto` is empty for a verification that restores nothing."""

    kind: ReportKind
    id: str
    host: str
    started: datetime
    finished: datetime
    checks: tuple[Check, ...]
    phases: tuple[TimedPhase, ...] = ()
    rto: tuple[RtoMeasured, ...] = ()
    store: str = ""
    environment: str = ""
    engine_version: str = ""

    @property
    def passed(self) -> int:
        return sum(check.outcome == "passed" for check in self.checks)

    @property
    def warnings(self) -> int:
        return sum(check.outcome == "warning" for check in self.checks)

    @property
    def failed(self) -> int:
        return sum(check.outcome == "failed" for check in self.checks)

    @property
    def outcome(self) -> Outcome:
        """The worst of its checks. One that checked nothing has failed: it proves nothing."""
        return worst_outcome(self.checks) if self.checks else "failed"

    @property
    def seconds(self) -> float:
        return (self.finished - self.started).total_seconds()

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources it is about, in the order they were looked at."""
        named = [c.source for c in self.checks] + [r.source for r in self.rto]
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def drill(self) -> bool:
        return self.kind in DRILLS

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    @property
    def whole(self) -> RtoMeasured | None:
        """The recovery time of all it recovered, or None when none was measured."""
        return next((rto for rto in self.rto if not rto.source), None)

    def of(self, source: str) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.source == source)

    @property
    def summary(self) -> str:
        """One line: `9 checks passed, 1 warning, 0 failed`."""
        warnings = "1 warning" if self.warnings == 1 else f"{self.warnings} warnings"
        return f"{self.passed} checks passed, {warnings}, {self.failed} failed"


def worst_outcome(checks: tuple[Check, ...]) -> Outcome:
    """`passed` for no checks at all."""
    return max((check.outcome for check in checks), key=lambda o: _RANK[o], default="passed")


def passed(name: str, source: str, message: str, **measured: float | int | str) -> Check:
    return Check(name, source, "passed", message, "", measured)


def warning(
    name: str, source: str, message: str, remedy: str, **measured: float | int | str
) -> Check:
    return Check(name, source, "warning", message, remedy, measured)


def failed(
    name: str, source: str, message: str, remedy: str, **measured: float | int | str
) -> Check:
    return Check(name, source, "failed", message, remedy, measured)
