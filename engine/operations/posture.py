"""Posture: the inventory held against the targets. Pure; the api brings the parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.core.objectives import (
    KeptData,
    Level,
    Posture,
    SourcePosture,
    StorePosture,
    judge,
    worst,
)
from engine.core.snapshot import SnapshotEntry
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
) -> Posture:
    """The posture of this host's sources. rows: newest first, of any host."""
    sources = tuple(_source(settings, source, rows, now) for source in settings.sources)
    return Posture(
        host=settings.host,
        environment=settings.environment,
        now=now,
        sources=sources,
        store=store,
        notices=_notices(settings, store, kept, now),
        kept=tuple(kept),
    )


def _source(
    settings: Settings, source: SourceSettings, rows: Sequence[SnapshotEntry], now: datetime
) -> SourcePosture:
    own = [
        r
        for r in rows
        if r.committed and not r.aside and (r.id.host, r.id.source) == (settings.host, source.name)
    ]
    # A clock that was wrong once must not hide for ever what is really the newest.
    past = [row for row in own if row.id.at <= now + _CLOCKS] or own
    proven = [row for row in past if row.proven_at is not None]
    newest = past[0] if past else None
    recoverable_to = newest.id.at if newest else None
    proven_to = proven[0].id.at if proven else None
    level, reasons = judge(
        recoverable_to=recoverable_to, proven_to=proven_to, rpo=source.rpo, now=now
    )
    if len(past) < len(own):
        level = worst([level, "warning"])
        reasons += (f"{len(own) - len(past)} snapshots lie in the future: check the clock",)
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
    )


def _notices(
    settings: Settings, store: StorePosture, kept: Sequence[KeptData], now: datetime
) -> tuple[tuple[Level, str], ...]:
    notices: list[tuple[Level, str]] = []
    if not store.offsite:
        notices.append(
            ("critical", "NOTHING IS OFFSITE: the repository is a directory on this machine")
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
