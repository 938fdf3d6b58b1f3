"""The dashboard's panels as values: what each shows, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shape = Literal["stat", "gauge", "timeseries", "table", "alertlist"]
AT = 'host=~"$host", source=~"$source"'
AT_HOST = 'host=~"$host"'
HOUR = 3600
DAY = 86400


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and how its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. width is of 24; unit is Grafana's word; steps are (from value, colour).

    names gives words to values: {0: "FAILED"}."""

    title: str
    shape: Shape
    queries: tuple[Query, ...]
    why: str
    width: int = 12
    height: int = 8
    unit: str = "short"
    steps: tuple[tuple[float | None, str], ...] = ((None, "blue"),)
    names: tuple[tuple[int, str, str], ...] = ()
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def per_source(expr: str) -> str:
    """One series per source, though a host may publish to two places."""
    return f"max by (host, source) ({expr})"


_WORDS = ((0, "FAILED", "red"), (1, "ok", "green"))
_UP_IS_GOOD: tuple[tuple[float | None, str], ...] = ((None, "red"), (1, "green"))
_SOURCE = "{{host}} {{source}}"

REQUIRED: tuple[str, ...] = (
    "Backup Health Status",
    "Time Since Last Backup",
    "Backup Size Trend",
    "Verification Results",
    "DR Test History",
    "RTO Measurements",
    "Storage Usage",
    "Alert Status",
)

NOW = Row(
    "Is everything recoverable now?",
    (
        Panel(
            "Backup Health Status",
            "stat",
            (
                Query(
                    f"min by (host, source) (backup_offsite_last_run_status{{{AT}}})",
                    _SOURCE,
                ),
            ),
            "Whether the last backup of each source made a snapshot.",
            steps=_UP_IS_GOOD,
            names=_WORDS,
        ),
        Panel(
            "Time Since Last Backup",
            "gauge",
            (
                Query(
                    f"(time() - {per_source(f'backup_offsite_last_run_timestamp{{{AT}}}')}) / 3600",
                    _SOURCE,
                ),
            ),
            "Hours since the last backup run of each source.",
            unit="h",
            steps=((None, "green"), (20, "orange"), (25, "red")),
        ),
        Panel(
            "Alert Status",
            "alertlist",
            (),
            "Alerts of mentat-dr that fire or are about to. `mentat-dr alerts` shows the same.",
        ),
        Panel(
            "RPO: how far behind, of its target",
            "timeseries",
            (
                Query(
                    f"(time() - {per_source(f'backup_last_recoverable_timestamp{{{AT}}}')}) / "
                    f"{per_source(f'backup_rpo_target_seconds{{{AT}}}')}",
                    f"{_SOURCE} newest",
                ),
                Query(
                    f"(time() - {per_source(f'backup_verified_recoverable_timestamp{{{AT}}} > 0')})"
                    f" / {per_source(f'backup_rpo_target_seconds{{{AT}}}')}",
                    f"{_SOURCE} proven",
                ),
            ),
            "Above 1 the target is missed. Only what is proven by a restore counts.",
            unit="percentunit",
            steps=((None, "green"), (0.8, "orange"), (1, "red")),
        ),
    ),
)

BACKUPS = Row(
    "Backups",
    (
        Panel(
            "Backup Size Trend",
            "timeseries",
            (Query(per_source(f"backup_offsite_last_run_bytes{{{AT}}}"), _SOURCE),),
            "Stored bytes of each source's last backup: a sudden drop is data that is missing.",
            unit="bytes",
        ),
        Panel(
            "Backup Duration",
            "timeseries",
            (Query(per_source(f"backup_offsite_last_run_duration_seconds{{{AT}}}"), _SOURCE),),
            "How long backups take.",
            unit="s",
            steps=((None, "green"), (HOUR, "red")),
        ),
        Panel(
            "Files in the last backup",
            "timeseries",
            (Query(per_source(f"backup_offsite_last_run_files{{{AT}}}"), _SOURCE),),
            "Files of trees, objects of databases.",
            width=8,
        ),
        Panel(
            "Upload speed",
            "timeseries",
            (Query(per_source(f"backup_upload_bytes_per_second{{{AT}}}"), _SOURCE),),
            "Stored bytes per second. A restore comes back about as fast.",
            width=8,
            unit="Bps",
        ),
        Panel(
            "Failures in a row",
            "timeseries",
            (
                Query(
                    f"max by (host, operation, source) (backup_job_failures{{{AT_HOST}}})",
                    "{{host}} {{operation}} {{source}}",
                ),
            ),
            "Of every operation, until it works again.",
            width=8,
            steps=((None, "green"), (1, "red")),
        ),
    ),
)

PROOF = Row(
    "Proof",
    (
        Panel(
            "Verification Results",
            "table",
            (
                Query(f"max by (host, scope, source) (backup_verification_passed{{{AT_HOST}}})"),
                Query(f"max by (host, scope, source) (backup_verification_failed{{{AT_HOST}}})"),
                Query(f"max by (host, scope, source) (backup_verification_warnings{{{AT_HOST}}})"),
            ),
            "Checks of the last verification: passed, failed, warnings.",
        ),
        Panel(
            "DR Test History",
            "timeseries",
            (
                Query(
                    f"max by (host, kind) (dr_test_passed{{{AT_HOST}}})", "{{host}} {{kind}} passed"
                ),
                Query(
                    f"max by (host, kind) (dr_test_failed{{{AT_HOST}}})", "{{host}} {{kind}} failed"
                ),
            ),
            "Checks that passed and failed in each drill.",
        ),
        Panel(
            "RTO Measurements",
            "timeseries",
            (
                Query(per_source(f"backup_rto_measured_seconds{{{AT}}}"), f"{_SOURCE} measured"),
                Query(per_source(f"backup_rto_forecast_seconds{{{AT}}}"), f"{_SOURCE} forecast"),
                Query(per_source(f"backup_rto_target_seconds{{{AT}}}"), f"{_SOURCE} target"),
            ),
            "What drills took, what a recovery should take now, and what it may take.",
            unit="s",
        ),
        Panel(
            "Days since the last drill",
            "stat",
            (
                Query(
                    f"(time() - max by (host, kind) (dr_last_test_timestamp{{{AT_HOST}}} > 0)) "
                    f"/ {DAY}",
                    "{{host}} {{kind}}",
                ),
            ),
            "A complete drill is due each quarter.",
            width=6,
            unit="d",
            steps=((None, "green"), (60, "orange"), (90, "red")),
        ),
        Panel(
            "Days since proven by a restore",
            "stat",
            (
                Query(
                    f"(time() - {per_source(f'backup_last_verified_timestamp{{{AT}}} > 0')}) / "
                    f"{DAY}",
                    _SOURCE,
                ),
            ),
            "A source that is not here was never proven.",
            width=6,
            unit="d",
            steps=((None, "green"), (7, "orange"), (14, "red")),
        ),
    ),
)

STORE = Row(
    "Store and keys",
    (
        Panel(
            "Storage Usage",
            "timeseries",
            (Query(per_source(f"backup_store_bytes{{{AT}}}"), _SOURCE),),
            "Bytes of each source in the bucket.",
            unit="bytes",
            stacked=True,
        ),
        Panel(
            "Free space",
            "gauge",
            (
                Query(
                    f"min by (host, path) (backup_storage_free_bytes{{{AT_HOST}}} / "
                    f"backup_storage_size_bytes{{{AT_HOST}}})",
                    "{{host}} {{path}}",
                ),
            ),
            "Of the disks that backups and their state are on.",
            width=6,
            unit="percentunit",
            steps=((None, "red"), (0.1, "orange"), (0.2, "green")),
        ),
        Panel(
            "Days of coverage",
            "gauge",
            (Query(per_source(f"backup_coverage_days{{{AT}}}"), _SOURCE),),
            "How far back snapshots go without a gap.",
            width=6,
            unit="d",
            steps=((None, "red"), (7, "green")),
        ),
        Panel(
            "Days until keys expire",
            "stat",
            (
                Query(
                    f"(max by (host, role, key) (backup_key_expiry_timestamp{{{AT_HOST}}}) - "
                    f"time()) / {DAY}",
                    "{{host}} {{role}} {{key}}",
                ),
            ),
            "Backups stop when a recipient's or the signing key expires.",
            unit="d",
            steps=((None, "red"), (7, "orange"), (30, "green")),
        ),
        Panel(
            "Minutes since hosts published",
            "stat",
            (
                Query(
                    f"(time() - max by (host) (backup_publish_timestamp{{{AT_HOST}}})) / 60",
                    "{{host}}",
                ),
            ),
            "The dead-man's switch: all else on this page is as old as this.",
            unit="m",
            steps=((None, "green"), (30, "orange"), (120, "red")),
        ),
    ),
)

ROWS: tuple[Row, ...] = (NOW, BACKUPS, PROOF, STORE)
