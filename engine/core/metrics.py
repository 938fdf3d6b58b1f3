"""Metrics: every name that is published, what it means, and the sheet they are written on.

Values are gauges: seconds, bytes, counts, Unix times (names ending in `_timestamp`, and the two
older names `backup_verification_last_run` and `dr_last_test_timestamp`), 0 or 1. A Unix time of 0
means never, so that what never happened is as old as can be and alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

CATALOGUE: dict[str, str] = {
    # backups, per source
    "backup_offsite_last_run_status": "1 when the last backup run made a snapshot, 0 when not",
    "backup_offsite_last_run_timestamp": "When the last backup run ended; 0: it never ran",
    "backup_offsite_last_run_duration_seconds": "How long the last backup run took",
    "backup_offsite_last_run_bytes": "Bytes the last backup run stored, compressed and encrypted",
    "backup_offsite_last_run_files": "Files (trees) or objects (databases) in the last backup run",
    "backup_last_run_warnings": "Warnings of the last backup run",
    "backup_last_run_failure": "1 with the reason why the last backup run made no snapshot",
    "backup_upload_bytes_per_second": "Stored bytes per second of the last backup run",
    "backup_upload_average_bytes_per_second": "The same, average of the runs before it",
    "backup_size_average_bytes": "Average stored size of the snapshots before the newest",
    # what the store holds, per source
    "backup_snapshots": "Snapshots in the store",
    "backup_store_bytes": "Bytes of the source's snapshots in the store",
    "backup_oldest_snapshot_timestamp": "Time of the oldest snapshot",
    "backup_last_recoverable_timestamp": "The newest moment the source can be brought back to",
    "backup_last_verified_timestamp": "When a snapshot was last proven by a restore or verified",
    "backup_verified_recoverable_timestamp": "The newest moment whose snapshot is proven",
    "backup_rpo_target_seconds": "Recovery point objective",
    "backup_rpo_actual_seconds": "Age of the newest recovery point when published, by proof",
    "backup_rto_target_seconds": "Recovery time objective; source empty: the whole host",
    "backup_rto_forecast_seconds": "How long a recovery should take now",
    "backup_rto_measured_seconds": "How long the last drill or restore test took to recover it",
    "backup_coverage_days": "Days back from now without a gap between snapshots",
    "backup_retention_overdue_snapshots": "Snapshots kept longer than the retention says",
    # the store and the disks
    "backup_store_reachable": "1 when the store answered when this was published",
    "backup_store_offsite": "0 when the repository is a directory on this machine",
    "backup_storage_size_bytes": "Size of a disk that backups or their state are on",
    "backup_storage_free_bytes": "Free bytes of it",
    # verification and drills
    "backup_verification_passed": "Passed checks of the last verification",
    "backup_verification_failed": "Failed checks of the last verification",
    "backup_verification_warnings": "Warnings of the last verification",
    "backup_verification_last_run": "When the last verification ended (Unix time); 0: never",
    "backup_verification_check_failed": "1 for each check that failed in the last verification",
    "dr_test_passed": "Passed checks of the last drill",
    "dr_test_failed": "Failed checks of the last drill",
    "dr_test_duration_seconds": "How long the last drill took",
    "dr_last_test_timestamp": "When the last drill ended (Unix time); 0: never",
    "dr_test_status": "1 when the last drill succeeded, 0 when not",
    # keys and credentials
    "backup_key_expiry_timestamp": "When the key expires; not there for one that never does",
    "backup_key_usable": "1 when the last key check could encrypt to or sign with the key",
    "backup_key_check_timestamp": "When keys were last checked; 0: never",
    "backup_key_escrow_test_timestamp": "When an offline key last opened a snapshot; 0: never",
    "backup_credentials_since_timestamp": "Since when the store's credentials are in use",
    # jobs and ourselves
    "backup_job_last_status": "1 when the last job of this operation did its work, 0 when not",
    "backup_job_last_timestamp": "When the last job of this operation ended",
    "backup_job_failures": "Failures in a row of this operation",
    "backup_documentation_due_timestamp": "When a runbook is to be reviewed again",
    "backup_notify_failures": "Notifiers that failed when they were last used",
    "backup_publish_timestamp": "When these metrics were published: the dead-man's switch",
}
REQUIRED: tuple[str, ...] = (
    "backup_offsite_last_run_status",
    "backup_offsite_last_run_timestamp",
    "backup_offsite_last_run_duration_seconds",
    "backup_offsite_last_run_bytes",
    "backup_offsite_last_run_files",
    "backup_verification_passed",
    "backup_verification_failed",
    "backup_verification_warnings",
    "backup_verification_last_run",
    "dr_test_passed",
    "dr_test_failed",
    "dr_test_duration_seconds",
    "dr_last_test_timestamp",
    "dr_test_status",
)

Value = float | int | bool | datetime | timedelta | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. labels are sorted by name; every family has the same names in each sample."""

    labels: tuple[tuple[str, str], ...]
    value: float

    def label(self, name: str) -> str:
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one metric."""

    name: str
    help: str
    samples: tuple[Sample, ...]


class Sheet:
    """Collects values under the names of the catalogue; the host is a label of each."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}

    def put(self, name: str, value: Value, **labels: str) -> None:
        """Write a value down; None is left out, the same labels again replace. KeyError for a
        name that is in no catalogue."""
        if name not in CATALOGUE:
            raise KeyError(name)
        if value is None:
            return
        if isinstance(value, datetime):
            number = value.timestamp()
        elif isinstance(value, timedelta):
            number = value.total_seconds()
        else:
            number = float(value)
        key = tuple(sorted({**labels, "host": self._host}.items()))
        self._found.setdefault(name, {})[key] = number

    def families(self) -> tuple[Family, ...]:
        """What was written, in the order of the catalogue."""
        return tuple(
            Family(
                name,
                CATALOGUE[name],
                tuple(Sample(labels, value) for labels, value in sorted(self._found[name].items())),
            )
            for name in CATALOGUE
            if name in self._found
        )
