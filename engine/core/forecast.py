"""RTO forecast: how long a recovery would take now, from what was measured and today's sizes.

Cautious: what has grown takes longer in proportion, what has shrunk saves nothing, since part of
every recovery (a server's start, the comparison) does not shrink with the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from engine.core.report import Report, RtoMeasured

_LAST = 3  # measurements of a source that count
_OLD = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Today:
    """A source as it is now; stored_bytes of its newest snapshot, seconds of its target."""

    source: str
    kind: str
    stored_bytes: int
    target_seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """`source` is empty for the whole host. seconds None: nothing was measured yet. `grown` is
    today's size over the measured one."""

    source: str
    kind: str
    target_seconds: float
    seconds: float | None = None
    measured_at: datetime | None = None
    grown: float = 1.0

    @property
    def met(self) -> bool | None:
        """Whether the target would be met; None when nothing is known."""
        return None if self.seconds is None else self.seconds <= self.target_seconds

    @property
    def basis(self) -> str:
        """What it rests on, for people."""
        if self.measured_at is None:
            return "never measured: mentat-dr drill full"
        grown = f", {self.grown:.1f} times as large now" if self.grown >= 1.05 else ""
        return f"measured {self.measured_at:%Y-%m-%d}{grown}"

    def stale(self, now: datetime) -> bool:
        """Measured too long ago, or never."""
        return self.measured_at is None or now - self.measured_at > _OLD


def forecast(
    reports: Sequence[Report], today: Sequence[Today], whole_target: float
) -> Mapping[str, Forecast]:
    """By source, and under "" for the whole host. Reports are newest first: drills and restore
    tests alike."""
    found = {item.source: _source(reports, item) for item in today}
    found[""] = _whole(reports, found, whole_target)
    return found


def _source(reports: Sequence[Report], today: Today) -> Forecast:
    measured = _measured(reports, today.source)[:_LAST]
    plain = Forecast(today.source, today.kind, today.target_seconds)
    if not measured:
        return plain
    grown = [_grown(rto, today.stored_bytes) for _, rto in measured]
    seconds = median(rto.seconds * more for (_, rto), more in zip(measured, grown, strict=True))
    return Forecast(
        today.source,
        today.kind,
        today.target_seconds,
        round(seconds, 1),
        measured[0][0],
        round(grown[0], 3),
    )


def _measured(reports: Sequence[Report], source: str) -> list[tuple[datetime, RtoMeasured]]:
    return [
        (report.finished, rto) for report in reports for rto in report.rto if rto.source == source
    ]


def _grown(rto: RtoMeasured, stored: int) -> float:
    return max(1.0, stored / rto.stored_bytes) if rto.stored_bytes > 0 and stored > 0 else 1.0


def _whole(reports: Sequence[Report], sources: Mapping[str, Forecast], target: float) -> Forecast:
    """All sources one after the other, and what a full drill took beside them."""
    plain = Forecast("", "whole", target)
    if not sources or any(f.seconds is None for f in sources.values()):
        return plain
    beside, at = 0.0, max(f.measured_at for f in sources.values() if f.measured_at is not None)
    for report in reports:
        whole = report.whole
        if whole is not None:
            beside = max(0.0, whole.seconds - sum(r.seconds for r in report.rto if r.source))
            at = report.finished
            break
    seconds = sum(f.seconds or 0.0 for f in sources.values()) + beside
    return Forecast("", "whole", target, round(seconds, 1), at)
