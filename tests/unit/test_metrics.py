"""Metrics: every name that was promised, what never happened, and runs that outlive journals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from engine.core import events
from engine.core.events import Record
from engine.core.job import Job, fold
from engine.core.metrics import CATALOGUE, REQUIRED, Family, Sheet
from engine.core.metrics_facts import (
    Disk,
    Facts,
    average_size,
    coverage,
    families,
    overdue_snapshots,
)
from engine.core.metrics_keys import Escrow, KeysKnown, KeyState
from engine.core.metrics_runs import KEPT, History, failures_in_a_row, remember, runs_of
from engine.core.objectives import Posture, SourcePosture, StorePosture
from engine.core.report import Report, RtoMeasured, failed, passed, warning
from engine.core.snapshot import Method, SnapshotEntry, SnapshotId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def job(
    name: str,
    *said: events.Event,
    operation: str = "backup",
    sources: tuple[str, ...] = ("shop-db",),
    at: datetime = NOW,
) -> Job:
    """A job that began ten minutes before `at` and said all this, the last of it then."""
    begun = at - timedelta(minutes=10)
    accepted = events.Accepted(name, operation, operation, "landsraad", "root", {}, sources)
    records = [Record(1, begun, accepted), Record(2, begun, events.Started(1, "landsraad"))]
    records += [Record(number, at, event) for number, event in enumerate(said, 3)]
    return fold(Job(name), records)


def backed_up(name: str, *, at: datetime = NOW, stored: int = 600, files: int = 7) -> Job:
    made = events.SnapshotCommitted("shop-db", "ref", stored, 1200, files)
    return job(name, made, events.Result("done", "ok"), at=at)


def broken(name: str, code: int = 4, *, at: datetime = NOW) -> Job:
    return job(name, events.Failed("store-unreachable", "no answer", "wait", code), at=at)


def entry(age: timedelta, size: int = 100, method: Method = "full") -> SnapshotEntry:
    snapshot = SnapshotId("landsraad", "shop-db", NOW - age, method, "1a2b3c4d")
    return SnapshotEntry(snapshot, size, True, True)


def posture(**more: Any) -> Posture:
    fields: dict[str, Any] = {
        "source": "shop-db",
        "host": "landsraad",
        "kind": "database",
        "rpo": HOUR,
        "rto": 2 * HOUR,
        "snapshot": None,
        "recoverable_to": NOW - HOUR / 2,
        "proven_to": NOW - 3 * HOUR,
        "proven_at": NOW - 2 * HOUR,
        "snapshots": 1,
        "stored_bytes": 1,
        "level": "ok",
        "reasons": (),
    }
    store = StorePosture("s3:b", offsite=True, reachable=True, listed_at=NOW)
    return Posture("landsraad", "test", NOW, (SourcePosture(**(fields | more)),), store)


def report(kind: Any, *checks: Any, rto: tuple[RtoMeasured, ...] = ()) -> Report:
    return Report(kind, "job", "landsraad", NOW - HOUR, NOW - HOUR / 2, checks, rto=rto)


def values(found: tuple[Family, ...], name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Values of a metric by its labels without the host."""
    family = next((f for f in found if f.name == name), None)
    return {
        tuple(pair for pair in sample.labels if pair[0] != "host"): sample.value
        for sample in (family.samples if family else ())
    }


def value(found: tuple[Family, ...], name: str) -> float:
    (only,) = values(found, name).values()
    return only


def full_facts() -> Facts:
    history = remember({}, [backed_up("j2"), backed_up("j1", at=NOW - DAY, stored=1000)])
    key = KeyState("a@b", "recipient", "AB" * 20, "A", NOW + 10 * DAY, usable=True)
    return Facts(
        posture=posture(),
        entries=[entry(HOUR), entry(DAY, 300), entry(2 * DAY, 100)],
        history=history,
        now=NOW,
        retention={"shop-db": 30 * DAY},
        keep_at_least=3,
        reports=[
            report("drill-full", passed("up", "", "ok"), rto=(RtoMeasured("", "", 1800, 7200),)),
            report(
                "verify-offsite",
                passed("stored-bytes", "shop-db", "ok"),
                failed("signature", "shop-db", "bad", "do"),
                warning("age", "shop-db", "old", "do"),
                rto=(RtoMeasured("shop-db", "database", 300, 7200),),
            ),
        ],
        keys=KeysKnown(
            NOW, (key,), (Escrow(NOW, "AB", "shop-db", "ref", "whole"),), {"s3:b": NOW - 9 * DAY}
        ),
        disks=[Disk("/", 100, 40)],
        forecast={"shop-db": 320.0, "": 900.0},
        documents={"database-corruption": date(2027, 1, 1)},
        notify_failures=1,
    )


def test_every_promised_name_is_published() -> None:
    names = {family.name for family in families(full_facts())}
    assert set(REQUIRED) <= names
    # The rest of the catalogue too, but for what is told of failures alone.
    assert set(CATALOGUE) - names == {"backup_last_run_failure"}


def test_every_sample_names_its_host_and_a_family_has_one_set_of_labels() -> None:
    for family in families(full_facts()):
        assert all(sample.label("host") == "landsraad" for sample in family.samples)
        assert len({tuple(n for n, _ in sample.labels) for sample in family.samples}) == 1, family


def test_a_run_that_made_a_snapshot() -> None:
    found = families(full_facts())
    assert value(found, "backup_offsite_last_run_status") == 1
    assert value(found, "backup_offsite_last_run_timestamp") == NOW.timestamp()
    assert value(found, "backup_offsite_last_run_duration_seconds") == 600
    assert value(found, "backup_offsite_last_run_bytes") == 600
    assert value(found, "backup_offsite_last_run_files") == 7
    assert value(found, "backup_upload_bytes_per_second") == 1
    assert value(found, "backup_upload_average_bytes_per_second") == pytest.approx(1000 / 600)
    assert value(found, "backup_size_average_bytes") == 200
    assert values(found, "backup_rpo_actual_seconds") == {
        (("kind", "database"), ("point", "newest"), ("source", "shop-db")): 1800,
        (("kind", "database"), ("point", "verified"), ("source", "shop-db")): 3 * 3600,
    }


@pytest.mark.parametrize(
    ("code", "reason"), [(4, "store"), (5, "keys"), (7, "damage"), (6, "held"), (1, "failed")]
)
def test_a_failed_run_says_why(code: int, reason: str) -> None:
    facts = replace(full_facts(), history=remember({}, [broken("j", code)]))
    found = families(facts)
    assert value(found, "backup_offsite_last_run_status") == 0
    assert [dict(labels)["reason"] for labels in values(found, "backup_last_run_failure")] == [
        reason
    ]


def test_what_never_happened_is_as_old_as_can_be() -> None:
    bare = posture(recoverable_to=None, proven_to=None, proven_at=None)
    found = families(Facts(bare, (), {}, NOW))
    for name in (
        "backup_offsite_last_run_timestamp",
        "backup_last_recoverable_timestamp",
        "backup_last_verified_timestamp",
        "backup_verification_last_run",
        "dr_last_test_timestamp",
        "backup_key_check_timestamp",
        "backup_key_escrow_test_timestamp",
    ):
        assert value(found, name) == 0, name
    assert not values(found, "backup_offsite_last_run_status")


def test_verification_and_drill_counts() -> None:
    found = families(full_facts())
    at = (("scope", "offsite"), ("source", "shop-db"))
    for name in ("passed", "failed", "warnings"):
        assert values(found, f"backup_verification_{name}") == {at: 1}
    assert values(found, "backup_verification_check_failed") == {(("check", "signature"), *at): 1}
    assert values(found, "dr_test_status") == {(("kind", "full"),): 1}
    assert value(found, "dr_test_duration_seconds") == 1800
    assert values(found, "backup_rto_measured_seconds") == {
        (("kind", ""), ("source", "")): 1800,
        (("kind", "database"), ("source", "shop-db")): 300,
    }


def test_a_report_without_checks_is_a_failure() -> None:
    found = families(replace(full_facts(), reports=[report("verify-local"), report("drill-full")]))
    assert value(found, "backup_verification_failed") == 1
    assert value(found, "dr_test_status") == 0


def test_runs_outlive_the_jobs() -> None:
    history: History = remember({}, [backed_up("old", at=NOW - DAY)])
    shipped = [
        job(f"s{n}", events.Result("done", ""), operation="ship-binlogs", at=NOW) for n in range(50)
    ]
    history = remember(history, shipped)
    assert history["backup shop-db"][0].job == "old"
    assert len(history["ship-binlogs shop-db"]) == KEPT
    assert remember(history, [backed_up("old", at=NOW - DAY)]) == history


def test_running_jobs_are_no_runs() -> None:
    assert runs_of(job("j")) == ()


def test_one_job_of_two_sources_of_which_one_failed() -> None:
    made = events.SnapshotCommitted("etc", "ref", 10, 20, 3)
    warned = events.Warned("database", "no route to it", "shop-db")
    end = events.Failed("database", "no snapshot of shop-db (shop-db: no route to it)", "mend", 1)
    etc, database = runs_of(job("j", made, warned, end, sources=("etc", "shop-db")))
    assert (etc.ok, etc.files, etc.message) == (True, 3, "")
    assert (database.ok, database.code, database.message) == (False, "database", "no route to it")


def test_failures_in_a_row_end_at_a_success() -> None:
    jobs = [broken("c"), broken("b", at=NOW - HOUR), backed_up("a", at=NOW - DAY)]
    runs = remember({}, jobs)["backup shop-db"]
    assert failures_in_a_row(runs) == 2
    assert failures_in_a_row(runs[2:]) == 0


def test_coverage_ends_at_a_gap() -> None:
    daily = [entry(DAY * n) for n in (1, 2, 3)]
    assert coverage(daily, HOUR, NOW) == 3 * DAY
    assert coverage([*daily, entry(8 * DAY)], HOUR, NOW) == 3 * DAY
    assert coverage([*daily, entry(8 * DAY)], 7 * DAY, NOW) == 8 * DAY
    assert coverage([entry(3 * DAY)], HOUR, NOW) == timedelta(0)


def test_sizes_are_compared_within_a_method() -> None:
    assert average_size([entry(HOUR, 5, "physical"), entry(DAY, 100, "logical")]) is None
    assert average_size([entry(HOUR, 5), entry(DAY, 100), entry(40 * DAY, 9000)]) == 100


def test_retention_leaves_the_last_ones_alone() -> None:
    old = [entry(DAY * n) for n in (1, 40, 41, 42)]
    assert overdue_snapshots(old, 30 * DAY, 3, NOW) == 1
    assert overdue_snapshots(old[:3], 30 * DAY, 3, NOW) == 0
    assert overdue_snapshots([entry(DAY), entry(31 * DAY)], 30 * DAY, 1, NOW) == 0


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError):
        Sheet("landsraad").put("backup_something", 1)
