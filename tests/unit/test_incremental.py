"""What an incremental builds on, and every doubt that makes a full one of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.core.incremental import Choice, Footing, Known, choose
from engine.core.snapshot import SnapshotEntry, SnapshotId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
FOOTING = Footing("the source", "this boot", 1000.0)


def row(age: timedelta, base: str = "") -> SnapshotEntry:
    method = "incremental" if base else "full"
    number = f"{int(age.total_seconds()):08x}"
    snapshot = SnapshotId("landsraad", "etc", NOW - age, method, number)  # type: ignore[arg-type]
    return SnapshotEntry(snapshot, 500, True, True, base=base)


def known(entry: SnapshotEntry, full: str = "") -> Known:
    ref = entry.id.ref
    return Known(ref, entry.id.at, full or ref, {f"{ref}/files": 400}, "a digest", FOOTING)


FULL = row(30 * HOUR)
LAST = row(2 * HOUR, FULL.id.ref)
ROWS = [LAST, FULL]
BOTH = [known(FULL), known(LAST, FULL.id.ref)]


def chosen(
    memory: list[Known] = BOTH,
    rows: list[SnapshotEntry] = ROWS,
    footing: Footing = FOOTING,
    now: datetime = NOW,
    size: int = 400,
) -> Choice:
    stored = {f"{entry.id.ref}/files": size for entry in rows}
    return choose(memory, rows, stored, footing, WEEK, now)


def base(choice: Choice) -> str:
    return choice.base.ref if choice.base else choice.reason


def test_the_first_of_a_day_builds_on_the_full_one_and_later_ones_on_the_last() -> None:
    assert base(chosen()) == LAST.id.ref
    assert base(chosen(now=NOW + 12 * HOUR)) == FULL.id.ref
    assert base(chosen(BOTH[:1])) == FULL.id.ref


def test_after_the_time_a_full_one_is_due() -> None:
    assert "old" in base(chosen(now=FULL.id.at + WEEK))
    assert "old" in base(chosen(now=FULL.id.at + WEEK - timedelta(seconds=5))), "cron may be early"
    assert base(chosen(now=FULL.id.at + WEEK - HOUR)) == FULL.id.ref


@pytest.mark.parametrize(
    ("footing", "why"),
    [
        (replace(FOOTING, what="other paths"), "defined differently"),
        (replace(FOOTING, boot="another"), "was started"),
        (replace(FOOTING, ahead=1061.0), "clock was set"),
        (replace(FOOTING, ahead=900.0), "clock was set"),
    ],
)
def test_another_footing_makes_a_full_one(footing: Footing, why: str) -> None:
    assert why in base(chosen(footing=footing))


def test_a_small_step_of_the_clock_is_looked_back_over() -> None:
    assert base(chosen(footing=replace(FOOTING, ahead=1059.0))) == LAST.id.ref


def test_what_the_store_has_no_more_is_not_built_on() -> None:
    assert "not in the store" in base(chosen(rows=[LAST]))
    assert "not in the store" in base(chosen(rows=[LAST, replace(FULL, committed=False)]))
    assert "has not all of" in base(chosen(size=399))
    assert base(chosen(rows=[FULL])) == FULL.id.ref, "the last one is gone, the full one serves"


def test_what_is_not_known_or_later_is_not_built_on() -> None:
    assert "no earlier full one" in base(chosen([]))
    assert "no earlier full one" in base(chosen(BOTH[1:]))
    assert "clock is before" in base(chosen(now=NOW - 31 * HOUR))
    stranger = known(row(HOUR, "x"), "20260101T000000Z-full-00000000")
    assert base(chosen([BOTH[0], stranger])) == FULL.id.ref
