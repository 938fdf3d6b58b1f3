"""Compliance over a period: were the targets met, were backups proven, were drills held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from engine.core.report import Report

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A source's targets and the times of its snapshots, those of before the period included."""

    source: str
    kind: str
    rpo: timedelta
    rto: timedelta
    snapshots: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """rpo_met: the part of the period (0 to 1) in which the newest recovery point was younger than
    the RPO. longest_gap: between two recovery points. days: those of the period with a snapshot,
    of `of_days`. proofs: restores that were proven. rto_measured: the slowest; None: never."""

    source: str
    kind: str
    rpo: timedelta
    rto: timedelta
    snapshots: int
    rpo_met: float
    longest_gap: timedelta
    days: int
    of_days: int
    proofs: int
    rto_measured: float | None

    @property
    def rto_met(self) -> bool | None:
        return None if self.rto_measured is None else self.rto_measured <= self.rto.total_seconds()


@dataclass(frozen=True, slots=True)
class Compliance:
    """A host over a period. exceptions: one line for everything that was not as promised."""

    host: str
    environment: str
    since: datetime
    until: datetime
    sources: tuple[SourceRecord, ...]
    verifications: int
    verifications_failed: int
    drills: int
    drills_failed: int
    full_drills: int
    key_checks: int
    exceptions: tuple[str, ...]

    @property
    def met(self) -> bool:
        return not self.exceptions


def review(
    host: str,
    environment: str,
    period: tuple[datetime, datetime],
    sources: Sequence[SourceFacts],
    reports: Sequence[Report],
) -> Compliance:
    """Hold a period against its promises. Reports outside it are left out."""
    since, until = period
    inside = [r for r in reports if since <= r.started < until]
    records = tuple(_record(facts, since, until, inside) for facts in sources)
    verified = [r for r in inside if not r.drill]
    drills = [r for r in inside if r.drill]
    keys = sum(check.name == "keys" for report in verified for check in report.checks)
    return Compliance(
        host=host,
        environment=environment,
        since=since,
        until=until,
        sources=records,
        verifications=len(verified),
        verifications_failed=sum(r.outcome == "failed" for r in verified),
        drills=len(drills),
        drills_failed=sum(r.outcome == "failed" for r in drills),
        full_drills=sum(r.kind == "drill-full" for r in drills),
        key_checks=keys,
        exceptions=tuple(_exceptions(records, inside)),
    )


def _record(
    facts: SourceFacts, since: datetime, until: datetime, reports: Sequence[Report]
) -> SourceRecord:
    times = sorted(t for t in facts.snapshots if t < until)
    inside = [t for t in times if t >= since]
    before = [t for t in times if t < since]
    points = [*(before[-1:] or []), *inside]
    stretches = list(_stretches(points, since, until))
    covered = sum((min(b, a + facts.rpo) - max(a, since) for a, b in stretches), timedelta())
    # A source that began within the period is held to its targets from its first snapshot on.
    first = since if before else (inside[0] if inside else since)
    whole = until - first
    measured = [m.seconds for r in reports for m in r.rto if m.source == facts.source]
    return SourceRecord(
        source=facts.source,
        kind=facts.kind,
        rpo=facts.rpo,
        rto=facts.rto,
        snapshots=len(inside),
        rpo_met=max(0.0, min(1.0, covered / whole)) if whole and points else 0.0,
        longest_gap=max((b - a for a, b in stretches), default=until - since),
        days=len({t.date() for t in inside}),
        of_days=max(1, round((until - first) / _DAY)),
        proofs=len(measured),
        rto_measured=max(measured, default=None),
    )


def _stretches(
    points: Sequence[datetime], since: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Each recovery point and when the next one came, as far as that lies in the period."""
    for here, after in pairwise([*points, until]):
        if after > since:
            yield here, after


def _exceptions(records: Sequence[SourceRecord], reports: Sequence[Report]) -> Iterator[str]:
    for record in records:
        if not record.snapshots:
            yield f"{record.source}: no snapshot in the period"
        elif record.rpo_met < 0.9995:
            yield f"{record.source}: the RPO was met for {record.rpo_met:.1%} of the time"
        if record.days < record.of_days and record.rpo <= _DAY and record.snapshots:
            yield f"{record.source}: snapshots on {record.days} of {record.of_days} days"
        if not record.proofs:
            yield f"{record.source}: never proven by a restore"
        if record.rto_met is False:
            yield f"{record.source}: the RTO was missed by a measured recovery"
    for report in reversed(reports):
        if report.outcome == "failed":
            yield f"{report.started:%Y-%m-%d}: {report.title} failed ({report.summary})"
    if not any(report.drill for report in reports):
        yield "no drill was held"
