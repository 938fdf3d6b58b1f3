"""What shipped binary logs add to a database's posture: later recovery points, and troubles of
their own. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from engine.core.durations import parse_duration
from engine.core.objectives import Level, SourcePosture, judge, worst
from engine.core.recovery_range import RecoveryRange
from engine.core.snapshot import SnapshotEntry
from engine.settings import SourceSettings

_LATE = 5  # times the interval without anything shipped that are worth a word
_LATE_AT_LEAST = timedelta(minutes=5)
_BASE_REASONS = (
    "no snapshot: nothing can be recovered",
    "misses its RPO",
    "never proven by a restore",
    "what is proven by a restore is older than the RPO",
)


def with_logs(
    source: SourceSettings,
    plain: SourcePosture,
    rows: Sequence[SnapshotEntry],
    found: RecoveryRange | None,
    now: datetime,
) -> SourcePosture:
    """The posture by snapshots alone, with what logs lead to. Logs count for the RPO only as far
    as they lead on from a snapshot; as proven, from one that a restore has proven."""
    if source.kind != "database" or not source.binlogs:
        return plain
    if found is None:
        return _worse(plain, "warning", "its binary logs were never shipped")
    proven = {row.id for row in rows if row.committed and row.proven_at is not None}
    recoverable_to = _later(plain.recoverable_to, found.last)
    proven_to = _later(plain.proven_to, found.proven_to(proven))
    level, reasons = judge(
        recoverable_to=recoverable_to, proven_to=proven_to, rpo=source.rpo, now=now
    )
    kept = tuple(r for r in plain.reasons if r not in _BASE_REASONS)
    made = replace(
        plain,
        recoverable_to=recoverable_to,
        proven_to=proven_to,
        level=worst([level, "warning"]) if kept else level,
        reasons=(*reasons, *kept),
        range=found,
    )
    trouble = _trouble(source, plain, found, now)
    return _worse(made, "warning", trouble) if trouble else made


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((t for t in (one, other) if t is not None), default=None)


def _worse(plain: SourcePosture, level: Level, reason: str) -> SourcePosture:
    return replace(plain, level=worst([plain.level, level]), reasons=(*plain.reasons, reason))


def _trouble(
    source: SourceSettings, plain: SourcePosture, found: RecoveryRange, now: datetime
) -> str:
    """Why the newest moments cannot be had, where something is amiss."""
    ends = [interval.until for interval in found.intervals]
    if not ends:
        return "no snapshot leads into its shipped logs: back up to make them useful"
    if found.shipped_to is not None and found.shipped_to > max(ends) + _LATE_AT_LEAST:
        return "its logs broke off, and no snapshot leads into those shipped since: back up"
    every = parse_duration(source.binlogs.get("every", "60s"))
    quiet = now - max(ends)
    if quiet > max(_LATE * every, _LATE_AT_LEAST):
        minutes = int(quiet.total_seconds() // 60)
        return f"no binary logs were shipped for {minutes} min: mentat-dr ship-binlogs"
    return ""
