"""Asking the engine in the background, and writing what it said into the model."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from console.messages import (
    InventoryArrived,
    JobAdvanced,
    JobsListed,
    KeysArrived,
    PostureArrived,
)

if TYPE_CHECKING:
    from console.app import MentatApp
    from engine.api import SnapshotEntry

LONG = 5_000  # entries of a listing that is not to be walked over on the event loop


class Answers:
    """Writes the model, then has the screen in view drawn."""

    def __init__(self, desk: MentatApp) -> None:
        self._desk = desk

    # ------------------------------------------------------------ asking

    def survey(self, *, first: bool = False) -> None:
        """Ask for posture, inventory and keys. The first time the listing kept on disk comes
        before the store's answer, so that there is something to see without the store."""
        self._once("listing", lambda: self._listing(first))
        self._once("keys", self._keys)

    def _once(self, what: str, ask: Callable[[], Awaitable[None]]) -> None:
        asking = self._desk.model.asking
        if what in asking:
            return
        asking.add(what)

        async def work() -> None:
            try:
                await ask()
            finally:
                asking.discard(what)

        self._desk.run_worker(work(), group="survey", exit_on_error=False)

    async def _listing(self, first: bool) -> None:
        """The store is listed once, for the posture; the inventory reads what that kept."""
        door, post = self._desk.door, self._desk.post_message
        for fresh in (False, True) if first else (True,):
            ask = partial(door.engine.posture, refresh=fresh)
            post(PostureArrived(await door.ask_within(45.0, "status", ask), fresh))
            read = partial(door.engine.snapshots, refresh=False)
            post(InventoryArrived(await door.ask_within(45.0, "inventory", read), fresh))

    async def _keys(self) -> None:
        door = self._desk.door
        self._desk.post_message(KeysArrived(await door.ask("keys", door.engine.keys)))

    # ------------------------------------------------------------ writing

    def posture(self, message: PostureArrived) -> None:
        model, answer = self._desk.model, message.answer
        model.posture_trouble = answer.trouble
        if answer.value is not None:
            model.posture = answer.value
            model.posture_at = self._desk.clock()
            model.posture_fresh = message.fresh
        self._desk.repaint()

    def inventory(self, message: InventoryArrived) -> None:
        model, answer = self._desk.model, message.answer
        model.snapshots_trouble = answer.trouble
        if answer.value is not None:
            model.snapshots_at = self._desk.clock()
            model.snapshots_fresh = message.fresh
            if not _same(model.snapshots, answer.value):
                model.snapshots = answer.value
                if len(answer.value) > LONG:
                    # The garbage collector would walk over every entry again and again, each
                    # time holding up the keyboard; entries make no cycles, so it need not.
                    gc.freeze()
        self._desk.repaint()

    def keys(self, message: KeysArrived) -> None:
        model, answer = self._desk.model, message.answer
        model.keys_trouble = answer.trouble
        if answer.value is not None:
            model.keys = tuple(answer.value)
        self._desk.repaint()

    def jobs(self, message: JobsListed) -> None:
        model, answer = self._desk.model, message.answer
        model.jobs_trouble = answer.trouble
        if answer.value is not None:
            model.jobs = tuple(answer.value)
        self._desk.repaint()

    def job(self, message: JobAdvanced) -> None:
        listed = self._desk.model.job(message.job.id)
        job = message.job
        if listed and not job.operation:
            job = replace(listed, state=job.state)
        if job.final and listed and not listed.final:
            self.survey()  # it may have made a snapshot, a proof, or put data aside
        self._desk.model.put_job(job)
        for screen in self._desk.screen_stack:
            advanced = getattr(screen, "job_advanced", None)
            if advanced is not None and screen.is_mounted:
                advanced(message)
        self._desk.repaint()


def _same(old: Sequence[SnapshotEntry] | None, new: Sequence[SnapshotEntry]) -> bool:
    """Whether a new listing may be taken for the old one. Long ones are not compared in full:
    that would hold up the keyboard."""
    if old is None or len(old) != len(new):
        return False
    return len(new) <= LONG and list(old) == list(new)
