"""The only tailer of journals: follows running jobs and posts what changed, at most one message
per job and round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from textual.message import Message

from console.door import Answer, Door
from console.messages import JobAdvanced, JobsListed
from engine.api import Job, fold

LISTED = 200  # jobs asked for


@dataclass
class _Tail:
    job: Job
    offset: int = 0
    seen: bool = field(default=False)


class Feed:
    """busy, idle: seconds between rounds while jobs run and while none does."""

    def __init__(
        self, door: Door, post: Callable[[Message], object], *, busy: float, idle: float
    ) -> None:
        self._door = door
        self._post = post
        self._busy = busy
        self._idle = idle
        self._tails: dict[str, _Tail] = {}
        self._watched: set[str] = set()
        self._listed: Answer[Sequence[Job]] | None = None
        self._wake = asyncio.Event()

    def watch(self, job_id: str) -> None:
        """Post this job's records from the first one on, also when it has ended."""
        self._watched.add(job_id)
        self._tails[job_id] = _Tail(Job(id=job_id))
        self._wake.set()

    def unwatch(self, job_id: str) -> None:
        self._watched.discard(job_id)

    def wake(self) -> None:
        """Look now; a job was started."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        rounds = 0
        while True:
            # The list finds new and interrupted jobs; tails are cheap, so it is every few rounds.
            if rounds % 4 == 0 or self._wake.is_set() or not self._tails:
                self._wake.clear()
                await self._list()
            rounds += 1
            for job_id in list(self._tails):
                await self._follow(job_id)
            pause = self._busy if self._tails else self._idle
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def _list(self) -> None:
        answer = await self._door.ask("jobs", self._door.engine.jobs, LISTED)
        for job in answer.value or ():
            tail = self._tails.get(job.id)
            if not job.final:
                self._tails.setdefault(job.id, _Tail(Job(id=job.id)))
            elif tail and job.state == "interrupted" and tail.job.state != "interrupted":
                # No journal says so: the reader of the list found nobody behind the job.
                await self._follow(job.id)
                self._tails.pop(job.id, None)
                self._post(JobAdvanced(job, ()))
        if answer != self._listed:
            self._listed = answer
            self._post(JobsListed(answer))

    async def _follow(self, job_id: str) -> None:
        tail = self._tails.get(job_id)
        if tail is None:
            return
        answer = await self._door.ask("journal", self._door.engine.records, job_id, tail.offset)
        if answer.value is None:
            if job_id not in self._watched:
                self._tails.pop(job_id, None)
            return
        records, offset = answer.value
        if self._tails.get(job_id) is not tail:
            return  # watched anew meanwhile: the next round begins at the start
        first = not tail.seen
        tail.seen, tail.offset = True, offset
        if records or first:
            tail.job = fold(tail.job, records)
            self._post(JobAdvanced(self._known(tail.job), tuple(records), first))
        if self._known(tail.job).final:
            self._tails.pop(job_id, None)

    def _known(self, job: Job) -> Job:
        """The listed state where the journal cannot tell: an interrupted job."""
        listed = (self._listed.value if self._listed else None) or ()
        found = next((j for j in listed if j.id == job.id), None)
        return found if found and found.state == "interrupted" else job
