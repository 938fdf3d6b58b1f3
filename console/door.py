"""The console's way to the engine: every call in its own daemon thread, with a time limit.

Daemon threads, because a pool's are joined at exit: a store that hangs would hold the operator's
terminal. What goes wrong comes back as a Trouble, to be shown where the answer would have been.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Generic, ParamSpec, TypeVar

from engine.api import Engine, MentatError

T = TypeVar("T")
P = ParamSpec("P")
STUCK_LIMIT = 3  # calls of one name that may hang at a time


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer: one line of what is wrong, one of what to do."""

    message: str
    remedy: str = ""
    code: str = "failed"


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A value, or the trouble that stood in its way."""

    value: T | None = None
    trouble: Trouble | None = None


class Door:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._stuck: Counter[str] = Counter()

    async def ask(
        self,
        what: str,
        call: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer[T]:
        """Call in a thread; 30 seconds at most."""
        return await self.ask_within(30.0, what, lambda: call(*args, **kwargs))

    async def ask_within(self, seconds: float, what: str, call: Callable[[], T]) -> Answer[T]:
        """Call in a thread; after `seconds` a Trouble is the answer and the thread is left be."""
        if self._stuck[what] >= STUCK_LIMIT:
            return Answer(trouble=Trouble(f"{what}: earlier attempts still wait for an answer"))
        future = self._begin(what, call)
        self._stuck[what] += 1
        try:
            return await asyncio.wait_for(asyncio.shield(future), seconds)
        except TimeoutError:
            message = f"{what}: no answer within {seconds:.0f} s"
            return Answer(trouble=Trouble(message, "It is tried again by itself.", "timeout"))

    def _begin(self, what: str, call: Callable[[], T]) -> asyncio.Future[Answer[T]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer[T]] = loop.create_future()

        def deliver(answer: Answer[T]) -> None:
            self._stuck[what] -= 1
            if not future.done():
                future.set_result(answer)

        def work() -> None:
            answer = _attempt(call)
            if not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(deliver, answer)
                except RuntimeError:
                    return  # the console closed between the question and the answer

        Thread(target=work, name=f"door: {what}", daemon=True).start()
        return future


def _attempt(call: Callable[[], T]) -> Answer[T]:
    try:
        return Answer(value=call())
    except MentatError as error:
        return Answer(trouble=Trouble(error.message, error.remedy, error.code))
    except Exception as error:  # noqa: BLE001 - shown to the operator in place, never dropped
        message = f"{type(error).__name__}: {error}"
        remedy = "This is a fault of mentat-dr; the command line may still work."
        return Answer(trouble=Trouble(message, remedy, "fault"))
