"""Driving the console in tests: start it on a fake engine, press keys, read the screen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from textual.pilot import Pilot

from console.app import MentatApp
from console.screens.base import MentatScreen
from tests.console.fake_engine import NOW, FakeEngine

PATIENCE = 20.0  # seconds; generous, since machines are noisy


@dataclass
class Drive:
    app: MentatApp
    engine: FakeEngine
    pilot: Pilot[Any]

    @property
    def text(self) -> str:
        """The screen as the operator reads it."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def flat(self) -> str:
        """The same with all white space as single blanks: wrapped sentences in one piece."""
        return " ".join(self.text.split())

    @property
    def at(self) -> str:
        return type(self.app.screen).__name__

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def write(self, text: str) -> None:
        for char in text:
            await self.pilot.press("space" if char == " " else _key(char))

    async def until(self, what: str | Callable[[], object]) -> None:
        """Wait for a text on screen (wrapped or not), or for a condition."""
        end = monotonic() + PATIENCE
        while not (self.shows(what) if isinstance(what, str) else what()):
            assert monotonic() < end, f"never came: {what}\n{self.text}"
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    def shows(self, text: str) -> bool:
        return text in self.text or text in self.flat

    async def arrive(self, screen: str) -> None:
        """Wait until a screen of this class is in view and mounted."""
        await self.until(lambda: self.at == screen and self.app.screen.is_mounted)

    async def settled(self) -> None:
        """Wait until the first answers of the engine are drawn."""
        model = self.app.model
        await self.until(lambda: model.posture or model.posture_trouble)
        await self.until(lambda: not model.asking)
        await self.until(lambda: model.jobs is not None or model.jobs_trouble)
        if isinstance(self.app.screen, MentatScreen):
            self.app.repaint()
        await self.pilot.pause()


def _key(char: str) -> str:
    return {"-": "minus", "/": "slash", ".": "full_stop", "_": "underscore"}.get(char, char)


@asynccontextmanager
async def drive(
    engine: FakeEngine | None = None,
    size: tuple[int, int] = (80, 24),
    clock: Callable[[], datetime] = lambda: NOW,
    **options: Any,
) -> AsyncIterator[Drive]:
    """The console on a fake engine, its clock standing still."""
    engine = engine or FakeEngine()
    app = MentatApp(engine, clock=clock, ticking=False, **options)
    async with app.run_test(size=size) as pilot:
        yield Drive(app, engine, pilot)
