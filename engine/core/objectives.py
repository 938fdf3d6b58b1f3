"""RPO and RTO arithmetic: how far behind a source is, and what that means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from engine.core.snapshot import Kind, SnapshotId

Level = Literal["ok", "warning", "critical", "unknown"]
EXIT_CODES: dict[Level, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
_RANK: dict[Level, int] = {"ok": 0, "warning": 1, "unknown": 2, "critical": 3}


@dataclass(frozen=True, slots=True)
class SourcePosture:
    """One source now. `level` and `reasons` say whether it meets its targets and why not.

    recoverable_to  the newest recovery point, proven or not (None: there is none)
    proven_to       the recovery point of the newest snapshot that was restored or verified
    proven_at       when that proof was made
    """

    source: str
    host: str
    kind: Kind
    rpo: timedelta
    rto: timedelta
    snapshot: SnapshotId | None
    recoverable_to: datetime | None
    proven_to: datetime | None
    proven_at: datetime | None
    snapshots: int
    stored_bytes: int
    level: Level
    reasons: tuple[str, ...]

    def age(self, now: datetime) -> timedelta | None:
        return now - self.recoverable_to if self.recoverable_to else None


def worst(levels: list[Level]) -> Level:
    """The level that decides the exit code; `unknown` for no sources at all."""
    return max(levels, key=lambda level: _RANK[level]) if levels else "unknown"


def judge(
    *, recoverable_to: datetime | None, proven_to: datetime | None, rpo: timedelta, now: datetime
) -> tuple[Level, tuple[str, ...]]:
    """Level and reasons of one source.

    Critical when nothing can be recovered or the newest recovery point is older than the RPO;
    warning when it is not proven by a restore, or the proof is of a point older than the RPO.
    """
    if recoverable_to is None:
        return "critical", ("no snapshot: nothing can be recovered",)
    if recoverable_to > now + timedelta(minutes=5):
        return "warning", ("the newest snapshot lies in the future: check this host's clock",)
    reasons: list[str] = []
    level: Level = "ok"
    if now - recoverable_to > rpo:
        level = "critical"
        reasons.append("misses its RPO")
    if proven_to is None:
        level = worst([level, "warning"])
        reasons.append("never proven by a restore")
    elif now - proven_to > rpo and now - recoverable_to <= rpo:
        level = worst([level, "warning"])
        reasons.append("what is proven by a restore is older than the RPO")
    return level, tuple(reasons)


@dataclass(frozen=True, slots=True)
class StorePosture:
    """The repository's store now. `problem` is empty when it answered."""

    name: str
    offsite: bool
    reachable: bool
    problem: str = ""
    remedy: str = ""
    listed_at: datetime | None = None  # of the listing shown; older than now when stale


@dataclass(frozen=True, slots=True)
class KeptData:
    """Old data that an in-place restore put aside, until the operator releases it."""

    id: str
    source: str
    what: str
    kept_at: datetime


@dataclass(frozen=True, slots=True)
class Posture:
    """Is everything recoverable, right now? What status, metrics and Overview show."""

    host: str
    environment: str
    now: datetime
    sources: tuple[SourcePosture, ...]
    store: StorePosture
    notices: tuple[tuple[Level, str], ...] = ()  # loud lines: nothing offsite, key expiry, ...
    kept: tuple[KeptData, ...] = ()

    @property
    def level(self) -> Level:
        levels = [s.level for s in self.sources] + [level for level, _ in self.notices]
        if not self.store.reachable:
            levels.append("unknown")
        return worst(levels)
