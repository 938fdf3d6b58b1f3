"""From what a host knows to its metrics. Pure: everything comes in as values, the time too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from engine.core.metrics import Family, Sheet
from engine.core.metrics_keys import KeysKnown, put_keys
from engine.core.metrics_proof import put_proofs
from engine.core.metrics_runs import History, Run, failures_in_a_row
from engine.core.objectives import Posture, SourcePosture
from engine.core.report import Report
from engine.core.snapshot import SnapshotEntry

DAY = timedelta(days=1)
_AVERAGED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk that backups or their state are on; sizes in bytes."""

    path: str
    size: int
    free: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What metrics are made from.

    entries      this host's committed snapshots, newest first
    retention    by source: the age from which a snapshot should be gone
    keep_at_least  snapshots that stay whatever their age
    reports      newest first
    forecast     by source: expected seconds of a recovery ("" for the whole host)
    documents    by runbook: when it is to be reviewed again
    """

    posture: Posture
    entries: Sequence[SnapshotEntry]
    history: History
    now: datetime
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    keep_at_least: int = 0
    reports: Sequence[Report] = ()
    keys: KeysKnown = field(default_factory=KeysKnown)
    disks: Sequence[Disk] = ()
    forecast: Mapping[str, float] = field(default_factory=dict)
    documents: Mapping[str, date] = field(default_factory=dict)
    notify_failures: int = 0


def families(facts: Facts) -> tuple[Family, ...]:
    """Every metric of the host, in the catalogue's order."""
    sheet = Sheet(facts.posture.host)
    for source in facts.posture.sources:
        own = [e for e in facts.entries if e.id.source == source.source and not e.aside]
        _put_runs(sheet, source, facts.history.get(f"backup {source.source}", ()))
        _put_stored(sheet, source, own, facts)
        _put_objectives(sheet, source, facts)
    if "" in facts.forecast:
        sheet.put("backup_rto_forecast_seconds", facts.forecast[""], source="", kind="")
    store = facts.posture.store
    sheet.put("backup_store_reachable", store.reachable, store=store.name)
    sheet.put("backup_store_offsite", store.offsite, store=store.name)
    for disk in facts.disks:
        sheet.put("backup_storage_size_bytes", disk.size, path=disk.path)
        sheet.put("backup_storage_free_bytes", disk.free, path=disk.path)
    put_proofs(sheet, facts.reports, facts.posture.sources)
    put_keys(sheet, facts.keys)
    _put_jobs(sheet, facts.history)
    for document, due in facts.documents.items():
        midnight = datetime.combine(due, time(), UTC)
        sheet.put("backup_documentation_due_timestamp", midnight, document=document)
    sheet.put("backup_notify_failures", facts.notify_failures)
    sheet.put("backup_publish_timestamp", facts.now)
    return sheet.families()


def _put_runs(sheet: Sheet, source: SourcePosture, runs: Sequence[Run]) -> None:
    labels = {"source": source.source, "kind": source.kind}
    if not runs:
        sheet.put("backup_offsite_last_run_timestamp", 0, **labels)
        return
    last = runs[0]
    sheet.put("backup_offsite_last_run_status", last.ok, **labels)
    sheet.put("backup_offsite_last_run_timestamp", last.at, **labels)
    sheet.put("backup_offsite_last_run_duration_seconds", last.seconds, **labels)
    sheet.put("backup_offsite_last_run_bytes", last.stored_bytes, **labels)
    sheet.put("backup_offsite_last_run_files", last.files, **labels)
    sheet.put("backup_last_run_warnings", last.warnings, **labels)
    if not last.ok:
        sheet.put("backup_last_run_failure", 1, reason=last.reason, **labels)
    good = [run.stored_bytes / run.seconds for run in runs if run.ok and run.seconds >= 0.01]
    if last.ok and good:
        sheet.put("backup_upload_bytes_per_second", good[0], **labels)
    if last.ok and len(good) > 1:
        average = sum(good[1:]) / len(good[1:])
        sheet.put("backup_upload_average_bytes_per_second", average, **labels)


def _put_stored(
    sheet: Sheet, source: SourcePosture, own: Sequence[SnapshotEntry], facts: Facts
) -> None:
    labels = {"source": source.source, "kind": source.kind}
    sheet.put("backup_snapshots", len(own), **labels)
    sheet.put("backup_store_bytes", sum(entry.stored_bytes for entry in own), **labels)
    sheet.put("backup_coverage_days", coverage(own, source.rpo, facts.now) / DAY, **labels)
    limit = facts.retention.get(source.source)
    if limit is not None:
        overdue = overdue_snapshots(own, limit, facts.keep_at_least, facts.now)
        sheet.put("backup_retention_overdue_snapshots", overdue, **labels)
    if not own:
        return
    sheet.put("backup_oldest_snapshot_timestamp", min(e.id.at for e in own), **labels)
    sheet.put("backup_size_average_bytes", average_size(own), **labels)


def average_size(own: Sequence[SnapshotEntry]) -> float | None:
    """Mean stored size of the snapshots of the newest one's method before it, over 30 days; None
    when there is none to compare with."""
    newest = own[0]
    before = [
        entry.stored_bytes
        for entry in own[1:]
        if entry.id.method == newest.id.method and newest.id.at - entry.id.at <= _AVERAGED
    ]
    return sum(before) / len(before) if before else None


def coverage(own: Sequence[SnapshotEntry], rpo: timedelta, now: datetime) -> timedelta:
    """How far back snapshots follow each other without a gap. A gap is half as long again as a
    day, or as the RPO where that is longer."""
    gap = max(DAY, rpo) * 1.5
    reached = now
    for entry in own:
        if reached - entry.id.at > gap:
            break
        reached = min(reached, entry.id.at)
    return now - reached


def overdue_snapshots(
    own: Sequence[SnapshotEntry], limit: timedelta, keep_at_least: int, now: datetime
) -> int:
    """Snapshots that should be gone: older than the limit by over two days, and not among those
    that stay whatever their age."""
    return sum(now - entry.id.at > limit + 2 * DAY for entry in own[keep_at_least:])


def _put_objectives(sheet: Sheet, source: SourcePosture, facts: Facts) -> None:
    labels = {"source": source.source, "kind": source.kind}
    sheet.put("backup_last_recoverable_timestamp", source.recoverable_to or 0, **labels)
    sheet.put("backup_last_verified_timestamp", source.proven_at or 0, **labels)
    sheet.put("backup_verified_recoverable_timestamp", source.proven_to or 0, **labels)
    sheet.put("backup_rpo_target_seconds", source.rpo, **labels)
    sheet.put("backup_rto_target_seconds", source.rto, **labels)
    for point, moment in (("newest", source.recoverable_to), ("verified", source.proven_to)):
        behind = facts.now - moment if moment else None
        sheet.put("backup_rpo_actual_seconds", behind, point=point, **labels)
    forecast = facts.forecast.get(source.source)
    sheet.put("backup_rto_forecast_seconds", forecast, **labels)


def _put_jobs(sheet: Sheet, history: History) -> None:
    for runs in history.values():
        last = runs[0]
        labels = {"operation": last.operation, "source": last.source}
        sheet.put("backup_job_last_status", last.ok, **labels)
        sheet.put("backup_job_last_timestamp", last.at, **labels)
        sheet.put("backup_job_failures", failures_in_a_row(runs), **labels)
