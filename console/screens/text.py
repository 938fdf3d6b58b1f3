"""Long texts to read and scroll: cards, runbooks, reports, the timeline of an incident."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.formatting import stamp
from console.screens.base import MentatScreen
from console.widgets.columns import Cell, Column
from console.widgets.facts import Facts, Row
from console.widgets.panels import trouble_rows
from console.widgets.table import VirtualTable
from engine.api import incident_words as words


class TextScreen(MentatScreen[None]):
    """Text that the engine writes when asked; what stands in its way is said instead."""

    acts: ClassVar[tuple[Act, ...]] = (Act("up down", "scroll"), BACK)
    AUTO_FOCUS = "#text"

    def __init__(self, heading: str, read: Callable[[], str]) -> None:
        super().__init__()
        self.heading = heading
        self._read = read

    def body(self) -> Iterable[Widget]:
        with VerticalScroll(id="text"):
            yield Facts(self.ink, id="text-facts")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Facts).show([self.ink.say(("writing", "muted"))])
        self.run_worker(self._fetch(), exit_on_error=False)

    async def _fetch(self) -> None:
        answer = await self.desk.door.ask("text", self._read)
        if not self.is_mounted:
            return
        rows: list[Row]
        if answer.value is None:
            rows = trouble_rows(self.ink, answer.trouble) if answer.trouble else []
        else:
            rows = text_rows(self, answer.value)
        self.query_one(Facts).show(rows)


def text_rows(screen: MentatScreen[None], text: str) -> list[Row]:
    """Plain text as rows: what is underlined is a title, what is indented a command."""
    lines = text.splitlines()
    rows: list[Row] = []
    for place, line in enumerate(lines):
        below = lines[place + 1] if place + 1 < len(lines) else ""
        if line and not line.strip("=-.") and len(line) > 2:
            continue
        titled = bool(below) and not below.strip("=-.") and len(below) > 2
        role = "title" if titled else "command" if line.startswith("    ") else ""
        rows.append(screen.ink.say((line, role)))
    return rows


class TimelineScreen(MentatScreen[None]):
    """Every line of the open incident's journal; it writes itself."""

    heading = "timeline"
    acts: ClassVar[tuple[Act, ...]] = (
        Act("n", "note", "screen.note", "A line for the timeline."),
        Act("end", "follow", "", "Stand on the last line to follow."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("n", "note", show=False)]
    AUTO_FOCUS = "#timeline"

    def body(self) -> Iterable[Widget]:
        yield VirtualTable[words.Line](
            [
                Column("at", "UTC", lambda line: Cell(stamp(line.at), "muted"), 8),
                Column("who", "WHO", lambda line: Cell(line.who.person, "strong"), 8, 14),
                Column("what", "WHAT", self._what, 30, 2000),
            ],
            identity=lambda line: line.seq,
            search=lambda line: f"{line.who.shown} {line.event}",
            ink=self.ink,
            empty="no incident is open",
            id="timeline",
        )
        yield Facts(self.ink, id="log-line", label=2)

    def _what(self, line: words.Line) -> Cell:
        situation = self.model.incident
        said = words.sentence(situation.incident, line) if situation else ""
        return Cell(said, "critical" if said.startswith("FAILED") else "")

    def paint(self) -> None:
        table = self.query_one("#timeline", VirtualTable)
        following = not table.order or table.cursor >= len(table.order) - 1
        situation = self.model.incident
        table.set_rows(situation.lines if situation else ())
        if following:
            table.action_edge(1)

    def on_virtual_table_moved(self) -> None:
        row = self.query_one("#timeline", VirtualTable).row
        if row is not None:
            line = self.ink.say((f"{row.who.shown}: ", "label"), self._what(row).text)
            self.query_one("#log-line", Facts).show([line])

    def action_note(self) -> None:
        from console.screens.incident_acts import IncidentActs

        IncidentActs(self.desk).note(None)
