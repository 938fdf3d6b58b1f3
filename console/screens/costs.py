"""Costs: what is stored and its bill, what it will be, what it would be elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.door import Answer
from console.formatting import clip, fit, size
from console.screens.base import MentatScreen
from console.widgets.facts import Fact, Facts, Row
from console.widgets.panels import trouble_rows
from engine.api import CostReport, Month

_NAME = 34  # cells of a store's or provider's name


class CostsScreen(MentatScreen[None]):
    heading = "costs"
    acts: ClassVar[tuple[Act, ...]] = (BACK,)
    AUTO_FOCUS = "#costs"

    def __init__(self) -> None:
        super().__init__()
        self._answer: Answer[CostReport] | None = None
        self._asking = False

    def body(self) -> Iterable[Widget]:
        with Vertical(id="main"), VerticalScroll(id="costs"):
            yield Facts(self.ink, id="costs-facts", label=14)

    def on_screen_resume(self) -> None:
        """Textual calls the base class's own besides this one."""
        if not self._asking:
            self._asking = True
            self.run_worker(self._ask(), group="costs", exit_on_error=False)

    async def _ask(self) -> None:
        door = self.desk.door
        try:
            answer = await door.ask("costs", door.engine.costs.report)
        finally:
            self._asking = False
        if answer.value is not None or self._answer is None:
            self._answer = answer
        if self.is_mounted:
            self.paint()

    def paint(self) -> None:
        answer = self._answer
        rows: list[Row]
        if answer is None:
            rows = [self.ink.say((f"{self.ink.glyphs.waiting} reading the listings", "muted"))]
        elif answer.value is None:
            rows = trouble_rows(self.ink, answer.trouble) if answer.trouble else []
        else:
            rows = self._rows(answer.value)
        self.query_one("#costs-facts", Facts).show(rows)

    def _rows(self, report: CostReport) -> list[Row]:
        ink, unit = self.ink, report.currency
        total = f"{report.total:,.2f} {unit} a month"
        rows: list[Row] = [
            ink.say((total, "title"), (f"  by prices of {report.dated.isoformat()}", "muted"))
        ]
        rows += [ink.say((f"! {note}", "warning")) for note in report.notes]
        rows += [ink.say(""), ink.say((self._head("store"), "muted"))]
        for store in report.stores:
            rows.append(ink.say(self._line(f"{store.store} ({store.tier})", store.now)))
            restore = f"{store.restore.total:,.2f} {unit} for {size(store.restore.bytes)}"
            wait = f", after {store.restore.thaw_hours:g} h" if store.restore.thaw_hours else ""
            rows.append(Fact("  full restore", ink.say((restore + wait, "muted"))))
            rows += [Fact("  note", ink.say((note, "muted"))) for note in store.now.notes]
        rows.append(ink.say(""))
        for ahead in report.forecast:
            words = f"{ahead.total:,.2f} {unit} a month for {size(ahead.bytes)}"
            rows.append(Fact(f"in {ahead.days} days", ink.say(words)))
        rows.append(ink.say(""))
        for group in report.groups:
            kept = f"{size(group.bytes)} in {group.snapshots:,} snapshots"
            label = clip(f"{group.host} {group.kind}", _NAME, ink.glyphs.ellipsis)
            rows.append(Fact(label, ink.say(kept, (f"  {group.tier}", "muted")), cells=_NAME))
        if report.compared:
            head = self._head(f"the primary elsewhere, {size(report.read_bytes)} read a month")
            rows += [ink.say(""), ink.say((head, "muted"))]
            rows += [ink.say(self._line(month.provider, month)) for month in report.compared]
        return rows

    def _head(self, name: str) -> str:
        return fit(name, _NAME) + "".join(
            word.rjust(10) for word in ("storage", "egress", "other", "total")
        )

    def _line(self, name: str, month: Month) -> str:
        other = month.requests + month.retrieval
        amounts = (month.storage, month.egress, other, month.total)
        shown = fit(clip(self.ink.safe(name), _NAME - 1, self.ink.glyphs.ellipsis), _NAME)
        return shown + "".join(f"{amount:,.2f}".rjust(10) for amount in amounts)
