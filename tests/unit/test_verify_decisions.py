"""What verifications decide: samples that cover everything in time, ages, sizes, days, retention,
forecasts, compliance and assertions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import verification as judge
from engine.core.assertions import holds
from engine.core.compliance import SourceFacts, review
from engine.core.forecast import Today, forecast
from engine.core.report import Report, RtoMeasured, failed, passed
from engine.core.sampling import Candidate, pick

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=25),
    st.integers(2, 9),
    st.integers(0, 5),
)
def test_daily_samples_cover_everything_in_time(sizes: list[int], days: int, more: int) -> None:
    """Whatever the sizes, and with snapshots still coming, nothing stays unread for longer."""
    cover = days * DAY
    proven: dict[int, datetime | None] = dict.fromkeys(range(len(sizes)))
    made = dict.fromkeys(range(len(sizes)), NOW)
    last_run = None
    for day in range(3 * days):
        now = NOW + day * DAY
        if day < more:
            made[len(sizes)] = now
            proven[len(sizes)] = None
            sizes = [*sizes, 7]
        candidates = [Candidate(n, sizes[n], made[n], proven[n]) for n in made]
        for chosen in pick(candidates, cover=cover, now=now, last_run=last_run):
            assert chosen.reason
            proven[chosen.key] = now
        last_run = now
        for n, at in made.items():
            assert now - (proven[n] or at) < cover, f"{n} unread for {now - (proven[n] or at)}"


def test_a_days_share_is_about_a_part_of_all() -> None:
    many = [Candidate(n, 100, NOW - 30 * DAY, NOW - n * DAY / 20) for n in range(70)]
    chosen = pick(many, cover=7 * DAY, now=NOW, last_run=NOW - DAY)
    assert 10 <= len(chosen) <= 12
    assert {c.key for c in chosen} == set(range(70 - len(chosen), 70)), "the longest unread first"
    newest = [Candidate("new", 5, NOW, NOW, newest=True)]
    assert [c.key for c in pick(newest, cover=7 * DAY, now=NOW, last_run=NOW)] == ["new"]


@pytest.mark.parametrize(
    ("age", "outcome"),
    [(HOUR / 2, "passed"), (2 * HOUR, "failed"), (-HOUR, "warning"), (None, "failed")],
)
def test_age(age: timedelta | None, outcome: str) -> None:
    found = judge.judge_age("db", None if age is None else NOW - age, HOUR, NOW)
    assert found.outcome == outcome and (outcome == "passed" or found.remedy)


@pytest.mark.parametrize(
    ("size", "before", "outcome"),
    [
        (100, [], "passed"),
        (50, [100, 100], "passed"),
        (49, [100, 100], "warning"),
        (0, [100], "failed"),
        (0, [], "failed"),
        (900, [100], "passed"),
    ],
)
def test_size(size: int, before: list[int], outcome: str) -> None:
    assert judge.judge_size("db", size, before).outcome == outcome


def test_days_without_a_snapshot_are_named_and_today_is_not_over() -> None:
    times = [NOW - n * DAY for n in (1, 2, 4, 5)]
    found = judge.judge_days("db", times, 30 * DAY, HOUR, NOW)
    assert found.outcome == "warning" and found.measured["missing_days"] == 1
    assert "2026-11-19" in found.message
    assert judge.judge_days("db", times[:2], 30 * DAY, HOUR, NOW).outcome == "passed"
    weekly = [NOW - n * DAY for n in (3, 10, 17)]
    assert judge.judge_days("etc", weekly, 30 * DAY, 8 * DAY, NOW).outcome == "passed"
    assert judge.judge_days("etc", weekly, 30 * DAY, 6 * DAY, NOW).outcome == "warning"


def test_coverage_of_a_young_source_is_not_held_against_it() -> None:
    assert judge.judge_coverage("db", [NOW - 2 * DAY, NOW], None, NOW).outcome == "passed"
    old = judge.judge_coverage("db", [NOW - 2 * DAY, NOW], NOW - 20 * DAY, NOW)
    assert old.outcome == "warning" and old.measured["coverage_days"] == 2
    assert judge.judge_coverage("db", [NOW - 8 * DAY], NOW - 20 * DAY, NOW).outcome == "passed"


def test_retention_misses_what_went_too_early_and_what_stays_too_long() -> None:
    kept = [NOW - n * DAY for n in range(5)]
    assert judge.judge_retention("db", kept, [], 30, 3, NOW).outcome == "passed"
    early = judge.judge_retention("db", kept, [NOW - 6 * DAY], 30, 3, NOW)
    assert early.outcome == "failed" and "2026-11-16" in early.message
    assert judge.judge_retention("db", kept, [NOW - 31 * DAY], 30, 3, NOW).outcome == "passed"
    late = judge.judge_retention("db", [*kept, NOW - 40 * DAY], [], 30, 3, NOW)
    assert late.outcome == "warning" and late.remedy == "mentat-dr prune"
    few = judge.judge_retention("db", [NOW - 40 * DAY], [], 30, 3, NOW)
    assert few.outcome == "passed", "the last few stay whatever their age"


def test_a_disk_with_less_than_a_tenth_free_is_full() -> None:
    assert judge.judge_space("/x", 9, 100).outcome == "failed"
    assert judge.judge_space("/x", 10, 100).outcome == "passed"
    assert judge.judge_space("/x", 0, 0).outcome == "failed"


@pytest.mark.parametrize(
    ("expected", "found", "good"),
    [
        ("12", "12", True),
        ("12", "13", False),
        (">= 1000", "1000", True),
        (">=1000", "999", False),
        ("< 0.5", "0.25", True),
        ("!= 0", "0", False),
        ("> 1", "many", False),
        ("yes", None, False),
        (">= 0", None, False),
    ],
)
def test_assertions(expected: str, found: str | None, good: bool) -> None:
    assert holds(expected, found) is good


def drill(at: datetime, *rto: RtoMeasured) -> Report:
    return Report("drill-full", f"{at:%d}", "h", at, at + HOUR, (passed("x", "", "y"),), (), rto)


def measured(source: str, seconds: float, stored: int) -> RtoMeasured:
    return RtoMeasured(source, "database", seconds, 3600, stored_bytes=stored)


def test_the_forecast_grows_with_the_data_and_never_hopes() -> None:
    held = [drill(NOW, measured("db", 100, 1000), measured("web", 20, 10), measured("", 150, 0))]
    today = [Today("db", "database", 3000, 250), Today("web", "volume", 5, 60)]
    found = forecast(held, today, 600)
    assert found["db"].seconds == 300 and found["db"].met is False and found["db"].grown == 3
    assert found["web"].seconds == 20 and found["web"].met
    assert found[""].seconds == 350, "the sources, and the 30 s beside them"
    assert "3.0 times" in found["db"].basis
    unknown = forecast([], today, 600)
    assert unknown["db"].seconds is None and unknown["db"].met is None
    assert unknown[""].seconds is None and unknown[""].stale(NOW)


def test_the_forecast_rests_on_the_last_few() -> None:
    held = [drill(NOW - n * DAY, measured("db", s, 100)) for n, s in enumerate((10, 900, 12, 5000))]
    assert forecast(held, [Today("db", "database", 100, 60)], 600)["db"].seconds == 12


def test_compliance_counts_the_time_and_names_the_exceptions() -> None:
    until = NOW
    since = NOW - 10 * DAY
    steady = tuple(since - DAY + n * DAY for n in range(11))
    gap = tuple(t for t in steady if not since + 2 * DAY < t < since + 6 * DAY)
    facts = [
        SourceFacts("etc", "config", 24 * HOUR, HOUR, steady),
        SourceFacts("db", "database", 24 * HOUR, HOUR, gap),
        SourceFacts("new", "volume", 24 * HOUR, HOUR, ()),
    ]
    made = [
        drill(NOW - DAY, measured("etc", 5, 1), measured("db", 4000, 1)),
        Report("verify-offsite", "v", "h", NOW - 2 * DAY, NOW, (failed("x", "db", "bad", "do"),)),
        drill(NOW - 40 * DAY, measured("new", 1, 1)),
    ]
    found = review("h", "test", (since, until), facts, made)
    etc, db, new = found.sources
    assert etc.rpo_met == 1 and etc.days == etc.of_days == 10 and etc.rto_met
    assert db.rpo_met == pytest.approx(0.7) and db.longest_gap == 4 * DAY and db.rto_met is False
    assert new.snapshots == 0 and new.proofs == 0
    said = "\n".join(found.exceptions)
    for words in ("db: the RPO was met for 70.0%", "db: the RTO was missed", "new: no snapshot"):
        assert words in said
    assert "etc:" not in said and "Verification of the offsite store failed" in said
    assert (found.drills, found.full_drills, found.verifications_failed) == (1, 1, 1)
