"""The pen of an incident: one writer at a time, every line on the disk and in the audit trail."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from engine.core.errors import HeldError
from engine.core.incident import Incident, fold
from engine.core.incident_events import WORDS, IncidentEvent, Line, Who
from engine.jobs.locks import Busy, Lock, make_private, myself
from engine.operations import incident_journal
from engine.operations.incident_journal import Place

PATIENCE = 30.0  # seconds; the longest an automated check should hold the pen

Audit = Callable[[str, dict[str, object]], None]


class Pen:
    """Held: nobody else writes. `incident` is as of the last line."""

    def __init__(
        self,
        where: Place,
        incident: Incident | None,
        who: Who,
        clock: Callable[[], datetime],
        audit: Audit,
    ) -> None:
        self._where, self._who, self._clock, self._audit = where, who, clock, audit
        self._incident = incident

    @property
    def incident(self) -> Incident:
        assert self._incident is not None
        return self._incident

    def write(self, *events: IncidentEvent) -> Incident:
        """Add these, all or none; the incident after them."""
        seq = self._incident.last_seq if self._incident else 0
        at = self._clock()
        made = [Line(seq + n, at, self._who, event) for n, event in enumerate(events, 1)]
        for line in made:
            facts = {"incident": self._where.id, "line": line.seq}
            step = getattr(line.event, "step", "")
            self._audit(f"incident {WORDS[type(line.event)]}", {**facts, "step": step})
        incident_journal.append(self._where, made)
        if self._incident is None:
            self._incident = incident_journal.folded(made, self._where.id)
        else:
            self._incident = fold(self._incident, made)
        return self._incident


@contextlib.contextmanager
def pen(
    where: Place,
    who: Who,
    clock: Callable[[], datetime],
    audit: Audit,
    *,
    fresh: bool = False,
    patience: float = PATIENCE,
) -> Iterator[Pen]:
    """Take the pen, and read what is written so far. HeldError when another keeps it too long."""
    make_private(where.folder.parent.parent, where.folder.parent, where.folder)
    with _locked(where, who, clock, patience):
        incident = None
        if not fresh:
            incident = incident_journal.folded(incident_journal.read(where), where.id)
        yield Pen(where, incident, who, clock, audit)


@contextlib.contextmanager
def _locked(
    where: Place, who: Who, clock: Callable[[], datetime], patience: float
) -> Iterator[None]:
    until = time.monotonic() + patience
    while True:
        try:
            lock = Lock.take(where.lock)
            break
        except Busy as busy:
            if time.monotonic() > until:
                holder = f"{busy.holder.user}, pid {busy.holder.pid}" if busy.holder else "another"
                raise HeldError(
                    f"the incident is being written by {holder}", "Try again in a moment."
                ) from None
            time.sleep(0.05)
    with lock:
        lock.note(myself(where.id, "incident", who.shown, clock()))
        yield
