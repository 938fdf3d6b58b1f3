"""The compliance of this host over a period: from its reports, here and in the store, and from what
the store still has of its snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from engine.core.compliance import Compliance, SourceFacts, review
from engine.core.errors import StoreError
from engine.core.report import Report
from engine.core.snapshot import SnapshotEntry
from engine.operations import reports, verify_memory
from engine.ports import ObjectStore
from engine.settings import Settings


def of(
    settings: Settings,
    store: ObjectStore,
    rows: Sequence[SnapshotEntry],
    period: tuple[datetime, datetime],
) -> Compliance:
    """Review the period. Snapshots that were pruned since count where a verification saw them;
    without the store's reports, those of this host count alone."""
    memory = verify_memory.load(settings.state, store.name)
    sources = []
    for source in settings.sources:
        there = {
            row.id.at
            for row in rows
            if row.committed and not row.aside and row.id.source == source.name
        }
        seen = {snapshot.at for snapshot in memory.of(settings.host, source.name)}
        times = tuple(sorted(there | seen))
        sources.append(SourceFacts(source.name, source.kind, source.rpo, source.rto, times))
    made = _reports(settings.state, store, settings.host, period[0])
    return review(settings.host, settings.environment, period, sources, made)


def _reports(state: Path, store: ObjectStore, host: str, since: datetime) -> list[Report]:
    found = {reports.name(r): r for r in reports.history(state, since=since)}
    try:
        for report in reports.fetch(store, host, since):
            found.setdefault(reports.name(report), report)
    except StoreError:
        pass  # this host's own are what there is
    return sorted(found.values(), key=lambda r: (r.started, r.id), reverse=True)
