"""Posture: what is proven, and how far behind, told truly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.core.objectives import SourcePosture, StorePosture
from engine.core.snapshot import SnapshotEntry, SnapshotId
from engine.operations import posture
from engine.settings import EncryptionSettings, Settings, SourceSettings, StoreSettings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = Settings(
    Path("config.toml"),
    "landsraad",
    "test",
    StoreSettings("s3", bucket="b"),
    EncryptionSettings(),
    (SourceSettings("etc", "config", HOUR, HOUR),),
)


def row(age: timedelta, *, proven: bool = False, committed: bool = True) -> SnapshotEntry:
    snapshot = SnapshotId("landsraad", "etc", NOW - age, "full", "1a2b3c4d")
    return SnapshotEntry(snapshot, 1, committed, True, NOW if proven else None)


def of(*rows: SnapshotEntry) -> SourcePosture:
    store = StorePosture("s3:b", offsite=True, reachable=True, listed_at=NOW)
    return posture.take(SETTINGS, rows, store, (), NOW).sources[0]


def test_fresh_and_proven_is_ok() -> None:
    assert of(row(HOUR / 2, proven=True)).level == "ok"


def test_debris_is_no_recovery_point() -> None:
    assert of(row(HOUR / 2, committed=False)).level == "critical"


def test_a_proof_older_than_the_rpo_warns() -> None:
    found = of(row(HOUR / 2), row(3 * HOUR, proven=True))
    assert found.level == "warning"
    assert found.proven_to == NOW - 3 * HOUR
    assert found.reasons == ("what is proven by a restore is older than the RPO",)


def test_a_snapshot_of_the_future_does_not_hide_that_the_rpo_is_missed() -> None:
    found = of(row(-1000 * HOUR, proven=True), row(3 * HOUR))
    assert found.level == "critical"
    assert found.recoverable_to == NOW - 3 * HOUR and found.proven_to is None
    assert any("future" in reason for reason in found.reasons)


def test_only_snapshots_of_the_future_are_said_to_be_so() -> None:
    found = of(row(-1000 * HOUR))
    assert found.level == "warning" and "future" in found.reasons[0]
