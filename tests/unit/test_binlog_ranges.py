"""Ranges, gaps and what to ship next, from keys alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.core.binlog import (
    Anchor,
    BinlogIndex,
    Break,
    Place,
    Seen,
    Segment,
    Shipped,
    file_after,
    file_number,
    new_chain,
    shipped,
)
from engine.core.binlog_shipping import Range, ServerLogs, decide, discontinuity, retention_problem
from engine.core.errors import UsageError
from engine.core.recovery_range import compute, route_to_time, routes_to, superseded
from engine.core.snapshot import Artifact, SnapshotId, parse_key
from engine.ports import StoredObject
from engine.repository.inventory import entries

T = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
NOW = T + timedelta(hours=3)
SERVER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
CHAIN = new_chain(T)
BACKUP = SnapshotId("landsraad", "shop-db", T + timedelta(minutes=1), "logical", "1a2b3c4d")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def segment(
    number: int, start: int, end: int, first: float, last: float, chain: str = CHAIN
) -> Segment:
    """Of file `number`, between two minutes after T; `end` 1000 makes a file whole."""
    name = f"mysql-bin.{number:06d}"
    when = (T + minutes(first), T + minutes(last))
    whole = end == 1000 and start == 0
    return Segment("landsraad", "shop-db", SERVER, chain, name, start, end, *when, whole, 10)


def anchor(number: int, position: int, chain: str = CHAIN, backup: SnapshotId = BACKUP) -> Anchor:
    place = Place(chain, f"mysql-bin.{number:06d}", position)
    return Anchor(backup, SERVER, place, backup.at + timedelta(seconds=5))


def held(
    *segments: Segment, anchors: tuple[Anchor, ...] = (anchor(1, 100),), **more: object
) -> Shipped:
    return Shipped("landsraad", "shop-db", segments, anchors, **more)  # type: ignore[arg-type]


WHOLE = (segment(1, 0, 1000, 0, 60), segment(2, 0, 400, 60, 70), segment(2, 400, 600, 70, 80))


def test_keys_tell_all_and_are_no_snapshots() -> None:
    seen = Seen("landsraad", "shop-db", SERVER, Place(CHAIN, "mysql-bin.000002", 600), NOW)
    gone = Break("landsraad", "shop-db", T)
    objects = [
        (key, size, NOW)
        for s in WHOLE
        for key, size in ((s.content_key, 10), (s.index_key, 2), (s.signature_key, 1))
    ]
    objects += [(what.key, 3, NOW) for what in (anchor(1, 100), seen, gone)]
    debris = segment(3, 0, 5, 90, 91)
    objects += [
        (debris.content_key, 7, NOW),
        ("v1/landsraad/shop-db/binlog/x/strange", 1, NOW),
        ("v1/landsraad/shop-db/20261122T010100Z-logical-1a2b3c4d/manifest.json", 1, NOW),
    ]
    [found] = shipped(objects)
    assert found.segments == WHOLE and found.seen == (seen,) and found.breaks == (gone,)
    assert found.anchors == (anchor(1, 100),) and found.debris == (debris.content_key,)
    rows = entries(StoredObject(*each) for each in objects)
    assert [row.id.id for row in rows] == ["1a2b3c4d"], "the inventory takes no part in it"
    assert all(parse_key(key) is None for key, *_ in objects[:-1])


def test_files_count_up() -> None:
    assert file_number("mysql-bin.000999") == 999 and file_number("a.b-9.1000000") == 1000000
    assert file_after("mysql-bin.999999") == "mysql-bin.1000000"
    with pytest.raises(ValueError, match="no name of a binary log"):
        file_number("mysql-bin.index")


def test_an_unbroken_run_is_one_interval() -> None:
    found = compute(held(*WHOLE), [BACKUP], NOW)
    [interval] = found.intervals
    assert interval.since == BACKUP.at + timedelta(seconds=5)
    assert interval.until == T + minutes(80) == found.last
    assert not found.gaps and not found.points


def test_a_quiet_server_is_covered_as_far_as_it_was_looked_at() -> None:
    at = T + minutes(100)
    seen = Seen("landsraad", "shop-db", SERVER, Place(CHAIN, "mysql-bin.000002", 600), at)
    assert compute(held(*WHOLE, seen=(seen,)), [BACKUP], NOW).last == at
    stale = replace(seen, place=replace(seen.place, position=400))
    assert compute(held(*WHOLE, seen=(stale,)), [BACKUP], NOW).last == T + minutes(80)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_segment_ends_the_interval(missing: int) -> None:
    left = [s for place, s in enumerate(WHOLE) if place != missing]
    found = compute(held(*left), [BACKUP], NOW)
    assert found.last == (BACKUP.at if missing == 0 else T + minutes(60))


def test_a_new_chain_is_not_joined_to_the_old() -> None:
    later = new_chain(T + minutes(90))
    second = SnapshotId("landsraad", "shop-db", T + minutes(120), "logical", "2b3c4d5e")
    both = held(
        *WHOLE,
        segment(3, 0, 1000, 91, 130, later),
        anchors=(anchor(1, 100), anchor(3, 500, later, second)),
    )
    found = compute(both, [BACKUP, second], NOW)
    assert len(found.intervals) == 2
    [gap] = found.gaps
    assert gap.since == T + minutes(80) and gap.until == second.at + timedelta(seconds=5)
    with pytest.raises(UsageError, match="lies in a gap") as refused:
        route_to_time(both, {BACKUP, second}, T + minutes(100), NOW)
    assert "2026-11-22T02:20:00Z or 2026-11-22T03:00:05Z" in refused.value.remedy
    assert route_to_time(both, {BACKUP, second}, T + minutes(125), NOW).anchor.snapshot == second
    assert route_to_time(both, {BACKUP, second}, T + minutes(30), NOW).anchor.snapshot == BACKUP
    for wrong, words in ((T, "before the first"), (NOW, "after the last")):
        with pytest.raises(UsageError, match=words):
            route_to_time(both, {BACKUP, second}, wrong, NOW)


def test_a_restore_outside_the_logs_parts_older_snapshots_from_newer_logs() -> None:
    later = new_chain(T + minutes(90))
    newer = segment(1, 0, 1000, 0, 130, later)
    old = anchor(1, 100, later)
    broken = held(newer, anchors=(old,), breaks=(Break("landsraad", "shop-db", T + minutes(85)),))
    assert not compute(broken, [BACKUP], NOW).intervals
    assert compute(held(newer, anchors=(old,)), [BACKUP], NOW).intervals


def test_a_whole_file_stands_for_its_tails() -> None:
    tails = (segment(1, 0, 400, 0, 20), segment(1, 400, 900, 20, 50))
    both = held(*tails, *WHOLE)
    [route] = routes_to(both, {BACKUP}, Place(CHAIN, "mysql-bin.000002", 600), NOW)
    assert route.segments == WHOLE
    assert superseded(both, NOW, minutes(60)) == list(tails)
    assert not superseded(both, T + minutes(55), minutes(60))


# ---------------------------------------------------------------- what to ship


def logs(first: int, active: int, position: int, server: str = SERVER) -> ServerLogs:
    closed = tuple((f"mysql-bin.{n:06d}", 1000) for n in range(first, active))
    files = (*closed, (f"mysql-bin.{active:06d}", position))
    return ServerLogs("mysql", "9.7", server, files, position)


def index(of: Segment, form: str = "aa") -> BinlogIndex:
    return BinlogIndex(of, "mysql", "9.7", Artifact("", 0, "", 0, "", ()), T, 1, of.end, form, True)


def test_a_first_run_begins_where_the_newest_snapshot_stands() -> None:
    found = decide(logs(1, 3, 50), held(), None, "", "mysql-bin.000002", NOW)
    assert found.new and not found.alarm
    assert found.ranges == (
        Range("mysql-bin.000002", 0, 1000, True),
        Range("mysql-bin.000003", 0, 50, False),
    )
    alone = decide(logs(1, 3, 50), held(), None, "", "gone.000001", NOW)
    assert alone.ranges == (Range("mysql-bin.000003", 0, 50, False),)


def test_it_goes_on_where_it_was_and_heals_what_is_missing() -> None:
    tip = index(WHOLE[-1])
    found = decide(logs(1, 2, 900), held(*WHOLE), tip, "aa", "", NOW)
    assert found.ranges == (Range("mysql-bin.000002", 600, 900, False),) and found.chain == CHAIN
    found = decide(logs(1, 3, 50), held(*WHOLE), tip, "aa", "", NOW)
    assert found.ranges == (
        Range("mysql-bin.000002", 0, 1000, True),
        Range("mysql-bin.000003", 0, 50, False),
    )
    holed = held(WHOLE[0], WHOLE[2])
    found = decide(logs(1, 2, 900), holed, tip, "aa", "", NOW)
    assert found.ranges == (Range("mysql-bin.000002", 0, 900, False),)
    assert not decide(logs(1, 2, 600), held(*WHOLE), tip, "aa", "", NOW).ranges


@pytest.mark.parametrize(
    ("now_there", "form", "reason"),
    [
        (logs(3, 4, 50), "", "purged"),
        (logs(1, 1, 50), "", "reset"),
        (logs(1, 2, 900), "bb", "reset"),
        (logs(1, 2, 500), "aa", "rolled-back"),
        (logs(1, 2, 900, "b73d9de9-e6d2-11f0-8c54-0242ac110002"), "aa", "server"),
    ],
)
def test_a_broken_history_begins_a_new_chain_and_alarms(
    now_there: ServerLogs, form: str, reason: str
) -> None:
    found = decide(now_there, held(*WHOLE), index(WHOLE[-1]), form, "", NOW)
    assert found.new and found.reason == reason and found.alarm
    assert found.chain > CHAIN
    assert found.ranges[0].file == now_there.files[0][0] and found.ranges[0].start == 0


def test_purging_what_was_shipped_whole_is_no_harm() -> None:
    whole = index(WHOLE[0])
    found = decide(logs(2, 2, 50), held(WHOLE[0]), whole, "", "", NOW)
    assert not found.alarm and found.ranges == (Range("mysql-bin.000002", 0, 50, False),)


def test_a_clock_that_went_back_does_not_hide_the_new_chain() -> None:
    tip = index(WHOLE[-1])
    found = decide(logs(1, 1, 50), held(*WHOLE), tip, "", "", T - timedelta(days=400))
    assert found.chain > CHAIN


def test_transactions_that_are_in_no_log_are_noticed() -> None:
    assert not discontinuity("mysql", "f", f"{SERVER}:1-9", f"{SERVER}:1-5:6-9")
    assert "in no log" in discontinuity("mysql", "f", f"{SERVER}:1-12", f"{SERVER}:1-9")
    assert not discontinuity("mariadb", "f", None, "0-1-5")
    assert discontinuity("mariadb", "f", "0-1-5,0-2-7", "0-1-5")


def test_retention_must_give_shipping_time() -> None:
    enough = replace(logs(1, 1, 5), retention=timedelta(days=10))
    assert not retention_problem(enough, timedelta(seconds=60))
    assert "wants at least" in retention_problem(
        replace(enough, retention=timedelta(hours=2)), timedelta(seconds=60)
    )
    assert "burst" in retention_problem(replace(enough, max_total_bytes=5), timedelta(seconds=60))
