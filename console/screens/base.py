"""What all screens share: the header, the key bar, the way back, and drawing from the model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.worker import Worker

from console.acts import BACK, Act
from console.ink import Ink
from console.model import Model
from console.widgets.header import HeaderBar
from console.widgets.keybar import KeyBar

if TYPE_CHECKING:
    from console.app import MentatApp

R = TypeVar("R")
WIDE = 132  # cells from which there is room for a side pane


class Settling:
    """A screen that says when it can take keys: mounted, focused, with what it needs to know."""

    @cached_property
    def ready(self) -> asyncio.Event:
        return asyncio.Event()


class MentatScreen(Settling, Screen[R]):
    """Subclasses give `heading`, `acts`, `body` and `paint`. `paint` must be cheap and must not
    wait: it draws what the model holds."""

    heading = ""
    acts: ClassVar[tuple[Act, ...]] = ()
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - as Textual declares it
        (0, "-narrow"),
        (WIDE, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", show=False),
    ]

    @property
    def desk(self) -> MentatApp:
        return cast("MentatApp", self.app)

    @property
    def ink(self) -> Ink:
        return self.desk.ink

    @property
    def model(self) -> Model:
        return self.desk.model

    @property
    def now(self) -> datetime:
        return self.desk.clock()

    @property
    def wide(self) -> bool:
        return self.size.width >= WIDE

    def compose(self) -> ComposeResult:
        settings = self.desk.engine.settings
        yield HeaderBar(
            self.ink, settings.host, settings.environment, seconds=not self.desk.slow_link
        )
        with Vertical(id="body"):
            yield from self.body()
        yield KeyBar(self.ink, self._shown_keys())

    def body(self) -> Iterable[Widget]:
        return ()

    def paint(self) -> None:
        """Draw the body from the model."""

    def current_acts(self) -> tuple[Act, ...]:
        """The acts that make sense now."""
        return self.acts

    def _shown_keys(self) -> tuple[tuple[str, str], ...]:
        return tuple((act.key, act.words) for act in self.current_acts())

    def repaint(self) -> None:
        """Header, body and key bar anew from the model."""
        if not self.is_mounted:
            return
        self.query_one(HeaderBar).show(self.heading, self.model, self.now)
        self.paint()
        self.query_one(KeyBar).show(self._shown_keys())

    def tick(self, now: datetime) -> None:
        """Once a second: the clock, nothing else."""
        self.query_one(HeaderBar).tick(now)

    def on_mount(self) -> None:
        self.repaint()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        self.desk.worker_changed(event)

    def on_screen_resume(self) -> None:
        self.repaint()
        self.call_later(self.settle)

    def settle(self) -> None:
        """Called once in view. Screens that must hear from the engine first say it later."""
        self.ready.set()

    def on_resize(self) -> None:
        self.repaint()

    def action_back(self) -> None:
        if len(self.app.screen_stack) > 1:
            self.dismiss()
        elif self.app.current_mode != "overview":
            self.desk.action_goto("overview")


class Dialog(Settling, ModalScreen[R]):
    """A small question over a screen. Escape and backspace mean no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", show=False),
    ]
    acts: ClassVar[tuple[Act, ...]] = (BACK,)

    @property
    def desk(self) -> MentatApp:
        return cast("MentatApp", self.app)

    @property
    def ink(self) -> Ink:
        return self.desk.ink

    def current_acts(self) -> tuple[Act, ...]:
        return self.acts

    def repaint(self) -> None:
        """Dialogs are drawn once."""

    def tick(self, now: datetime) -> None:
        """Dialogs have no clock."""

    def on_screen_resume(self) -> None:
        self.call_later(self.ready.set)

    def action_back(self) -> None:
        self.dismiss(None)
