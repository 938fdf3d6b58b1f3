"""A job's journal, line by line; follows its end while the cursor stands there."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.acts import BACK, Act
from console.formatting import amount, duration, fraction, percent, rate, size, stamp
from console.ink import Ink
from console.messages import JobAdvanced
from console.screens.base import MentatScreen
from console.widgets.columns import Cell, Column
from console.widgets.controls import Line
from console.widgets.facts import Facts
from console.widgets.table import VirtualTable
from engine.api import Record, events


def sentence(event: events.Event) -> tuple[str, str, str]:
    """(word, text, role) of one event."""
    match event:
        case events.Accepted():
            return "accepted", f"{event.title} by {event.user} on {event.host}", "strong"
        case events.Started():
            return "started", f"pid {event.pid} on {event.host}", ""
        case events.PhaseStarted():
            whole = f", {size(event.expected_bytes)}" if event.expected_bytes else ""
            return "phase", f"{event.title or event.phase}{whole}", "strong"
        case events.Progress():
            part = percent(fraction(event.done, event.expected)).strip()
            speed = rate(event.rate, event.unit)
            return (
                "progress",
                f"{event.phase} {part} {amount(event.done, event.unit)} {speed}",
                "muted",
            )
        case events.PhaseEnded():
            return "ended", f"{event.phase} in {duration(event.seconds)}", ""
        case events.CommandStarted():
            where = f"{event.where}: " if event.where != "host" else ""
            return "command", f"$ {where}{shlex.join(event.argv)}", "command"
        case events.Output():
            return "output", event.line, ""
        case events.Warned():
            return "warning", event.message, "warning"
        case events.SnapshotCommitted():
            return "snapshot", f"{event.source} {event.ref} {size(event.stored_bytes)}", "ok"
        case events.Result():
            return "result", event.summary, "ok" if event.outcome == "done" else "warning"
        case events.Failed():
            return "failed", f"{event.message} {event.remedy}", "critical"


def follow(table: VirtualTable[Record], records: Sequence[Record]) -> None:
    """Show these records; a cursor on the last line stays on the last line."""
    following = not table.order or table.cursor >= len(table.order) - 1
    table.set_rows(tuple(records))
    if following:
        table.action_edge(1)


def journal_table(ink: Ink, title: str, id: str) -> VirtualTable[Record]:
    """A table of journal records, empty."""

    def text(record: Record) -> Cell:
        _, words, role = sentence(record.event)
        return Cell(words, role)

    return VirtualTable[Record](
        [
            Column("at", "TIME", lambda r: Cell(stamp(r.at), "muted"), 8),
            Column("event", "EVENT", lambda r: Cell(sentence(r.event)[0], "muted"), 8),
            Column("text", title, text, 20, 2000),
        ],
        identity=lambda r: r.seq,
        search=lambda r: " ".join(sentence(r.event)[:2]),
        ink=ink,
        empty="reading the journal",
        id=id,
    )


class LogScreen(MentatScreen[None]):
    acts: ClassVar[tuple[Act, ...]] = (
        Act("/", "filter", "screen.filter"),
        Act("enter", "whole line", "screen.open", "Show the whole of a long line."),
        Act("end", "follow", "", "Stand on the last line to follow the journal."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("slash", "filter", show=False)]
    AUTO_FOCUS = "#log"

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.job_id = job_id
        self.heading = "journal"
        self._records: list[Record] = []

    def body(self) -> Iterable[Widget]:
        yield journal_table(self.ink, f"JOURNAL OF {self.job_id}", "log")
        yield Facts(self.ink, id="log-line", label=2)
        yield Line(id="filter")

    @property
    def table(self) -> VirtualTable[Record]:
        return self.query_one("#log", VirtualTable)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#filter").display = False
        self.desk.feed.watch(self.job_id)

    def on_unmount(self) -> None:
        self.desk.feed.unwatch(self.job_id)

    def job_advanced(self, message: JobAdvanced) -> None:
        """New lines of this journal."""
        if message.job.id != self.job_id:
            return
        if message.first:
            self._records = []
        self._records += message.records
        follow(self.table, self._records)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        word, text, role = sentence(event.row.event)
        self.query_one("#log-line", Facts).show(
            [self.ink.say((f"{word}: ", "label"), (text, role))]
        )

    def action_open(self) -> None:
        self.table.action_choose()

    def action_filter(self) -> None:
        line = self.query_one("#filter", Line)
        line.display = True
        line.focus()

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        self.table.set_filter(event.value)

    @on(Input.Submitted, "#filter")
    def _submitted(self) -> None:
        self.table.focus()

    def action_back(self) -> None:
        line = self.query_one("#filter", Line)
        if line.display:
            line.value = ""
            line.display = False
            self.table.focus()
        else:
            super().action_back()
