"""Small questions of an incident: a line of text, a secret, one of a few answers."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from console.screens.base import Dialog
from console.widgets.controls import Choices, Line, Option, Press
from console.widgets.facts import Facts, Row
from console.widgets.say import Say


class TextDialog(Dialog[str]):
    """One line. The result is what was typed, or None for no. `need`: nothing is no answer."""

    def __init__(
        self,
        title: str,
        rows: Sequence[Row] = (),
        *,
        yes: str,
        value: str = "",
        need: bool = False,
        secret: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._rows, self._yes, self._value = title, rows, yes, value
        self._need, self._secret = need, secret

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Say(self.ink.say((self._title, "title")), id="dialog-title")
            yield Facts(self.ink, id="dialog-facts")
            yield Line(id="answer", value=self._value, secret=self._secret)
            with Horizontal(id="dialog-buttons"):
                yield Press("Cancel", self.ink, id="no")
                yield Press(self._yes, self.ink, id="yes")

    def on_mount(self) -> None:
        self.query_one(Facts).show(self._rows)
        self.query_one(Line).focus()
        self._able()

    def _able(self) -> None:
        empty = not self.query_one(Line).value.strip()
        self.query_one("#yes", Press).disabled = self._need and empty

    @on(Input.Changed, "#answer")
    def _typed(self) -> None:
        self._able()

    @on(Input.Submitted, "#answer")
    def _submitted(self) -> None:
        if not self.query_one("#yes", Press).disabled:
            self.dismiss(self.query_one(Line).take())

    @on(Press.Pressed)
    def _pressed(self, event: Press.Pressed) -> None:
        said = event.press.id == "yes"
        self.dismiss(self.query_one(Line).take() if said else None)

    def key_backspace(self) -> None:
        """Belongs to the line here."""


class ChoiceDialog(Dialog[str]):
    """One of a few; the result is its key."""

    def __init__(self, title: str, rows: Sequence[Row], options: Sequence[Option]) -> None:
        super().__init__()
        self._title, self._rows, self._options = title, rows, tuple(options)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Say(self.ink.say((self._title, "title")), id="dialog-title")
            yield Facts(self.ink, id="dialog-facts")
            yield Choices(self._options, self.ink, id="answers")
            yield Say(self.ink.say(("enter chooses, esc leaves it open", "muted")))

    def on_mount(self) -> None:
        self.query_one(Facts).show(self._rows)
        self.query_one(Choices).focus()

    @on(Choices.Chosen)
    def _chosen(self, event: Choices.Chosen) -> None:
        self.dismiss(event.choices.key)
