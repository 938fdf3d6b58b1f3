"""100,000 rows: the table answers keys, and the event loop is never held up for long.

Bounds are multiples of a unit measured on the spot, so that a slow machine does not fail them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from console.ink import Ink
from console.widgets.columns import GAP, Cell, Column, lay_out
from console.widgets.controls import Line
from console.widgets.rows import SLICE, Rows
from console.widgets.table import VirtualTable
from tests.console.driving import drive
from tests.console.fake_engine import FakeEngine, snapshots

MANY = 100_000
LONGEST = 0.1  # seconds the loop may be held up, on a machine that makes `unit` in 50 ms


def unit() -> float:
    """Seconds for a fixed piece of pure Python, at least 50 ms: how fast this machine is now."""
    began = thread_time()
    total = 0
    for number in range(600_000):
        total += number % 7
    assert total
    return max(0.05, thread_time() - began)


class Watchdog:
    """The most work between two turns of the event loop, in CPU seconds of its thread: what
    other processes take from the machine does not count."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        last = thread_time()
        while True:
            await asyncio.sleep(0)
            now = thread_time()
            self.longest = max(self.longest, now - last)
            last = now


@asynccontextmanager
async def watched() -> AsyncIterator[Watchdog]:
    dog = Watchdog()
    task = asyncio.get_running_loop().create_task(dog.run())
    await asyncio.sleep(0.01)
    dog.longest = 0.0
    yield dog
    task.cancel()


@pytest.fixture(scope="module")
def many() -> FakeEngine:
    engine = FakeEngine()
    engine.entries = snapshots(MANY)
    return engine


async def test_keys_are_answered_over_100_000_rows(many: FakeEngine) -> None:
    async with drive(many, size=(120, 40)) as d:
        await d.settled()
        await d.press("i")
        await d.arrive("InventoryScreen")
        await d.until("100,000 snapshots")
        table = d.app.screen.query_one("#snapshots", VirtualTable)
        bound = LONGEST * (unit() / 0.05) * 2
        async with watched() as dog:
            table.focus()
            for key in ("end", "pageup", "up", "home", "pagedown", "down"):
                await d.press(key)
            assert table.cursor > 0
            table.sort_by("stored")
            await d.until(lambda: table._ordering is None or table._ordering.done())
            table.sort_by("source", reverse=True)
            await d.until(lambda: table._ordering is None or table._ordering.done())
            line = d.app.screen.query_one("#filter", Line)
            for text in ("s", "sh", "shop-db", "shop-db mentat", "shop-db mentat 02:00"):
                line.value = text
                await d.pilot.pause(0.01)
            await d.until(lambda: "of 100,000 snapshots" in d.text)
            await d.until(lambda: table._ordering is None or table._ordering.done())
        wanted = [e for e in many.entries if e.id.source == "shop-db" and e.id.host == "mentat"]
        wanted = [e for e in wanted if f"{e.id.at:%H:%M}" == "02:00"]
        assert len(table.order) == len(wanted) > 0
        assert dog.longest < bound, f"held up {dog.longest:.3f} s, allowed {bound:.3f} s"


async def test_a_key_goes_through_while_rows_are_sorted(many: FakeEngine) -> None:
    async with drive(many) as d:
        await d.settled()
        await d.press("i")
        await d.until("100,000 snapshots")
        table = d.app.screen.query_one("#snapshots", VirtualTable)
        table.sort_by("source")
        assert table._ordering is not None and not table._ordering.done()
        await d.press("question_mark")
        await d.arrive("HelpScreen")


class Small(App[None]):
    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def compose(self) -> ComposeResult:
        yield VirtualTable[str](
            [
                Column("name", "NAME", Cell, 6, 10, sort=lambda s: s),
                Column("size", "SIZE", lambda s: Cell(str(len(s))), 6, align="right", drop=1),
            ],
            identity=lambda s: s,
            search=lambda s: s,
            ink=Ink(),
            markable=True,
            empty="nothing here",
            id="t",
        )

    def on_mount(self) -> None:
        self.table.set_rows(self.names)

    @property
    def table(self) -> VirtualTable[str]:
        return self.query_one("#t", VirtualTable)


async def test_the_cursor_stays_on_its_row_when_rows_change() -> None:
    app = Small(["b", "c", "d"])
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.press("down")
        assert app.table.row == "c"
        app.table.set_rows(["a", "b", "c", "d"])
        assert app.table.row == "c" and app.table.cursor == 2
        app.table.set_rows(["a", "b"])
        assert app.table.row == "b"
        app.table.set_rows([])
        assert app.table.row is None
        await pilot.pause()
        assert "nothing here" in app.table.render_line(1).text


async def test_marks_and_filter() -> None:
    app = Small(["alpha", "beta", "gamma", "Delta"])
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.toggle_mark()
        await pilot.press("down")
        app.table.toggle_mark()
        assert app.table.chosen() == ["alpha", "beta"]
        app.table.set_filter("TA")
        assert [app.names[i] for i in app.table.order] == ["beta", "Delta"]


async def test_wide_text_never_breaks_the_grid() -> None:
    app = Small(["日本語日本語日本語", "\x1b[2J[bold]", "🧨🧨🧨🧨🧨🧨🧨", "ok"])
    async with app.run_test(size=(19, 8)) as pilot:
        await pilot.pause()
        for y in range(6):
            assert app.table.render_line(y).cell_length == 19
        text = "\n".join(app.table.render_line(y).text for y in range(6))
        assert "\x1b" not in text and "\\x1b[2J[" in text


def columns(widths: list[tuple[int, int, int]]) -> list[Column[str]]:
    return [
        Column(str(n), "T", Cell, width, width + more, drop=drop)
        for n, (width, more, drop) in enumerate(widths)
    ]


sized = st.tuples(st.integers(1, 20), st.integers(0, 30), st.integers(0, 5))


@given(st.lists(sized, min_size=1, max_size=8), st.integers(1, 200))
def test_the_layout_fits_whenever_it_can(widths: list[tuple[int, int, int]], room: int) -> None:
    shown = lay_out(columns(widths), room)
    used = sum(cells for _, cells in shown) + GAP * (len(shown) - 1)
    kept = {column.key for column, _ in shown}
    assert {str(n) for n, (_, _, drop) in enumerate(widths) if drop == 0} <= kept or len(kept) == 1
    if used > room:
        assert all(column.drop == 0 for column, _ in shown) or len(shown) == 1
        assert all(cells == column.width for column, cells in shown)


texts = st.lists(st.text("abcd ", max_size=6), max_size=40)


@given(texts, st.text("abc ", max_size=3), st.booleans())
def test_order_is_what_filter_and_sort_say(rows: list[str], wanted: str, reverse: bool) -> None:
    order = Rows(rows, lambda s: s).now(wanted, "name", lambda s: s, reverse)
    terms = wanted.split()
    kept = [s for s in rows if all(term in s for term in terms)]
    assert [rows[i] for i in order] == sorted(kept, reverse=reverse)


async def test_order_in_slices_is_the_same_as_at_once() -> None:
    rows = [f"{(n * 7919) % 10007:05d}" for n in range(SLICE * 3 + 5)]
    index = Rows(rows, lambda s: s)
    sliced = await index.order("7", "name", lambda s: s, True)
    assert sliced == Rows(rows, lambda s: s).now("7", "name", lambda s: s, True)
    assert [rows[i] for i in sliced] == sorted((s for s in rows if "7" in s), reverse=True)
