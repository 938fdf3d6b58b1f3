"""Which snapshot and which segments lead to a moment, before anything is fetched but indexes."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from engine.core.binlog import BinlogIndex, Place, Segment, Shipped
from engine.core.binlog_gtid import is_gtid, parse
from engine.core.binlog_scan import Mark
from engine.core.binlog_statements import asked, fits
from engine.core.errors import DamageError, UsageError
from engine.core.recovery import PlanLine, PlanStep, RestorePlan, RestoreRequest, Until
from engine.core.recovery_range import (
    Route,
    Run,
    anchored,
    latest_route,
    route_to_time,
    routes_to,
    runs,
)
from engine.core.snapshot import SnapshotEntry, SnapshotId
from engine.operations import rates
from engine.repository import choose
from engine.repository.binlogs import BinlogStore, Indexed

_SHOWN = 8  # candidates in a message
_SLACK = timedelta(seconds=2)  # keys tell whole seconds


@dataclass(frozen=True, slots=True)
class Found:
    """A marked transaction, and the segment it stands in."""

    mark: Mark
    segment: Segment

    @property
    def place(self) -> Place:
        return Place(self.segment.chain, self.segment.file, self.mark.position)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A request with its snapshot and its end, and the way there."""

    request: RestoreRequest
    route: Route


def resolve(
    store: BinlogStore,
    rows: Sequence[SnapshotEntry],
    request: RestoreRequest,
    now: datetime,
) -> Resolved:
    """Find the snapshot and the segments for `request.until`; `latest` then means the newest
    snapshot before that moment. UsageError, naming what can be had, when it cannot."""
    until = request.until
    assert until is not None
    shipped = store.listed()
    committed = {row.id for row in rows if row.committed and not row.aside}
    chosen = None
    if request.snapshot != "latest":
        chosen = choose(rows, request.snapshot, request.source).id
    if until.before and not until.file:
        until = _located(store, shipped, committed, until, now)
    route = _route(store, shipped, committed, until, chosen, now)
    if until.file and not until.chain:
        until = replace(until, chain=route.run.chain)
    return Resolved(replace(request, snapshot=route.anchor.snapshot.ref, until=until), route)


def _route(
    store: BinlogStore,
    shipped: Shipped,
    committed: Collection[SnapshotId],
    until: Until,
    chosen: SnapshotId | None,
    now: datetime,
) -> Route:
    if until.last:
        return latest_route(shipped, committed, now, chosen)
    if until.at is not None:
        return route_to_time(shipped, committed, until.at, now, chosen)
    if until.file:
        return routes_to(shipped, committed, _stop(shipped, until, now), now, chosen)[0]
    gtid = (until.gtid or until.before_gtid).lower()
    segment = _segment_of(store, shipped, gtid, now)
    end = Place(segment.chain, segment.file, segment.end)
    for route in routes_to(shipped, committed, end, now, chosen):
        begins_before = route.anchor.place.order <= (segment.number, segment.start)
        if begins_before or not _holds(store, route.anchor.snapshot, gtid):
            return route
    raise UsageError(
        f"every snapshot that leads to {gtid} holds it already",
        "Choose a later moment, or restore the snapshot as it is.",
    )


def _holds(store: BinlogStore, snapshot: SnapshotId, gtid: str) -> bool:
    """Whether a snapshot was taken after that transaction."""
    facts = store.manifest(snapshot).database
    if facts is None or facts.position is None or not facts.position.gtid_set:
        return True
    return parse(facts.flavor, facts.position.gtid_set).has(gtid)


def _stop(shipped: Shipped, until: Until, now: datetime) -> Place:
    if until.chain:
        return Place(until.chain, until.file, until.position)
    for run in reversed(runs(shipped, now)):
        place = Place(run.chain, until.file, until.position)
        if run.holds(place):
            return place
    raise UsageError(
        f"no shipped log holds {until.file}:{until.position}",
        "See which were shipped: mentat-dr show latest --source NAME",
    )


def _segment_of(store: BinlogStore, shipped: Shipped, gtid: str, now: datetime) -> Segment:
    """The segment that holds a transaction. Newest run first; each is searched by halves, since
    sets only grow."""
    if not is_gtid(gtid):
        raise UsageError(
            f"{gtid!r} names no transaction",
            "Give one as the server does: UUID:NUMBER (MySQL) or DOMAIN-SERVER-NUMBER (MariaDB).",
        )
    for run in reversed(runs(shipped, now)):
        segment = _holding(store, run, gtid)
        if segment is not None:
            return segment
    raise UsageError(
        f"transaction {gtid} is in no shipped log",
        "See what was shipped: mentat-dr show latest --source NAME",
    )


def _holding(store: BinlogStore, run: Run, gtid: str) -> Segment | None:
    low, high = 0, len(run.segments) - 1
    if not _has(store.index(run.segments[high]).index, gtid):
        return None
    while low < high:
        middle = (low + high) // 2
        if _has(store.index(run.segments[middle]).index, gtid):
            high = middle
        else:
            low = middle + 1
    index = store.index(run.segments[low]).index
    before = parse(index.flavor, index.gtids_before)
    return None if before.has(gtid) else run.segments[low]


def _has(index: BinlogIndex, gtid: str) -> bool:
    return parse(index.flavor, index.gtids_after).has(gtid)


# ---------------------------------------------------------------- statements


def search(
    store: BinlogStore,
    shipped: Shipped,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Found]:
    """Every mark in the shipped logs, newest first; of segments between two times, if given."""
    segments = [
        s
        for run in runs(shipped, now)
        for s in run.segments
        if (since is None or s.last_at + _SLACK >= since)
        and (until is None or s.first_at - _SLACK <= until)
    ]
    segments.sort(key=lambda s: (s.chain, s.number, s.start), reverse=True)
    with ThreadPoolExecutor(8, thread_name_prefix="index") as pool:
        for segment, indexed in zip(segments, pool.map(store.index, segments), strict=True):
            for mark in reversed(indexed.index.marks):
                yield Found(mark, segment)


def _located(
    store: BinlogStore,
    shipped: Shipped,
    committed: Collection[SnapshotId],
    until: Until,
    now: datetime,
) -> Until:
    """The one place of a statement. UsageError with the candidates when there are several."""
    try:
        wanted = asked(until.before)
    except ValueError as error:
        raise UsageError(str(error), 'Such as: --before "DROP TABLE shop.orders"') from error
    found = [f for f in search(store, shipped, now) if fits(f.mark.words, wanted)]
    found = [f for f in found if _reachable(shipped, committed, f, now)]
    if not found:
        raise UsageError(
            f"no {until.before!r} was found in the shipped logs",
            "Definitions, statements without WHERE and large changes are kept in mind; for others "
            "give a time (--at) or a transaction (--before-transaction).",
        )
    if len(found) > 1:
        listed = "; ".join(_candidate(f) for f in found[:_SHOWN])
        raise UsageError(
            f"{len(found)} such statements were logged: {listed}",
            f"Choose one: {_choice(found[0])}",
        )
    place = found[0].place
    return replace(until, chain=place.chain, file=place.file, position=place.position)


def _reachable(
    shipped: Shipped, committed: Collection[SnapshotId], found: Found, now: datetime
) -> bool:
    return any(
        run.holds(found.place)
        and any(a.place.order <= found.place.order for a in anchored(shipped, run, committed))
        for run in runs(shipped, now)
    )


def _candidate(found: Found) -> str:
    at = found.mark.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{found.mark.words} at {at} ({found.mark.gtid or found.place})"


def _choice(found: Found) -> str:
    if found.mark.gtid:
        return f"--before-transaction {found.mark.gtid}"
    return f"--before-position {found.place}"


# ---------------------------------------------------------------- what a restore is told


def indexes(store: BinlogStore, route: Route) -> list[Indexed]:
    """The indexes of a route's segments, each proven by its signature and following on the one
    before. DamageError when one does not."""
    with ThreadPoolExecutor(8, thread_name_prefix="index") as pool:
        found = list(pool.map(store.index, route.segments))
    for before, after in pairwise(found):
        _require_next(before, after)
    return found


def _require_next(before: Indexed, after: Indexed) -> None:
    one, two = before.index.segment, after.index.segment
    if one.file == two.file:
        follows = one.end == two.start and before.index.format_event == after.index.format_event
    else:
        follows = one.whole and two.start == 0 and two.number == one.number + 1
        follows = follows and before.index.gtids_after == after.index.gtids_before
    if not follows or one.chain != two.chain or one.server != two.server:
        raise DamageError(
            f"the log {two.name} does not follow on {one.name}",
            "Choose a moment before it; `mentat-dr show` tells the range.",
        )


def require_unambiguous(found: Sequence[Indexed], until: Until) -> None:
    """UsageError for a time that the server's clock told twice."""
    if until.at is None:
        return
    for indexed in found:
        for step in indexed.index.steps:
            if step.low <= until.at <= step.high:
                raise UsageError(
                    f"the server's clock went back from {step.high:%Y-%m-%d %H:%M:%S} to "
                    f"{step.low:%H:%M:%S} UTC: what {until} means is not certain",
                    f"Give a time before {step.low:%Y-%m-%dT%H:%M:%SZ} or after "
                    f"{step.high:%Y-%m-%dT%H:%M:%SZ}, a transaction (--at GTID), or "
                    f"--before-position {indexed.index.segment.file}:{step.position}",
                )


def with_replay(
    plan: RestorePlan,
    resolved: Resolved,
    found: Sequence[Indexed],
    state: Path,
    parts: Sequence[str],
) -> RestorePlan:
    """The plan of the snapshot's restore, with the replay after it. `parts`: the schemas and
    tables it is restricted to, which a replay cannot be."""
    until = resolved.request.until
    assert until is not None
    stored = sum(i.index.artifact.stored_bytes for i in found)
    raw = sum(i.index.artifact.raw_bytes for i in found)
    name = resolved.request.source
    seconds, basis = rates.load(state).seconds((f"replay {name}", "replay database"), raw)
    first, last = resolved.route.anchor.place, resolved.route.segments[-1]
    line = PlanLine(
        f"binary logs: {len(found)} segments, {first} to at most {last.file}:{last.end}", stored
    )
    blockers = list(plan.blockers)
    if resolved.request.target.where == "directory":
        blockers.append(
            "a replay needs a server: use --to container or --to in-place (RECOVERY.md tells how "
            "to do it by hand)"
        )
    if parts:
        blockers.append(
            f"only {', '.join(parts)} would be restored, but the logs are of the whole server: "
            "they cannot be replayed in part. Restore all of it, or leave the moment out."
        )
    warnings = list(plan.warnings)
    statements = sum(i.index.statements for i in found)
    if statements:
        warnings.append(
            f"{statements} transactions are logged as statements: they may act differently"
        )
    return replace(
        plan,
        request=replace(resolved.request, snapshot=plan.request.snapshot),
        title=_title(plan, until),
        recoverable_to=_moment(resolved, until, found),
        reads=(*plan.reads, line),
        steps=(*plan.steps, PlanStep("replay", "replay the binary logs", seconds, basis)),
        command=f"{plan.command} {shlex.join(options(until))}",
        warnings=tuple(warnings),
        blockers=tuple(blockers),
    )


def _title(plan: RestorePlan, until: Until) -> str:
    where = plan.title.rpartition(" UTC, ")[2] if " UTC, " in plan.title else plan.title
    return f"{plan.request.source} to {until}, {where}"


def _moment(resolved: Resolved, until: Until, found: Sequence[Indexed]) -> datetime:
    """About which moment that is: exact for a time, else of the place it ends at."""
    if until.at is not None:
        return until.at
    if until.file:
        for indexed in found:
            for mark in indexed.index.marks:
                if (indexed.index.segment.file, mark.position) == (until.file, until.position):
                    return mark.at
    return resolved.route.run.until


def options(until: Until) -> list[str]:
    """The command line's words for it."""
    if until.at is not None:
        text = until.at.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
        return ["--at", f"{text}Z"]
    if until.last:
        return ["--at", "latest"]
    if until.gtid:
        return ["--at", until.gtid]
    if until.before_gtid:
        return ["--before-transaction", until.before_gtid]
    if until.file:
        return ["--before-position", f"{until.file}:{until.position}"]
    return ["--before", until.before]
