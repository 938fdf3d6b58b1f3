"""Questions before something is done: a plain one, and one that wants a name typed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from console.screens.base import Dialog
from console.widgets.controls import Line, Press
from console.widgets.facts import Facts, Row
from console.widgets.panels import shell_rows
from console.widgets.say import Say


class ConfirmDialog(Dialog[bool]):
    """title, rows of explanation, the command line that does the same; `no` has the focus. With
    `name`, `yes` works only once that name is typed. The result is True for yes."""

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        *,
        command: str,
        yes: str,
        no: str = "Cancel",
        name: str = "",
    ) -> None:
        super().__init__()
        self._title, self._rows, self._command = title, rows, command
        self._yes, self._no, self._name = yes, no, name

    def compose(self) -> ComposeResult:
        settings = self.desk.engine.settings
        where = f"{settings.host} {self.ink.glyphs.dot} {settings.environment}"
        with Vertical(id="dialog"):
            yield Say(self.ink.say((self._title, "title")), id="dialog-title")
            yield Say(
                self.ink.say((f"{where} {self.ink.glyphs.dot} ", "muted"), ("LIVE", "live")),
                id="dialog-where",
            )
            yield Facts(self.ink, id="dialog-facts")
            if self._name:
                yield Say(self.ink.say("To go on, type ", (self._name, "strong"), ":"))
                yield Line(id="confirm")
            with Horizontal(id="dialog-buttons"):
                yield Press(self._no, self.ink, id="no")
                yield Press(self._yes, self.ink, id="yes")

    def on_mount(self) -> None:
        shell = [self.ink.say(""), *shell_rows(self.ink, self._command)] if self._command else []
        self.query_one(Facts).show([*self._rows, *shell])
        self.query_one("#yes", Press).disabled = bool(self._name)
        self.query_one("#no", Press).focus()

    @on(Input.Changed, "#confirm")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#yes", Press).disabled = event.value != self._name

    @on(Input.Submitted, "#confirm")
    def _submitted(self) -> None:
        yes = self.query_one("#yes", Press)
        if not yes.disabled:
            yes.focus()

    @on(Press.Pressed)
    def _pressed(self, event: Press.Pressed) -> None:
        self.dismiss(event.press.id == "yes")
