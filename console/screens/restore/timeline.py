"""Page 2, to the second: which moment. Snapshots, what shipped logs cover, gaps, and the
transactions that are worth stopping before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from console.acts import BACK, Act
from console.door import Trouble
from console.formatting import age, size, span, utc
from console.screens.restore.draft import Draft
from console.screens.restore.key import KeyPage
from console.screens.restore.page import Page
from console.screens.restore.timeline_axis import (
    View,
    around,
    bar,
    first_view,
    pointer,
    reachable,
    ticks,
    zoomed,
)
from console.widgets.columns import Cell, Column
from console.widgets.controls import Line
from console.widgets.facts import Facts, Row
from console.widgets.panels import trouble_rows
from console.widgets.say import Say
from console.widgets.table import VirtualTable
from engine.api import Mark, RecoveryRange, Until

_BACK = timedelta(days=7)  # how far back marks are asked for


class TimelinePage(Page):
    number = 2
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "choose"),
        Act("←→", "move"),
        Act("+ -", "zoom"),
        Act("g", "go to time", "screen.type"),
        Act("tab", "events"),
        BACK,
    )
    AUTO_FOCUS = "#axis"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", show=False),
        Binding("right", "move(1)", show=False),
        Binding("shift+left", "second(-1)", show=False),
        Binding("shift+right", "second(1)", show=False),
        Binding("plus,equals_sign", "zoom(-1)", show=False),
        Binding("minus", "zoom(1)", show=False),
        Binding("left_square_bracket", "event(-1)", show=False),
        Binding("right_square_bracket", "event(1)", show=False),
        Binding("g", "type", show=False),
        Binding("enter", "choose", show=False),
    ]

    def __init__(self, draft: Draft, found: RecoveryRange) -> None:
        super().__init__(draft)
        self.found = found
        self.view: View | None = None
        self.mark: Mark | None = None  # what the cursor was brought to, to stop before it
        self._trouble: Trouble | None = None
        self._wrong: Trouble | None = None
        self._asked = False

    def body(self) -> Iterable[Widget]:
        said = self.ink.say(
            ("To which moment do you want ", "strong"),
            (self.draft.source, "title"),
            (" back?", "strong"),
        )
        yield Say(said, classes="question")
        yield Say(id="reach")
        yield _Axis(id="axis")
        with Horizontal(id="time-line", classes="field"):
            yield Say(self.ink.say(("time (UTC), GTID ", "label")), classes="field-label")
            yield Line(id="time")
        yield VirtualTable[Mark](
            self._columns(),
            identity=lambda m: (m.at, m.position),
            search=lambda m: f"{m.words} {m.gtid}",
            ink=self.ink,
            empty="reading the logs' indexes",
            id="events",
        )
        yield Facts(self.ink, id="page-facts")

    def _columns(self) -> list[Column[Mark]]:
        return [
            Column("at", "TIME (UTC)", lambda m: Cell(f"{m.at:%m-%d %H:%M:%S}"), 14),
            Column("words", "WHAT", lambda m: Cell(m.words, "strong"), 24, 60),
            Column("size", "ROWS", lambda m: Cell(size(m.bytes) if m.bytes else ""), 8, drop=1),
            Column("gtid", "TRANSACTION", lambda m: Cell(m.gtid, "muted"), 16, 46, drop=2),
        ]

    @property
    def table(self) -> VirtualTable[Mark]:
        return self.query_one("#events", VirtualTable)

    @property
    def cells(self) -> int:
        return max(20, self.size.width - 4)

    def on_mount(self) -> None:
        self.view = first_view(self.found, self.now)
        super().on_mount()
        self.run_worker(self._ask(), exit_on_error=False)

    def settle(self) -> None:
        """Keys typed ahead wait for the events."""
        if self._asked:
            self.ready.set()

    async def _ask(self) -> None:
        door, draft = self.desk.door, self.draft
        last = self.found.last or self.now
        since, source, host = last - _BACK, draft.source, draft.host
        answer = await door.ask_within(
            60.0, "logs", lambda: door.engine.binlogs.marks(source, since, last, host)
        )
        self._asked, self._trouble = True, answer.trouble
        if not self.is_mounted:
            return
        self.table.empty = "nothing in the last week stands out: give a time"
        self.table.set_rows(list(reversed(answer.value or ())))
        self.repaint()
        self.ready.set()

    # ------------------------------------------------------------ drawing

    def paint(self) -> None:
        if self.view is None:
            return
        ink, view = self.ink, self.view
        self.query_one("#reach", Say).show(self._reach())
        parts = bar(self.found, view, self.cells, ink.glyphs)
        self.query_one("#axis", _Axis).show(
            ink.lines(
                [
                    ink.say((ticks(view, self.cells), "muted")),
                    ink.say(*parts),
                    ink.say((pointer(view, self.cells, ink.glyphs), "key")),
                ]
            )
        )
        self.query_one("#page-facts", Facts).show(self._rows())

    def _reach(self) -> Content:
        intervals, gaps = self.found.intervals, self.found.gaps
        said = f"recoverable {utc(intervals[0].since)} to {utc(intervals[-1].until)}"
        told = ""
        if gaps:
            length = span(gaps[-1].until - gaps[-1].since)
            number = "one gap" if len(gaps) == 1 else f"{len(gaps)} gaps, the last"
            told = f"   {number} of {length} at {gaps[-1].since:%m-%d %H:%M}"
        return self.ink.say((said, "label"), (told, "warning"))

    def _rows(self) -> list[Row]:
        ink, view = self.ink, self.view
        assert view is not None
        rows: list[Row] = []
        for trouble in (self._wrong, self._trouble):
            if trouble:
                rows += trouble_rows(ink, trouble)
        when = f"{utc(view.cursor)}, {age(view.cursor, self.now)}"
        if self.mark is not None:
            rows.append(
                ink.say(("just before ", "strong"), (self.mark.words, "title"), f"  {when}")
            )
        else:
            rows.append(ink.say(("all that was committed up to ", "label"), (when, "strong")))
        if not reachable(self.found, view.cursor):
            rows.append(ink.say((self._why_not(view.cursor), "critical")))
        return rows

    def _why_not(self, moment: datetime) -> str:
        for gap in self.found.gaps:
            if gap.since < moment < gap.until:
                return f"This lies in a gap: {gap.why}. Nearest: {utc(gap.since)}, {utc(gap.until)}"
        return "The logs do not lead there; nearest is the end of what is covered."

    # ------------------------------------------------------------ acts

    def _go(self, moment: datetime, mark: Mark | None = None) -> None:
        assert self.view is not None
        self.view, self.mark, self._wrong = around(self.view, moment), mark, None
        self.repaint()

    def action_move(self, by: int) -> None:
        if self.view is not None:
            self._go(self.view.cursor + by * self.view.step(self.cells))

    def action_second(self, by: int) -> None:
        if self.view is not None:
            self._go(self.view.cursor + timedelta(seconds=by))

    def action_zoom(self, by: int) -> None:
        if self.view is not None:
            self.view = zoomed(self.view, by)
            self.repaint()

    def action_event(self, by: int) -> None:
        """To the event before or after the cursor, to stop before it."""
        assert self.view is not None
        marks = sorted(self.table.rows, key=lambda m: m.at)
        now = self.mark.at if self.mark else self.view.cursor
        later = [m for m in marks if m.at > now] if by > 0 else [m for m in marks if m.at < now]
        if later:
            found = later[0] if by > 0 else later[-1]
            self.table.select(lambda m: m == found)
            self._go(found.at, found)

    def action_type(self) -> None:
        self.query_one("#time", Line).focus()

    def action_back(self) -> None:
        if self.query_one("#time", Line).has_focus:
            self.query_one("#axis").focus()
        else:
            super().action_back()

    @on(Input.Submitted, "#time")
    def _typed(self, event: Input.Submitted) -> None:
        self.run_worker(self._type(event.value.strip()), exit_on_error=False)

    async def _type(self, text: str) -> None:
        door = self.desk.door
        answer = await door.ask("time", door.engine.binlogs.until, text)
        if not self.is_mounted:
            return
        if answer.value is None:
            self._wrong = answer.trouble
            self.repaint()
            return
        if answer.value.at is None:
            self._take(answer.value)
            return
        self.query_one("#axis").focus()
        self._go(answer.value.at)

    @on(VirtualTable.Moved)
    def _moved(self, event: VirtualTable.Moved) -> None:
        if event.row is not None and self.table.has_focus:
            self._go(event.row.at, event.row)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        self._go(event.row.at, event.row)
        self.action_choose()

    def action_choose(self) -> None:
        if self.view is None:
            return
        if self.mark is not None:
            self._take(self._before(self.mark))
        elif reachable(self.found, self.view.cursor):
            self._take(Until(at=self.view.cursor))
        else:
            self._wrong = Trouble(self._why_not(self.view.cursor), "Move the cursor.")
            self.repaint()

    @staticmethod
    def _before(mark: Mark) -> Until:
        if mark.gtid:
            return Until(before_gtid=mark.gtid)
        return Until(file=mark.file, position=mark.position)

    def _take(self, until: Until) -> None:
        self.draft.until = until
        self.draft.entry = None
        self.draft.accept_unsigned = ""
        self.app.push_screen(KeyPage(self.draft))


class _Axis(Say, can_focus=True):
    """The line of time; the page's keys move along it."""
