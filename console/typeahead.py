"""One key at a time: the next goes out when the last has had its effect.

On a slow link several keys arrive at once. Without this, the second would still meet the screen
that the first is about to leave.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

from console.screens.base import Settling

ROUND = 0.25  # seconds a widget may take to work off its queue
READY = 1.5  # seconds a screen may take until keys are passed on to it all the same


class TypeAhead:
    def __init__(self, app: App[int]) -> None:
        self._app = app
        self._held: deque[events.Key] = deque()
        self._passing: events.Key | None = None
        self._task: asyncio.Task[None] | None = None

    def admits(self, key: events.Key) -> bool:
        """Whether this key may go on now; otherwise it is kept and comes again by itself."""
        if self._task is None or key is self._passing:
            return True
        self._held.append(key)
        return False

    def passed_on(self) -> None:
        """A key was handed to the widget in focus: watch it until it has had its effect."""
        self._passing = None
        self._task = asyncio.get_running_loop().create_task(self._settle())

    async def _settle(self) -> None:
        # A key climbs from the widget to the app, where its action runs; the action may post a
        # message that climbs again.
        for _ in range(2):
            for node in self._climb():
                await _round(node)
        screen = self._app.screen
        if isinstance(screen, Settling):
            await _within(READY, screen.ready.wait())
        if self._held and self._app.is_running:
            self._passing = self._held.popleft()
            self._app.post_message(self._passing)
        else:
            self._held.clear()
            self._task = None

    def _climb(self) -> list[MessagePump]:
        lowest = self._app.screen.focused or self._app.screen
        return [node for node in lowest.ancestors_with_self if node.is_running]


async def _round(node: MessagePump) -> None:
    """Wait until the node has worked off what is in its queue now."""
    done = asyncio.Event()
    if node.call_later(done.set):
        await _within(ROUND, done.wait())


async def _within(seconds: float, what: Awaitable[object]) -> None:
    try:
        await asyncio.wait_for(what, seconds)
    except TimeoutError:
        return
