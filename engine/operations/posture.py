"""Posture: the inventory held against the targets. Pure; the api brings the parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from engine.core.chains import Links
from engine.core.discovery import Coverage
from engine.core.objectives import (
    KeptData,
    Level,
    Posture,
    SourcePosture,
    StorePosture,
    judge,
    worst,
)
from engine.core.recovery_range import RecoveryRange
from engine.core.snapshot import SnapshotEntry
from engine.operations.posture_logs import with_logs
from engine.settings import Settings, SourceSettings

_STALE = timedelta(hours=1)
_KEPT_LONG = timedelta(days=7)
_CLOCKS = timedelta(minutes=5)  # how far two clocks may differ


def take(
    settings: Settings,
    rows: Sequence[SnapshotEntry],
    store: StorePosture,
    kept: Sequence[KeptData],
    now: datetime,
    coverage: Coverage | None = None,
    ranges: Mapping[str, RecoveryRange] | None = None,
) -> Posture:
    """The posture of this host's sources. rows: newest first, of any host; ranges: what shipped
    logs add, by source."""
    known = ranges or {}
    sources = tuple(
        with_logs(source, _source(settings, source, rows, now), rows, known.get(source.name), now)
        for source in settings.sources
    )
    return Posture(
        host=settings.host,
        environment=settings.environment,
        now=now,
        sources=sources,
        store=store,
        notices=(*_notices(settings, store, kept, now), *_uncovered(coverage)),
        kept=tuple(kept),
    )


def _source(
    settings: Settings, source: SourceSettings, rows: Sequence[SnapshotEntry], now: datetime
) -> SourcePosture:
    mine = [r for r in rows if (r.id.host, r.id.source) == (settings.host, source.name)]
    links = Links(mine)
    there = [r for r in mine if r.committed and not r.aside]
    own = [r for r in there if links.whole(r.id)]  # else it can be restored from nothing
    # A clock that was wrong once must not hide for ever what is really the newest.
    past = [row for row in own if row.id.at <= now + _CLOCKS] or own
    proven = [row for row in past if row.proven_at is not None]
    newest = past[0] if past else None
    chain = links.chain(newest.id) or () if newest else ()
    recoverable_to = newest.id.at if newest else None
    proven_to = proven[0].id.at if proven else None
    level, reasons = judge(
        recoverable_to=recoverable_to, proven_to=proven_to, rpo=source.rpo, now=now
    )
    if len(past) < len(own):
        level = worst([level, "warning"])
        reasons += (f"{len(own) - len(past)} snapshots lie in the future: check the clock",)
    if len(own) < len(there):
        level = worst([level, "warning"])
        reasons += (f"{len(there) - len(own)} incremental snapshots lack what they build on",)
    return SourcePosture(
        source=source.name,
        host=settings.host,
        kind=source.kind,
        rpo=source.rpo,
        rto=source.rto,
        snapshot=newest.id if newest else None,
        recoverable_to=recoverable_to,
        proven_to=proven_to,
        proven_at=proven[0].proven_at if proven else None,
        snapshots=len(own),
        stored_bytes=sum(row.stored_bytes for row in own),
        level=level,
        reasons=reasons,
        newest_bytes=sum(row.stored_bytes for row in chain),
    )


def _uncovered(coverage: Coverage | None) -> tuple[tuple[Level, str], ...]:
    """What a backup last found on the host that nothing protects, and what it did not find."""
    if coverage is None:
        return ()
    notices: list[tuple[Level, str]] = []
    if coverage.unprotected:
        some = ", ".join(thing.spec for thing in coverage.unprotected[:4])
        more = len(coverage.unprotected) - 4
        words = f"{some} and {more} more" if more > 0 else some
        notices.append(("warning", f"not protected: {words}"))
    notices += [("warning", f"protected, but gone: {line}") for line in coverage.gone]
    return tuple(notices)


def _notices(
    settings: Settings, store: StorePosture, kept: Sequence[KeptData], now: datetime
) -> tuple[tuple[Level, str], ...]:
    notices: list[tuple[Level, str]] = []
    if not store.offsite:
        notices.append(
            ("critical", "NOTHING IS OFFSITE: the repository is a directory on this machine")
        )
    if store.read_from:
        notices.append(
            (
                "critical",
                f"{store.name} does not answer: what is shown is what {store.read_from} holds",
            )
        )
    if store.reachable and store.listed_at and now - store.listed_at > _STALE:
        notices.append(("warning", "the listing shown is over an hour old"))
    if not settings.sources:
        notices.append(("warning", "no source is configured: nothing is backed up"))
    old = [k for k in kept if now - k.kept_at > _KEPT_LONG]
    if old:
        notices.append(
            ("warning", f"{len(old)} sets of old data are kept since over a week: restore --kept")
        )
    return tuple(notices)
