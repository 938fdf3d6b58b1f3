"""Inventory: every committed snapshot of every host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from console.acts import BACK, Act
from console.door import Answer
from console.formatting import age, count, utc
from console.screens.base import MentatScreen
from console.screens.detail import DetailScreen, detail_rows
from console.screens.snapshots import snapshot_columns
from console.widgets.controls import Line
from console.widgets.facts import Facts
from console.widgets.panels import trouble_rows
from console.widgets.say import Say
from console.widgets.table import VirtualTable
from engine.api import SnapshotDetail, SnapshotEntry, SnapshotId

REST = 0.4  # seconds the cursor stays before the side pane fetches a manifest
REMEMBERED = 50


class InventoryScreen(MentatScreen[None]):
    heading = "inventory"
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "details", "screen.open", "Manifest, signature and contents."),
        Act("/", "filter", "screen.filter", "Words of host, source, time or method."),
        Act("s", "sort", "screen.sort", "By the next column."),
        Act("S", "reverse", "screen.reverse", "Turn the order round."),
        Act("c", "clear filter", "screen.clear"),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", show=False),
        Binding("s", "sort", show=False),
        Binding("S", "reverse", show=False),
        Binding("c", "clear", show=False),
        Binding("enter", "open", show=False),
    ]
    AUTO_FOCUS = "#snapshots"

    def __init__(self) -> None:
        super().__init__()
        self._details: dict[SnapshotId, Answer[SnapshotDetail]] = {}
        self._first_filter = ""

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="filter-line"):
            yield Say(self.ink.say(("filter ", "label")), id="filter-label")
            yield Line(id="filter")
            yield Say(id="filter-count")
        with Horizontal(id="columns"):
            with Vertical(id="main"):
                yield VirtualTable[SnapshotEntry](
                    snapshot_columns(self.ink, self.desk.clock, source=True),
                    identity=lambda e: e.id,
                    search=lambda e: f"{e.id.host} {e.id.source} {utc(e.id.at)} {e.id.ref}",
                    ink=self.ink,
                    empty="reading the last listing",
                    id="snapshots",
                )
                yield Facts(self.ink, id="inventory-trouble")
            with VerticalScroll(id="side", can_focus=False):
                yield Facts(self.ink, id="side-facts", label=13)

    @property
    def table(self) -> VirtualTable[SnapshotEntry]:
        return self.query_one("#snapshots", VirtualTable)

    def on_mount(self) -> None:
        self._rest = self.set_timer(REST, self._fetch, pause=True)
        super().on_mount()
        self.query_one("#filter", Line).value = self._first_filter

    def paint(self) -> None:
        model, table = self.model, self.table
        table.empty = "no snapshot yet: b on the overview makes one"
        if table.filter:
            table.empty = "no snapshot matches the filter"
        elif model.snapshots is None:
            table.empty = "reading the last listing"
            if model.listing_trouble and "listing" not in model.asking:
                table.empty = "no listing is kept on this host"
        if model.snapshots is not None:
            table.set_rows(model.snapshots)
        rows = trouble_rows(self.ink, model.listing_trouble) if model.listing_trouble else []
        if rows and model.snapshots is not None:
            listed = model.posture.store.listed_at if model.posture else None
            words = f"what you see was listed {age(listed, self.now)}" if listed else "old listing"
            rows.append(self.ink.say((words, "warning")))
        self.query_one("#inventory-trouble", Facts).show(rows)
        self._count()
        self.query_one("#side").display = self.wide
        self._paint_side()

    def _count(self) -> None:
        table = self.table
        shown, total = len(table.order), table.total
        words = count(total, "snapshot")
        if table.filter:
            words = f"{shown:,} of {words}"
        place = f"{table.cursor + 1:,}/" if shown else ""
        self.query_one("#filter-count", Say).show(self.ink.say((place + words, "muted")))

    # ------------------------------------------------------------ side pane

    @on(VirtualTable.Moved, "#snapshots")
    def _moved(self) -> None:
        self._count()
        if self.wide:
            self._rest.reset()
            self._rest.resume()
            self._paint_side()

    @on(VirtualTable.Ordered, "#snapshots")
    def _ordered(self) -> None:
        self._count()

    def _paint_side(self) -> None:
        row = self.table.row
        facts = self.query_one("#side-facts", Facts)
        if not self.wide or row is None:
            facts.show([])
            return
        answer = self._details.get(row.id)
        facts.show(detail_rows(self.ink, row, answer, self.now))

    async def _fetch(self) -> None:
        row = self.table.row
        if row is None or row.id in self._details or not self.wide:
            return
        self.run_worker(self._ask(row.id), group="detail", exclusive=True, exit_on_error=False)

    async def _ask(self, snapshot: SnapshotId) -> None:
        door = self.desk.door
        answer = await door.ask("manifest", door.engine.detail, snapshot)
        while len(self._details) >= REMEMBERED:
            self._details.pop(next(iter(self._details)))
        self._details[snapshot] = answer
        if self.is_mounted:
            self._paint_side()

    # ------------------------------------------------------------ acts

    def show_source(self, text: str) -> None:
        """Filter to this text, as `/` would."""
        if self.is_mounted:
            self.query_one("#filter", Line).value = text
        else:
            self._first_filter = text

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        self.table.set_filter(event.value)

    @on(Input.Submitted, "#filter")
    def _submitted(self) -> None:
        self.table.focus()

    def action_filter(self) -> None:
        self.query_one("#filter", Line).focus()

    def action_clear(self) -> None:
        self.query_one("#filter", Line).value = ""
        self.table.focus()

    def action_sort(self) -> None:
        self.table.sort_next()

    def action_reverse(self) -> None:
        self.table.sort_reverse()

    @on(VirtualTable.Chosen, "#snapshots")
    def _chosen(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self.table.row is not None:
            self.app.push_screen(DetailScreen(self.table.row))

    def action_back(self) -> None:
        line = self.query_one("#filter", Line)
        if line.has_focus:
            self.table.focus()
        elif line.value:
            self.action_clear()
        else:
            super().action_back()

    def selected(self) -> SnapshotEntry | None:
        """The snapshot that r restores."""
        return self.table.row
