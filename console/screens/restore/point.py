"""Page 2: which recovery point."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.widget import Widget

from console.formatting import age, utc
from console.screens.restore.draft import Draft
from console.screens.restore.key import KeyPage
from console.screens.restore.page import Page
from console.screens.snapshots import snapshot_columns
from console.widgets.facts import Facts, Row
from console.widgets.panels import trouble_rows
from console.widgets.say import Say
from console.widgets.table import VirtualTable
from engine.api import SnapshotEntry


class PointPage(Page):
    number = 2
    AUTO_FOCUS = "#points"

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._made: object = None

    def body(self) -> Iterable[Widget]:
        said = self.ink.say(
            ("To which point do you want ", "strong"),
            (self.draft.source, "title"),
            (f" of {self.draft.host} back?", "strong"),
        )
        yield Say(said, classes="question")
        yield VirtualTable[SnapshotEntry](
            snapshot_columns(self.ink, self.desk.clock, source=False),
            identity=lambda e: e.id,
            search=lambda e: e.id.ref,
            ink=self.ink,
            empty="reading the last listing",
            id="points",
        )
        yield Facts(self.ink, id="page-facts")

    @property
    def table(self) -> VirtualTable[SnapshotEntry]:
        return self.query_one("#points", VirtualTable)

    def paint(self) -> None:
        snapshots = self.model.snapshots
        if snapshots is not None and snapshots is not self._made:
            self._made = snapshots
            wanted = (self.draft.host, self.draft.source)
            mine = [e for e in snapshots if (e.id.host, e.id.source) == wanted]
            self.table.set_rows(sorted(mine, key=lambda e: e.id.at, reverse=True))
            self.table.empty = "this source has no snapshot"
        elif snapshots is not None:
            self.table.set_rows(self.table.rows)
        self._explain()

    @on(VirtualTable.Moved)
    def _explain(self) -> None:
        rows: list[Row] = []
        if self.model.listing_trouble:
            rows += trouble_rows(self.ink, self.model.listing_trouble)
            rows.append(self.ink.say(("newer snapshots may exist that are not shown", "warning")))
        entry = self.table.row
        if entry is not None:
            rows.append(
                self.ink.say(
                    f"Brings {entry.id.source} back to about {utc(entry.id.at)}, ",
                    (age(entry.id.at, self.now), "strong"),
                    ".",
                )
            )
            if entry.proven_at:
                words = f"Verified: it was restored or proven {age(entry.proven_at, self.now)}."
                rows.append(self.ink.say((words, "ok")))
            else:
                words = "Unverified: nobody has restored or proven this snapshot yet."
                rows.append(self.ink.say((words, "warning")))
            if not entry.signed:
                rows.append(self.ink.say(("It carries no signature.", "critical")))
        self.query_one("#page-facts", Facts).show(rows)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        self.draft.entry = event.row
        self.draft.accept_unsigned = ""
        self.app.push_screen(KeyPage(self.draft))
