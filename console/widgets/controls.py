"""Things the operator acts on: a button, an input line, a choice among a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from console.formatting import safe
from console.ink import Ink
from console.widgets.say import Say


class Press(Say, can_focus=True):
    """`[ Cancel ]`: pressed by enter or a click; left and right go to its neighbours."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press", "Press", show=False),
        Binding("left", "app.focus_previous", "Previous", show=False),
        Binding("right", "app.focus_next", "Next", show=False),
    ]

    class Pressed(Message):
        def __init__(self, press: Press) -> None:
            super().__init__()
            self.press = press

        @property
        def control(self) -> Press:
            return self.press

    def __init__(self, label: str, ink: Ink, *, id: str, classes: str = "") -> None:
        super().__init__(ink.say(f"[ {label} ]"), id=id, classes=classes)
        self.label = label

    def action_press(self) -> None:
        if not self.disabled:
            self.post_message(self.Pressed(self))

    def on_click(self) -> None:
        self.action_press()


class Line(Input):
    """A one-line input without a blinking cursor. Control characters never get in; a secret is
    shown as stars and is gone from here once `take` was called."""

    def __init__(self, *, id: str, value: str = "", secret: bool = False) -> None:
        super().__init__(value, password=secret, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        return "".join(c for c in value if c.isprintable())

    def take(self) -> str:
        """The value, forgotten here."""
        value = self.value
        self.clear()
        return value

    @property
    def _value(self) -> Text:
        if self.password:
            return Text("*" * len(self.value), no_wrap=True, overflow="ignore", end="")
        ascii_only = getattr(self.app, "ascii_only", False)
        shown = "".join(c if len(safe(c, ascii_only)) == 1 else "?" for c in self.value)
        return Text(shown, no_wrap=True, overflow="ignore", end="")


@dataclass(frozen=True, slots=True)
class Option:
    key: str
    title: str
    words: Sequence[str]  # lines of explanation


class Choices(Say, can_focus=True):
    """A few options one below the other; digits and arrows move, enter chooses."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("enter", "choose", "Choose", show=False),
        *(Binding(str(n), f"digit({n})", show=False) for n in range(1, 10)),
    ]

    class Moved(Message):
        def __init__(self, choices: Choices) -> None:
            super().__init__()
            self.choices = choices

    class Chosen(Message):
        def __init__(self, choices: Choices) -> None:
            super().__init__()
            self.choices = choices

    def __init__(self, options: Sequence[Option], ink: Ink, *, id: str) -> None:
        super().__init__(id=id)
        self._options, self._ink, self.index = tuple(options), ink, 0

    @property
    def key(self) -> str:
        return self._options[self.index].key

    def on_mount(self) -> None:
        self._draw()

    def on_focus(self) -> None:
        self._draw()

    def on_blur(self) -> None:
        self._draw()

    def select(self, key: str) -> None:
        self.index = next((i for i, o in enumerate(self._options) if o.key == key), self.index)
        self._draw()
        self.post_message(self.Moved(self))

    def action_move(self, by: int) -> None:
        self.index = max(0, min(len(self._options) - 1, self.index + by))
        self._draw()
        self.post_message(self.Moved(self))

    def action_digit(self, number: int) -> None:
        if number <= len(self._options):
            self.index = number - 1
            self._draw()
            self.post_message(self.Moved(self))

    def action_choose(self) -> None:
        self.post_message(self.Chosen(self))

    def _draw(self) -> None:
        ink = self._ink
        lines = []
        for number, option in enumerate(self._options, 1):
            here = number - 1 == self.index
            sign = ink.glyphs.cursor if here else " "
            lines.append(
                ink.say(
                    (f"{sign} ", "key"),
                    (f"{number} ", "muted"),
                    (option.title, "strong" if here else ""),
                )
            )
            lines += [ink.say((f"     {words}", "muted")) for words in option.words]
            lines.append(ink.say(""))
        self.show(ink.lines(lines[:-1]))
