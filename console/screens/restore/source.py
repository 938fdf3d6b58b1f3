"""Page 1: which source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from console.acts import BACK, Act
from console.explain import short_kind, state_words
from console.formatting import age
from console.ink import LEVEL_ROLE
from console.screens.restore.draft import Choice, Draft, choices
from console.screens.restore.page import Page
from console.screens.restore.point import PointPage
from console.widgets.columns import Cell, Column
from console.widgets.controls import Line
from console.widgets.facts import Facts
from console.widgets.panels import trouble_rows
from console.widgets.say import Say
from console.widgets.table import VirtualTable


class SourcePage(Page):
    number = 1
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "choose"),
        Act("/", "filter", "screen.filter"),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("slash", "filter", show=False)]
    AUTO_FOCUS = "#choices"

    def __init__(self) -> None:
        super().__init__()
        self._wanted: tuple[str, str] | None = None
        self._made: tuple[object, object] = (None, None)

    def body(self) -> Iterable[Widget]:
        yield Say(self.ink.say(("What do you want to bring back?", "strong")), classes="question")
        with Horizontal(id="filter-line"):
            yield Say(self.ink.say(("filter ", "label")), id="filter-label")
            yield Line(id="filter")
        yield VirtualTable[Choice](
            self._columns(),
            identity=lambda c: (c.host, c.source),
            search=lambda c: f"{c.host} {c.source} {c.kind}",
            ink=self.ink,
            empty="reading the last listing",
            id="choices",
        )
        yield Facts(self.ink, id="page-facts")

    def _columns(self) -> list[Column[Choice]]:
        return [
            Column("source", "SOURCE", lambda c: Cell(c.source, "strong"), 14, 32),
            Column("host", "HOST", lambda c: Cell(c.host, "muted"), 10, 20),
            Column("kind", "KIND", lambda c: Cell(short_kind(c.kind), "muted"), 8, drop=1),
            Column("newest", "NEWEST", lambda c: Cell(age(c.newest, self.now)), 14),
            Column("number", "SNAPSHOTS", lambda c: Cell(f"{c.snapshots:,}"), 9, align="right"),
            Column("proven", "PROVEN", self._proven, 12, 16),
        ]

    def _proven(self, choice: Choice) -> Cell:
        if choice.posture is None:
            return Cell("")
        if choice.posture.proven_at is None:
            return Cell("never", "warning")
        return Cell(age(choice.posture.proven_at, self.now), "ok")

    @property
    def table(self) -> VirtualTable[Choice]:
        return self.query_one("#choices", VirtualTable)

    def begin(self, source: str, host: str) -> None:
        """Start anew with the cursor on this source."""
        self.draft.forget()
        self.draft = Draft()
        self._wanted = (host, source) if source else None
        if self.is_mounted:
            self.query_one("#filter", Line).value = ""
            self.table.focus()
            self.repaint()

    def paint(self) -> None:
        made = (self.model.snapshots, self.model.posture)
        if made[0] is not self._made[0] or made[1] is not self._made[1]:
            self._made = made
            self.table.set_rows(choices(self.model))
        if self._wanted and self.table.order:
            wanted, self._wanted = self._wanted, None
            self.table.select(lambda c: (c.host, c.source) == wanted)
        if not self.table.total and self.model.posture:
            self.table.empty = "there is no source and no snapshot"
        rows = []
        if self.model.listing_trouble:
            rows += trouble_rows(self.ink, self.model.listing_trouble)
        choice = self.table.row
        if choice and choice.posture and choice.posture.level != "ok":
            words = f"{choice.source}: {state_words(choice.posture)}"
            rows.append(self.ink.say((words, LEVEL_ROLE[choice.posture.level])))
        self.query_one("#page-facts", Facts).show(rows)

    @on(VirtualTable.Moved)
    def _moved(self) -> None:
        self.paint()

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        self.table.set_filter(event.value)

    @on(Input.Submitted, "#filter")
    def _submitted(self) -> None:
        self.table.focus()

    def action_filter(self) -> None:
        self.query_one("#filter", Line).focus()

    def action_back(self) -> None:
        if self.query_one("#filter", Line).has_focus:
            self.table.focus()
        else:
            super().action_back()

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        choice: Choice = event.row
        self.draft.source, self.draft.host = choice.source, choice.host
        self.app.push_screen(PointPage(self.draft))
