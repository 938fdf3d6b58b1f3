"""The eye on the open incident: looks, posts what it saw, and keeps the store's copy up to date."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from console.messages import IncidentArrived

if TYPE_CHECKING:
    from console.app import MentatApp

BUSY, QUIET = 2.0, 15.0  # seconds between looks with an open incident, and without
COPY_EVERY = 10.0  # seconds between attempts to copy what the store has not


class Response:
    """`run` until cancelled; `wake` after an act."""

    def __init__(self, desk: MentatApp, *, slow: bool) -> None:
        self._desk = desk
        self._pace = 2.0 if slow else 1.0
        self._wake = asyncio.Event()
        self._copied = -1  # the last line that the store was told of

    def wake(self) -> None:
        self._wake.set()

    async def look(self) -> None:
        """Look now, and have it written into the model."""
        engine = self._desk.engine
        known = self._desk.model.incident
        # One that was closed stays in view until another one is open.
        name = known.incident.id if known and known.incident.closed is None else ""
        answer = await self._desk.door.ask("incident", lambda: (engine.incidents.situation(name),))
        self._desk.incident_arrived(IncidentArrived(answer))

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        tried = -COPY_EVERY
        while True:
            self._wake.clear()
            await self.look()
            situation = self._desk.model.incident
            opened = self._desk.model.incident_open
            if situation is not None:
                last = situation.incident.last_seq
                due = loop.time() - tried >= COPY_EVERY
                if situation.leads and (last != self._copied or (situation.not_copied and due)):
                    tried, self._copied = loop.time(), last
                    self._desk.run_worker(self._copy(situation.incident.id), exit_on_error=False)
            pause = (BUSY if opened else QUIET) * self._pace
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def _copy(self, incident_id: str) -> None:
        """What keeps the store from having it is shown with the incident."""
        engine = self._desk.engine
        await self._desk.door.ask(
            "copy of the incident", lambda: engine.incidents.copy(incident_id)
        )
