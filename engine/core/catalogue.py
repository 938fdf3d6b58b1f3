"""A fleet seen from its catalogue: who still writes, and who has stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from engine.core.objectives import Level, worst

RECENT = 8  # snapshots of a source whose distances tell its rhythm
_SLACK = timedelta(hours=1)
_FEW = timedelta(hours=48)  # of a source with too few snapshots to have a rhythm


@dataclass(frozen=True, slots=True)
class WrittenSource:
    """One source of one host as its snapshots show it. `recent`: the times of the newest
    snapshots, newest first, at most RECENT of them, never empty."""

    host: str
    source: str
    snapshots: int
    stored_bytes: int
    recent: tuple[datetime, ...]
    proven_at: datetime | None = None

    @property
    def newest(self) -> datetime:
        return self.recent[0]


@dataclass(frozen=True, slots=True)
class HostPosture:
    """One host of the fleet now."""

    host: str
    sources: int
    snapshots: int
    stored_bytes: int
    newest: datetime
    level: Level
    reasons: tuple[str, ...]


def rhythm(recent: Sequence[datetime]) -> timedelta | None:
    """The usual distance between snapshots: the median; None for fewer than three of them."""
    gaps = [(newer - older).total_seconds() for newer, older in pairwise(recent)]
    return timedelta(seconds=median(gaps)) if len(gaps) >= 2 else None


def silence(source: WrittenSource, now: datetime) -> tuple[Level, str]:
    """Whether a source still writes. Warning when two of its usual distances have passed since
    its last snapshot, critical at four; without a rhythm, warning after two days."""
    age = now - source.newest
    usual = rhythm(source.recent)
    if usual is None:
        if age <= _FEW:
            return "ok", ""
        return "warning", f"{source.source}: nothing new for {_span(age)}"
    if age <= 2 * usual + _SLACK:
        return "ok", ""
    level: Level = "critical" if age > 4 * usual + _SLACK else "warning"
    said = f"{source.source}: nothing new for {_span(age)}, it wrote every {_span(usual)}"
    return level, said


def hosts(sources: Iterable[WrittenSource], now: datetime) -> tuple[HostPosture, ...]:
    """Every host, those that stopped writing first. A host is critical when all its sources are
    silent; when only some are, they may have been retired: that is a warning."""
    by_host: dict[str, list[WrittenSource]] = {}
    for source in sources:
        by_host.setdefault(source.host, []).append(source)
    found = [_host(host, own, now) for host, own in by_host.items()]
    rank = {"critical": 0, "unknown": 1, "warning": 2, "ok": 3}
    return tuple(sorted(found, key=lambda host: (rank[host.level], host.host)))


def _host(host: str, sources: Sequence[WrittenSource], now: datetime) -> HostPosture:
    judged = [silence(source, now) for source in sources]
    bad = [(level, said) for level, said in judged if level != "ok"]
    newest = max(source.newest for source in sources)
    reasons = tuple(said for _, said in bad)
    level: Level = "ok"
    if len(bad) == len(sources):
        level = worst([level for level, _ in bad])
        reasons = (f"STOPPED WRITING: nothing for {_span(now - newest)}", *reasons)
    elif bad:
        level = "warning"
    return HostPosture(
        host=host,
        sources=len(sources),
        snapshots=sum(source.snapshots for source in sources),
        stored_bytes=sum(source.stored_bytes for source in sources),
        newest=newest,
        level=level,
        reasons=reasons,
    )


def _span(length: timedelta) -> str:
    """`3 d`, `26 h` or `40 min`: the unit that says it in small numbers."""
    hours = length.total_seconds() / 3600
    if hours >= 72:
        return f"{hours / 24:.0f} d"
    return f"{hours:.0f} h" if hours >= 2 else f"{hours * 60:.0f} min"
