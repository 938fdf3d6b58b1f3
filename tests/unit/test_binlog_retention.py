"""Binary logs go when no kept snapshot needs them, by time and by place, and not before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine import wiring
from engine.core.binlog import Anchor, Place, Segment, Shipped, shipped
from engine.core.binlog_retention import unneeded
from engine.core.retention import Decision, Verdict
from engine.core.snapshot import SnapshotId
from engine.operations import prune_debris
from engine.settings import StoreSettings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CHAIN = "6743a1b2"


def segment(day: int, chain: str = CHAIN) -> Segment:
    """A day's log of a server that makes one file a day; `day` is its age."""
    number = 1000 - day
    return Segment(
        "landsraad",
        "shop-db",
        "uuid",
        chain,
        f"binlog.{number:06d}",
        4,
        5000,
        NOW - (day + 1) * DAY,
        NOW - day * DAY,
        True,
        10,
    )


def snapshot(day: int) -> SnapshotId:
    return SnapshotId("landsraad", "shop-db", NOW - day * DAY, "logical", f"{day:08x}")


def anchor(day: int, chain: str = CHAIN) -> Anchor:
    """The snapshot of that age stands at the start of the log that follows it."""
    place = Place(chain, f"binlog.{1000 - day + 1:06d}", 4)
    return Anchor(snapshot(day), "uuid", place, NOW - day * DAY)


LOGS = tuple(segment(day) for day in range(20, -1, -1))
ANCHORS = tuple(anchor(day) for day in range(20, -1, -1))
ALL = Shipped("landsraad", "shop-db", LOGS, ANCHORS)


def ages(segments: object) -> list[int]:
    return [(NOW - s.last_at).days for s in segments]  # type: ignore[attr-defined]


def test_what_lies_before_the_oldest_kept_snapshot_goes_a_day_later() -> None:
    gone, loose = unneeded(ALL, [snapshot(10), snapshot(3)])
    assert ages(gone) == [20, 19, 18, 17, 16, 15, 14, 13, 12]
    assert [a.snapshot for a in loose] == [snapshot(day) for day in range(20, 11, -1)]


def test_without_a_snapshot_to_replay_from_all_stays() -> None:
    assert unneeded(ALL, []) == ((), ())
    other = replace(snapshot(1), source="etc", method="full")
    assert unneeded(ALL, [other]) == ((), ())


def test_a_clock_that_was_wrong_does_not_let_a_needed_log_go() -> None:
    """By its times the log is years old; by its place it follows the kept snapshot."""
    wrong = replace(LOGS[12], first_at=NOW - 900 * DAY, last_at=NOW - 899 * DAY)
    changed = replace(ALL, segments=(*LOGS[:12], wrong, *LOGS[13:]))
    gone, _ = unneeded(changed, [snapshot(10)])
    assert wrong not in gone and len(gone) == 9


def test_a_chain_without_a_kept_snapshot_goes_by_time() -> None:
    old = tuple(segment(day, "11111111") for day in (15, 11, 10, 5))
    gone, _ = unneeded(replace(ALL, segments=old, anchors=()), [snapshot(10)])
    assert ages(gone) == [15]


def test_the_newest_of_a_chain_stays() -> None:
    """On a server where nothing happens, shipping must find its way on."""
    quiet = replace(ALL, segments=LOGS[:3])
    assert ages(unneeded(quiet, [snapshot(1)])[0]) == [20, 19]


@given(st.sets(st.integers(0, 20), min_size=1), st.integers(0, 20))
def test_whatever_is_kept_can_be_replayed_from_to_now(days: set[int], oldest: int) -> None:
    kept = [snapshot(day) for day in days]
    gone, _ = unneeded(ALL, kept)
    for day in days:
        needed = [s for s in LOGS if (s.number, s.end) > anchor(day).place.order]
        assert not set(needed) & set(gone)


def test_keys_go_index_first_and_only_such_keys(tmp_path: Path) -> None:
    store = wiring.object_store(StoreSettings("directory", path=str(tmp_path)))
    for each in (segment(20), segment(2)):
        for key in (each.content_key, each.index_key, each.signature_key):
            store.put(key, b"x")
    store.put(anchor(1).key, b"")
    objects = list(store.list("v1/"))
    decision = Decision((Verdict(snapshot(1), True, ("kept",)),))
    found = [d.key for d in prune_debris.logs(objects, decision, ())]
    old = segment(20)
    assert found == [old.index_key, old.signature_key, old.content_key]
    assert not list(prune_debris.logs(objects, decision, ("etc",)))
    assert not list(prune_debris.logs(objects, Decision(()), ()))
    assert len(shipped((o.key, o.size, o.modified) for o in objects)[0].segments) == 2
