"""The keys: of the screen one came from, and those that work everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from console.acts import BACK, GLOBAL_ACTS, Act
from console.screens.base import Dialog
from console.widgets.facts import Fact, Facts, Row
from console.widgets.say import Say

MOVING: tuple[Act, ...] = (
    Act("up down", "move", more="Also page up, page down, home, end."),
    Act("tab", "next field", more="Shift+tab goes back."),
    Act("enter", "open, choose"),
)


class HelpScreen(Dialog[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,q,enter", "back", "Back", show=False)
    ]

    def __init__(self, heading: str, acts: Sequence[Act]) -> None:
        super().__init__()
        self._heading, self._acts_here = heading, tuple(acts)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-tall"):
            yield Say(self.ink.say((f"Keys: {self._heading or 'overview'}", "title")))
            with VerticalScroll(id="help-scroll"):
                yield Facts(self.ink, id="dialog-facts", label=10)
            yield Say(self.ink.say(("esc, backspace or ? closes this", "muted")))

    def on_mount(self) -> None:
        here = [act for act in self._acts_here if act is not BACK]
        rows: list[Row] = [self._row(act) for act in here]
        rows += [self.ink.say(""), self.ink.say(("Everywhere", "title"))]
        rows += [self._row(act) for act in (*GLOBAL_ACTS, BACK, *MOVING)]
        rows += [
            self.ink.say(""),
            self.ink.say(("Quitting, a dropped link or a crash here never stops a job.", "muted")),
        ]
        self.query_one(Facts).show(rows)
        self.query_one("#help-scroll").focus()

    def _row(self, act: Act) -> Fact:
        more = f"  {act.more}" if act.more else ""
        return Fact(act.key, self.ink.say(act.words, (more, "muted")), "key")
