"""Reference: the cards, complete with everything else down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.screens.base import MentatScreen
from console.screens.text import TextScreen, text_rows
from console.widgets.facts import Facts, Row
from console.widgets.panels import trouble_rows


class ReferenceScreen(MentatScreen[None]):
    heading = "reference"
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "by scenario", "screen.scenario", "The flow and the commands of a scenario."),
        Act("l", "look again", "screen.look", "Ask the health checks now."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "scenario", show=False),
        Binding("l", "look", show=False),
    ]
    AUTO_FOCUS = "#card"

    def body(self) -> Iterable[Widget]:
        with Vertical(id="main"), VerticalScroll(id="card"):
            yield Facts(self.ink, id="card-facts")

    def on_mount(self) -> None:
        super().on_mount()
        self.action_look()

    def action_look(self) -> None:
        """What needs nobody comes at once; the health checks' answers when they are there."""
        self.run_worker(self._fetch(), exclusive=True, exit_on_error=False)

    async def _fetch(self) -> None:
        cards = self.desk.engine.cards
        for live in (False, True):
            answer = await self.desk.door.ask("card", lambda live=live: cards.card(live=live))  # type: ignore[misc]
            if not self.is_mounted:
                return
            rows: list[Row]
            if answer.value is None:
                rows = trouble_rows(self.ink, answer.trouble) if answer.trouble else []
            else:
                rows = text_rows(self, answer.value)
            self.query_one("#card-facts", Facts).show(rows)

    def action_scenario(self) -> None:
        self.run_worker(self._choose(), exit_on_error=False)

    async def _choose(self) -> None:
        from console.screens.incident_dialogs import ChoiceDialog
        from console.widgets.controls import Option

        answer = await self.desk.door.ask("runbooks", self.desk.engine.runbooks.shelf)
        if answer.value is None:
            return
        books = answer.value.books.values()
        options = [Option(book.id, book.title, ()) for book in books if book.kind != "checklist"]
        name = await self.desk.push_screen_wait(ChoiceDialog("Which scenario?", (), options))
        if name:
            cards = self.desk.engine.cards
            self.desk.push_screen(TextScreen(name, lambda: cards.card(name)))
