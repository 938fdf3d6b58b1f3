"""The wizard's line of time: any moment, by key or by typing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from console.glyphs import ASCII
from console.screens.restore.timeline_axis import (
    SPANS,
    View,
    around,
    bar,
    first_view,
    pointer,
    reachable,
    ticks,
    zoomed,
)
from console.widgets.table import VirtualTable
from engine.api import Until
from tests.console.driving import Drive, drive
from tests.console.fake_binlogs import UUID, FakeBinlogs, found
from tests.console.fake_engine import NOW, FakeEngine


def test_the_line_shows_what_is_covered_and_where_snapshots_stand() -> None:
    view = View(NOW - timedelta(hours=2), timedelta(hours=2), NOW - timedelta(hours=1))
    line = "".join(sign for sign, _ in bar(found(), view, 60, ASCII))
    assert len(line) == 60
    gap = view.cell_of(NOW - timedelta(minutes=43), 60)
    assert gap is not None and line[gap] == ASCII.empty
    assert line[5] == ASCII.full and line.count(ASCII.interrupted) == 1
    assert pointer(view, 60, ASCII).index(ASCII.warning) == 30
    assert ticks(view, 60).startswith("00:14")
    assert view.step(60) == timedelta(minutes=2)


def test_the_view_follows_the_cursor_and_zooms_around_it() -> None:
    view = first_view(found(), NOW)
    assert view.cursor == found().last and view.begin < view.cursor <= view.end
    far = around(view, NOW - timedelta(days=3))
    assert far.begin <= far.cursor <= far.end
    near = zoomed(view, -1)
    assert near.span == SPANS[2] and near.begin <= near.cursor <= near.end
    assert zoomed(zoomed(view, -20), 0).span == SPANS[0]
    assert not reachable(found(), NOW) and reachable(found(), NOW - timedelta(minutes=10))


def engine(hostile: bool = False) -> FakeEngine:
    made = FakeEngine()
    made.sources = (replace(made.sources[0], range=found()), *made.sources[1:])
    made.binlogs = FakeBinlogs()
    made.binlogs.hostile = hostile
    return made


async def to_timeline(d: Drive) -> None:
    await d.settled()
    await d.press("r")
    await d.arrive("SourcePage")
    await d.press("enter")
    await d.arrive("PointPage")
    await d.until("t chooses any moment up to")
    await d.press("t")
    await d.arrive("TimelinePage")
    await d.until("DROP TABLE shop.orders")


async def test_a_source_without_logs_has_no_line_of_time() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("r", "enter")
        await d.arrive("PointPage")
        await d.press("t")
        await d.pilot.pause(0.1)
        assert d.at == "PointPage" and "any moment" not in d.text


async def test_the_dropped_table_in_a_few_keys() -> None:
    async with drive(engine()) as d:
        await to_timeline(d)
        assert "one gap" in d.text and "TRUNCATE TABLE shop.items" in d.text
        await d.press("left_square_bracket", "left_square_bracket")
        await d.until("just before DROP TABLE shop.orders")
        await d.press("enter")
        await d.arrive("TargetPage")
        draft = d.app.screen.draft  # type: ignore[attr-defined]
        assert draft.until == Until(before_gtid=f"{UUID}:88124")
        request = replace(draft, target=None)
        assert request.entry is None


async def test_an_event_without_a_gtid_is_named_by_its_place() -> None:
    async with drive(engine()) as d:
        await to_timeline(d)
        d.app.screen.query_one("#events", VirtualTable).focus()
        await d.press("home", "enter")
        await d.arrive("TargetPage")
        draft = d.app.screen.draft  # type: ignore[attr-defined]
        assert draft.until == Until(file="f.000008", position=99_000)


async def test_a_time_is_typed_and_a_gap_is_refused_with_what_is_near() -> None:
    async with drive(engine()) as d:
        await to_timeline(d)
        await d.press("g")
        await d.write("nonsense")
        await d.press("enter")
        await d.until("is no time")
        line = d.app.screen.query_one("#time")
        line.value = "2026-11-22 01:30:00"  # type: ignore[attr-defined]
        await d.press("enter")
        await d.until("This lies in a gap")
        await d.press("enter")
        await d.pilot.pause(0.1)
        assert d.at == "TimelinePage"
        await d.press("g")
        line.value = "2026-11-22T02:52:07+01:00"  # type: ignore[attr-defined]
        await d.press("enter")
        await d.until("2026-11-22 01:52:07 UTC")
        await d.press("enter")
        await d.arrive("TargetPage")
        draft = d.app.screen.draft  # type: ignore[attr-defined]
        assert draft.until is not None and draft.until.at is not None
        assert f"{draft.until.at:%H:%M:%S}" == "01:52:07"


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_hostile_words_stay_words(ascii_only: bool) -> None:
    async with drive(engine(hostile=True), ascii_only=ascii_only) as d:
        await d.settled()
        await d.press("r", "enter")
        await d.arrive("PointPage")
        await d.until("t chooses any moment up to")
        await d.press("t")
        await d.arrive("TimelinePage")
        await d.until("TRUNCATE TABLE shop.items")
        await d.press("left_square_bracket", "left_square_bracket")
        await d.until("just before [bold]x[/]")
        assert "\x1b" not in d.text and all(ord(c) < 127 or not ascii_only for c in d.text)
        assert len(d.text.splitlines()) <= 24
