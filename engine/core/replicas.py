"""How far a replica is behind: its own RPO, from two listings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.objectives import Level, worst
from engine.core.snapshot import SnapshotEntry


@dataclass(frozen=True, slots=True)
class ReplicaPosture:
    """One replica now, as far as this host's sources go.

    recoverable_to  by source: the newest snapshot that the replica holds (None: none)
    missing         committed snapshots of the primary that it lacks, and their bytes
    listed_at       when it was listed; None: never, and then nothing else is known
    """

    name: str
    level: Level
    reasons: tuple[str, ...] = ()
    recoverable_to: Mapping[str, datetime | None] | None = None
    missing: int = 0
    missing_bytes: int = 0
    listed_at: datetime | None = None
    problem: str = ""

    def behind(self, now: datetime) -> timedelta | None:
        """The RPO of the replica: the age of what it would lose least of, its stalest source;
        None while it holds nothing of one."""
        if not self.recoverable_to or None in self.recoverable_to.values():
            return None
        return now - min(at for at in self.recoverable_to.values() if at is not None)


def judge(
    name: str,
    primary: Sequence[SnapshotEntry],
    replica: Sequence[SnapshotEntry],
    rpos: Mapping[str, timedelta],
    listed_at: datetime,
    now: datetime,
) -> ReplicaPosture:
    """A replica of one host's sources. Rows are of that host, newest first, both stores.

    Warning when a source's newest snapshot there is older than its RPO although the primary has
    a newer one; critical when the replica holds nothing of a source that the primary has."""
    there = {row.id for row in replica if row.committed}
    lacking = [row for row in primary if row.committed and row.id not in there]
    newest = {source: _newest(replica, source) for source in rpos}
    level: Level = "ok"
    reasons: list[str] = []
    for source, rpo in rpos.items():
        ours = _newest(primary, source)
        theirs = newest[source]
        if ours is None or (theirs is not None and theirs >= ours):
            continue
        if theirs is None:
            level = "critical"
            reasons.append(f"holds nothing of {source}")
        elif now - theirs > rpo:
            level = worst([level, "warning"])
            reasons.append(f"{source} misses its RPO there")
    return ReplicaPosture(
        name=name,
        level=level,
        reasons=tuple(reasons),
        recoverable_to=newest,
        missing=len(lacking),
        missing_bytes=sum(row.stored_bytes for row in lacking),
        listed_at=listed_at,
    )


def _newest(rows: Sequence[SnapshotEntry], source: str) -> datetime | None:
    times = (r.id.at for r in rows if r.id.source == source and r.committed and not r.aside)
    return max(times, default=None)


@dataclass(frozen=True, slots=True)
class FailoverPlan:
    """What putting a store first means. `missing` snapshots of the present primary are not in it.

    confirm_name must be typed; blockers say why it cannot be done as it stands."""

    target: str
    writing: bool
    missing: int
    missing_bytes: int
    confirm_name: str
    warnings: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    back: bool = False

    @property
    def words(self) -> str:
        if self.back:
            return f"back to {self.target} for reading and writing"
        what = "reading and writing" if self.writing else "reading"
        return f"{self.target} becomes primary for {what}"
