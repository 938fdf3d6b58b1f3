"""To which moments a database can be brought back: snapshots, shipped logs, and the gaps.

Computed from keys alone. An interval begins at a snapshot that stands in a chain of logs and ends
where the chain's unbroken run of segments ends; any moment in it is a recovery point.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.binlog import Anchor, Place, Segment, Shipped, chain_began
from engine.core.errors import UsageError
from engine.core.snapshot import SnapshotId

_CLOSE = timedelta(seconds=2)  # two moments so near have no gap between them


@dataclass(frozen=True, slots=True)
class Run:
    """Segments without a hole between them, in order; each byte of the chain once."""

    server: str
    chain: str
    segments: tuple[Segment, ...]
    until: datetime

    @property
    def end(self) -> Place:
        last = self.segments[-1]
        return Place(self.chain, last.file, last.end)

    def holds(self, place: Place) -> bool:
        """Whether that byte, or the one behind the last, is in it."""
        return place.chain == self.chain and any(
            s.file == place.file and s.start <= place.position <= s.end for s in self.segments
        )

    def since(self, place: Place) -> tuple[Segment, ...]:
        """The segments that hold what comes after a place."""
        return tuple(s for s in self.segments if (s.number, s.end) >= place.order)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every moment from `since` to `until` can be had, from one of these snapshots on."""

    since: datetime
    until: datetime
    chain: str
    server: str
    snapshots: tuple[SnapshotId, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """No moment between the two can be had, and why not."""

    since: datetime
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class RecoveryRange:
    """What one source can be brought back to. `points` are snapshots outside any interval.
    `stored_bytes` are those of the shipped logs; `shipped_to` is how far logs have been shipped,
    whether or not a snapshot leads there."""

    host: str
    source: str
    intervals: tuple[Interval, ...] = ()
    gaps: tuple[Gap, ...] = ()
    points: tuple[SnapshotId, ...] = ()
    shipped_to: datetime | None = None
    stored_bytes: int = 0

    @property
    def last(self) -> datetime | None:
        """The last recoverable time."""
        ends = [i.until for i in self.intervals] + [p.at for p in self.points]
        return max(ends, default=None)

    def proven_to(self, proven: Collection[SnapshotId]) -> datetime | None:
        """How far logs lead from a snapshot that was proven."""
        ends = [i.until for i in self.intervals if any(s in proven for s in i.snapshots)]
        return max(ends, default=None)


def runs(shipped: Shipped, now: datetime) -> list[Run]:
    """The unbroken runs of each chain, in order."""
    found: list[Run] = []
    for chain in sorted({s.chain for s in shipped.segments}):
        parts = [s for s in shipped.segments if s.chain == chain]
        for pieces in _unbroken(parts):
            found.append(_run(shipped, pieces, now))
    return found


def _unbroken(parts: Sequence[Segment]) -> list[list[Segment]]:
    by_number: dict[int, list[Segment]] = {}
    for segment in parts:
        by_number.setdefault(segment.number, []).append(segment)
    found: list[list[Segment]] = []
    complete_to = -1  # number of the last file that is there to its end
    for number in sorted(by_number):
        for place, stretch in enumerate(_stretches(by_number[number])):
            joins = place == 0 and stretch[0].start == 0 and complete_to == number - 1
            if joins and found:
                found[-1] += stretch
            else:
                found.append(list(stretch))
        complete_to = number if found[-1][-1].whole else -1
    return found


def _stretches(parts: Sequence[Segment]) -> list[list[Segment]]:
    """Segments of one file without holes. A whole file stands for all its tails."""
    whole = [s for s in parts if s.whole]
    if whole:
        return [[max(whole, key=lambda s: s.end)]]
    stretches: list[list[Segment]] = []
    for segment in sorted(parts, key=lambda s: (s.start, -s.end)):
        if stretches and segment.end <= stretches[-1][-1].end:
            continue  # shipped twice
        if stretches and segment.start == stretches[-1][-1].end:
            stretches[-1].append(segment)
        else:
            stretches.append([segment])
    return stretches


def _run(shipped: Shipped, pieces: list[Segment], now: datetime) -> Run:
    last = pieces[-1]
    end = Place(last.chain, last.file, last.end)
    until = max(s.last_at for s in pieces)
    for seen in shipped.seen:
        if seen.place == end and seen.server == last.server:
            until = max(until, min(seen.at, now))
    # A clock that was ahead once must not promise what is not there.
    return Run(last.server, last.chain, tuple(pieces), min(until, now))


def anchored(shipped: Shipped, run: Run, committed: Collection[SnapshotId]) -> list[Anchor]:
    """Snapshots that stand in the run, oldest first; none that a break parts from it."""
    began = chain_began(run.chain)
    return [
        anchor
        for anchor in shipped.anchors
        if anchor.snapshot in committed
        and anchor.server == run.server
        and run.holds(anchor.place)
        and not any(anchor.snapshot.at < b.at <= began for b in shipped.breaks)
    ]


def compute(shipped: Shipped, snapshots: Iterable[SnapshotId], now: datetime) -> RecoveryRange:
    """The range of a source from what it has shipped and its committed snapshots."""
    own = [s for s in snapshots if (s.host, s.source) == (shipped.host, shipped.source)]
    intervals: list[Interval] = []
    for run in runs(shipped, now):
        anchors = anchored(shipped, run, set(own))
        if anchors:
            since = min(anchor.moment for anchor in anchors)
            refs = tuple(anchor.snapshot for anchor in anchors)
            until = max(run.until, since)
            intervals.append(Interval(since, until, run.chain, run.server, refs))
    intervals.sort(key=lambda i: (i.since, i.until))
    inside = {s for interval in intervals for s in interval.snapshots}
    points = tuple(sorted(s for s in own if s not in inside))
    return RecoveryRange(
        shipped.host,
        shipped.source,
        tuple(intervals),
        tuple(_gaps(intervals)),
        points,
        max((s.last_at for s in shipped.segments), default=None),
        shipped.stored_bytes,
    )


def _gaps(intervals: Sequence[Interval]) -> list[Gap]:
    gaps: list[Gap] = []
    reached: Interval | None = None
    for interval in intervals:
        if reached and interval.since > reached.until + _CLOSE:
            gaps.append(Gap(reached.until, interval.since, _why(reached, interval)))
        if reached is None or interval.until > reached.until:
            reached = interval
    return gaps


def _why(before: Interval, after: Interval) -> str:
    if before.server != after.server:
        return "another server took over, and the logs between were not shipped"
    if before.chain == after.chain:
        return "segments of the log are missing in the store"
    return "the log was broken: purged, reset or replaced before it was shipped"


# ---------------------------------------------------------------- a way to a moment


@dataclass(frozen=True, slots=True)
class Route:
    """A snapshot and the segments that lead on from it, in order."""

    anchor: Anchor
    run: Run

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self.run.since(self.anchor.place)

    @property
    def stored_bytes(self) -> int:
        return sum(s.stored_bytes for s in self.segments)


def route_to_time(
    shipped: Shipped,
    snapshots: Collection[SnapshotId],
    at: datetime,
    now: datetime,
    chosen: SnapshotId | None = None,
) -> Route:
    """The newest snapshot before `at` (or the chosen one) whose run reaches it. UsageError for a
    time that cannot be had, naming the nearest that can."""
    best: Route | None = None
    for run in runs(shipped, now):
        for anchor in anchored(shipped, run, snapshots):
            fits = anchor.moment <= at <= run.until and chosen in (None, anchor.snapshot)
            if fits and (best is None or anchor.moment >= best.anchor.moment):
                best = Route(anchor, run)
    if best is None:
        raise UsageError(*_refusal(shipped, snapshots, at, now, chosen))
    return best


def _refusal(
    shipped: Shipped,
    snapshots: Collection[SnapshotId],
    at: datetime,
    now: datetime,
    chosen: SnapshotId | None,
) -> tuple[str, str]:
    found = compute(shipped, snapshots, now)
    intervals = [i for i in found.intervals if chosen is None or chosen in i.snapshots]
    shown = _utc(at)
    if not intervals:
        what = (
            f"the snapshot {chosen.ref} stands in no shipped log"
            if chosen
            else (f"no snapshot of {shipped.source} is joined to shipped logs")
        )
        return (
            f"{shown} cannot be had: {what}",
            "Restore a snapshot as it is (without --at), or ship logs and back up: "
            f"mentat-dr ship-binlogs {shipped.source}",
        )
    before = max((i.until for i in intervals if i.until <= at), default=None)
    after = min((i.since for i in intervals if i.since >= at), default=None)
    near = " or ".join(_utc(t) for t in (before, after) if t is not None)
    why = next((g.why for g in found.gaps if g.since <= at <= g.until), "")
    if before is None:
        problem = f"{shown} lies before the first recoverable moment"
    elif after is None:
        problem = f"{shown} lies after the last recoverable time"
    else:
        problem = f"{shown} lies in a gap" + (f" ({why})" if why else "")
    return problem, f"The nearest possible: --at {near}"


def routes_to(
    shipped: Shipped,
    snapshots: Collection[SnapshotId],
    stop: Place,
    now: datetime,
    chosen: SnapshotId | None = None,
) -> list[Route]:
    """Every snapshot (or the chosen one) before a place in the log, the nearest first. UsageError
    when none leads there."""
    found = [
        Route(anchor, run)
        for run in runs(shipped, now)
        if run.holds(stop)
        for anchor in anchored(shipped, run, snapshots)
        if anchor.place.order <= stop.order and chosen in (None, anchor.snapshot)
    ]
    if not found:
        raise UsageError(
            f"no snapshot of {shipped.source} leads to {stop}",
            f"The range: mentat-dr show latest --source {shipped.source}",
        )
    return sorted(found, key=lambda route: route.anchor.place.order, reverse=True)


def latest_route(
    shipped: Shipped,
    snapshots: Collection[SnapshotId],
    now: datetime,
    chosen: SnapshotId | None = None,
) -> Route:
    """To the end of all that was shipped."""
    best: Route | None = None
    for run in runs(shipped, now):
        for anchor in anchored(shipped, run, snapshots):
            if chosen in (None, anchor.snapshot) and (
                best is None or (run.until, anchor.moment) >= (best.run.until, best.anchor.moment)
            ):
                best = Route(anchor, run)
    if best is None:
        raise UsageError(*_refusal(shipped, snapshots, now, now, chosen))
    return best


def _utc(moment: datetime) -> str:
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return text + "Z"


def superseded(shipped: Shipped, now: datetime, after: timedelta) -> list[Segment]:
    """Tails whose file is there whole in the same chain, for so long that nobody reads them."""
    whole = {(s.chain, s.file): s for s in shipped.segments if s.whole}
    return [
        s
        for s in shipped.segments
        if not s.whole
        and (s.chain, s.file) in whole
        and whole[(s.chain, s.file)].end >= s.end
        and now - s.last_at > after
    ]
