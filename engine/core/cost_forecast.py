"""What will be stored: the present rhythm, growth and retention carried on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import exp, log

from engine.core.catalogue import rhythm
from engine.core.retention import Circumstances, Rules, decide
from engine.core.snapshot import Kind, SnapshotEntry, SnapshotId

_DAY = timedelta(days=1)
_LOOK_BACK = timedelta(days=60)  # what the growth is taken from
_MOST = 1.0  # of growth in 30 days, either way: doubling; beyond, the past tells nothing
_REACH = timedelta(days=800)  # how old what a retention keeps may be, for a forecast


@dataclass(frozen=True, slots=True)
class Trend:
    """One source as it writes now. `growth` is the part by which a snapshot grows in 30 days."""

    host: str
    source: str
    kind: Kind | None
    every: timedelta
    bytes: int  # of a snapshot: the mean of the newest, full and incremental
    growth: float
    newest: datetime
    oldest: datetime

    def size_at(self, moment: datetime) -> float:
        """Bytes of a snapshot made then, if it goes on growing so."""
        months = (moment - self.newest) / (30 * _DAY)
        return float(self.bytes * (1 + self.growth) ** months)


def trend(rows: Sequence[SnapshotEntry], kind: Kind | None) -> Trend | None:
    """The trend of one source's committed snapshots, newest first; None for fewer than two."""
    if len(rows) < 2:
        return None
    every = rhythm([row.id.at for row in rows[:8]]) or rows[0].id.at - rows[1].id.at
    return Trend(
        host=rows[0].id.host,
        source=rows[0].id.source,
        kind=kind,
        every=max(every, timedelta(minutes=15)),
        bytes=max(1, sum(row.stored_bytes for row in rows[:8]) // len(rows[:8])),
        growth=growth(rows),
        newest=rows[0].id.at,
        oldest=rows[-1].id.at,
    )


def growth(rows: Sequence[SnapshotEntry]) -> float:
    """The part by which snapshots grew in 30 days, by least squares over the logarithms of the
    sizes of the last 60 days; 0 for fewer than four of them or less than three days."""
    newest = rows[0].id.at
    points = [
        ((row.id.at - newest) / (30 * _DAY), log(row.stored_bytes))
        for row in rows
        if newest - row.id.at <= _LOOK_BACK and row.stored_bytes > 0
    ]
    if len(points) < 4 or points[0][0] - points[-1][0] < 0.1:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return max(-0.5, min(_MOST, exp(slope) - 1))


def stored_bytes(source: Trend, rules: Rules, ahead: timedelta) -> int:
    """What this source will have stored so long from its newest snapshot on."""
    then = source.newest + ahead
    own = rules if rules.config is None or source.kind == "config" else _without_config(rules)
    reach = then - source.oldest
    ages = kept_ages(own, source.every, source.kind == "config")
    return round(sum(source.size_at(then - age) for age in ages if age <= reach))


def _without_config(rules: Rules) -> Rules:
    return Rules(rules.policy, None, rules.minimum, rules.lock_days)


@cache
def kept_ages(rules: Rules, every: timedelta, config: bool) -> tuple[timedelta, ...]:
    """The ages of the snapshots that a retention keeps of a source that has written at this
    rhythm for ever; the retention itself decides. Beyond the days that are kept whole one a day
    stands for all of it."""
    policy = rules.config if config and rules.config is not None else rules.policy
    now = datetime.fromisoformat("2026-11-23T00:00:00+00:00")
    whole = timedelta(days=policy.days + 1)
    step, age = max(every, timedelta(minutes=15)), timedelta(0)
    ages: list[timedelta] = []
    while age <= _REACH and len(ages) < 20_000:
        ages.append(age)
        age += step if age < whole else max(step, _DAY)
    rows = [
        SnapshotEntry(SnapshotId("h", "s", now - age, "full", f"{n:08x}"), 1, True, True)
        for n, age in enumerate(ages)
    ]
    kinds: dict[tuple[str, str], Kind] = {("h", "s"): "config" if config else "volume"}
    kept = [v for v in decide(rows, rules, Circumstances(now=now, kinds=kinds)).verdicts if v.keep]
    return tuple(now - verdict.snapshot.at for verdict in kept)
