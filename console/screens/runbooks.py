"""The runbooks: what there is for the worst hour, and where an incident begins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.screens.base import MentatScreen
from console.screens.incident_acts import IncidentActs
from console.screens.text import TextScreen
from console.widgets.columns import Cell, Column
from console.widgets.facts import Fact, Facts, Row
from console.widgets.panels import trouble_rows
from console.widgets.table import VirtualTable
from engine.api import incident_words as words


class RunbooksScreen(MentatScreen[None]):
    heading = "runbooks"
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "read", "screen.open", "The whole runbook, with the commands by hand."),
        Act("b", "begin incident", "screen.begin", "Declare an incident by this runbook."),
        Act("w", "open incident", "screen.watch", "The incident that is open."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", show=False),
        Binding("b", "begin", show=False),
        Binding("w", "watch", show=False),
    ]
    AUTO_FOCUS = "#books"

    def body(self) -> Iterable[Widget]:
        with Vertical(id="main"):
            yield book_table(self, "books")
            with VerticalScroll(id="below", can_focus=False):
                yield Facts(self.ink, id="facts")

    @property
    def table(self) -> VirtualTable[words.Runbook]:
        return self.query_one("#books", VirtualTable)

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._read(), exit_on_error=False)

    async def _read(self) -> None:
        answer = await self.desk.door.ask("runbooks", self.desk.engine.runbooks.shelf)
        if not self.is_mounted:
            return
        if answer.value is None:
            rows = trouble_rows(self.ink, answer.trouble) if answer.trouble else []
            self.query_one("#facts", Facts).show(rows)
            return
        self.model.runbooks = tuple(answer.value.books.values())
        self.model.runbooks_unread = tuple(
            f"{file.file}: {file.problems[0]}" for file in answer.value.unread
        )
        self.repaint()

    def paint(self) -> None:
        books = self.model.runbooks or ()
        self.table.set_rows(books)
        room = max(6, self.size.height - 7)
        self.table.styles.height = max(3, min(len(books) + 1, room * 3 // 5))
        self._summary()

    @on(VirtualTable.Moved)
    def _summary(self) -> None:
        rows: list[Row] = [
            Fact(self.ink.glyphs.warning, self.ink.say((said, "warning")), "warning", 2)
            for said in self.model.runbooks_unread
        ]
        book = self.table.row
        if book is not None:
            rows += book_rows(self, book)
        self.query_one("#facts", Facts).show(rows)

    def current_acts(self) -> tuple[Act, ...]:
        hidden = "b" if self.model.incident_open else "w"
        return tuple(act for act in self.acts if act.key != hidden)

    @on(VirtualTable.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        book = self.table.row
        if book is not None:
            engine, name = self.desk.engine, book.id
            self.desk.push_screen(
                TextScreen(book.title.lower(), lambda: engine.runbooks.export(name, "text"))
            )

    def action_begin(self) -> None:
        if self.model.incident_open:
            self.action_watch()
        elif self.table.row is not None:
            IncidentActs(self.desk).declare(self.table.row)

    def action_watch(self) -> None:
        if self.model.incident is not None:
            self.desk.show_incident()


def book_table(screen: MentatScreen[None], id: str) -> VirtualTable[words.Runbook]:
    return VirtualTable[words.Runbook](
        [
            Column("title", "RUNBOOK", lambda b: Cell(b.title, "strong"), 30, 44),
            Column("kind", "KIND", lambda b: Cell(b.kind, "muted"), 9, drop=1),
            Column("targets", "TARGETS", lambda b: Cell(words.targets(b)), 22, 30),
            Column("steps", "STEPS", lambda b: Cell(str(len(b.steps))), 5, align="right", drop=2),
        ],
        identity=lambda book: book.id,
        search=lambda book: f"{book.id} {book.title} {book.kind}",
        ink=screen.ink,
        empty="reading the runbooks",
        id=id,
    )


def book_rows(screen: MentatScreen[None], book: words.Runbook) -> list[Row]:
    """What it is for, how it looks, and its flow."""
    ink = screen.ink
    rows: list[Row] = [ink.say(" ".join(book.summary.split()))]
    if book.rto_note:
        rows.append(ink.say((book.rto_note, "muted")))
    overdue = book.due() < screen.now.date()
    said = f"owner {book.owner}, review by {book.due()}"
    rows.append(
        ink.say((said + (": OVERDUE" if overdue else ""), "warning" if overdue else "muted"))
    )
    rows += [Fact(ink.glyphs.bullet, ink.say(line), "label", 2) for line in book.signs]
    for phase in words.PHASES:
        titles = [step.title for step in book.steps if step.phase == phase]
        if titles:
            arrow = f" {ink.glyphs.arrow} "
            rows.append(Fact(words.PHASE_WORDS[phase].upper(), ink.say(arrow.join(titles))))
    return rows
