"""Incidents: declared, written one at a time, read by anybody, taken up on another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from engine.api.door import Door
from engine.core import incident_events as said
from engine.core.errors import HeldError, MentatError, UsageError
from engine.core.incident import Incident, approval_refusal, lead_refusal
from engine.core.incident_clock import Clock, clock, history
from engine.core.incident_events import IncidentEvent, Line, Mode, Outcome, Who
from engine.core.job import Job
from engine.core.runbook import Step

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.jobs.incident_desk import Pen
    from engine.operations.incident_copy import Copied, Remote
    from engine.operations.incident_journal import Place


@dataclass(frozen=True, slots=True)
class Situation:
    """An incident as a screen shows it. not_copied: why the store has not all of it."""

    incident: Incident
    clock: Clock
    measured: Mapping[str, timedelta]
    values: Mapping[str, str]
    lines: tuple[Line, ...]
    leads: bool
    not_copied: str = ""
    job: Job | None = None


class Incidents:
    """`engine.incidents`. An empty id means the newest open incident of this host."""

    def __init__(self, door: Door, engine: Engine) -> None:
        self._door = door
        self._engine = engine

    # ------------------------------------------------------------ reading

    @property
    def who(self) -> Who:
        return self._engine.audit.who

    def listed(self) -> list[Incident]:
        """All on this host, newest first; a journal that cannot be read is left out here and told
        by `get`."""
        from engine.operations import incident_journal

        found = []
        for name in incident_journal.ids(self._door.settings.state):
            try:
                found.append(self.get(name))
            except MentatError:
                continue
        return found

    def current(self) -> Incident | None:
        """The newest that is open."""
        return next((i for i in self.listed() if i.closed is None), None)

    def get(self, incident_id: str = "") -> Incident:
        """UsageError when there is none; a unique start of an id will do."""
        from engine.operations import incident_journal

        where = self.place(incident_id)
        return incident_journal.folded(incident_journal.read(where), where.id)

    def place(self, incident_id: str = "") -> Place:
        from engine.operations import incident_journal

        state = self._door.settings.state
        if incident_id:
            fits = [n for n in incident_journal.ids(state) if n.startswith(incident_id)]
            name = fits[0] if len(fits) == 1 else incident_id
            return incident_journal.place(state, name)
        current = self.current()
        if current is None:
            raise UsageError("no incident is open on this host", "mentat-dr incident declare")
        return incident_journal.place(state, current.id)

    def lines(self, incident_id: str = "") -> list[Line]:
        from engine.operations import incident_journal

        return incident_journal.read(self.place(incident_id))

    def measured(self, incident: Incident) -> dict[str, timedelta]:
        """What each step took in earlier incidents of the same runbook, drills included."""
        past = [i for i in self.listed() if i.runbook.id == incident.runbook.id]
        return history([i for i in reversed(past) if i.id != incident.id])

    def clock(self, incident: Incident) -> Clock:
        return clock(incident, self._now(), self.measured(incident))

    def values(self, incident: Incident) -> dict[str, str]:
        """Everything that fills places in its texts."""
        known = incident.known()
        cards = self._engine.cards
        return {**cards.values(), **cards.of_source(known.get("source", "")), **known}

    def situation(self, incident_id: str = "") -> Situation | None:
        """Everything a screen shows of an incident, with ended jobs noticed; None when none is
        open. Who only watches changes nothing."""
        if not incident_id:
            current = self.current()
            if current is None:
                return None
            incident_id = current.id
        incident = self.get(incident_id)
        if not lead_refusal(incident, self.who):
            incident = self._engine.steps.settle(incident.id)
        job = None
        for step in incident.running:
            progress = incident.of(step)
            if progress.job and progress.job_host == self.who.host:
                job = self._engine.job(progress.job)
        return Situation(
            incident=incident,
            clock=self.clock(incident),
            measured=self.measured(incident),
            values=self.values(incident),
            lines=tuple(self.lines(incident.id)),
            leads=not lead_refusal(incident, self.who),
            not_copied=self.copied(incident.id).problem,
            job=job,
        )

    def _now(self) -> datetime:
        from engine import wiring

        return wiring.utc_now()

    # ------------------------------------------------------------ writing

    def pen(self, incident_id: str = "", *, fresh: bool = False) -> AbstractContextManager[Pen]:
        from engine.jobs import incident_desk
        from engine.operations import incident_journal

        state = self._door.settings.state
        where = incident_journal.place(state, incident_id) if fresh else self.place(incident_id)
        return incident_desk.pen(where, self.who, self._now, self._engine.audit.record, fresh=fresh)

    def write(
        self, incident_id: str, make: Callable[[Incident], Sequence[IncidentEvent]], *, lead: bool
    ) -> Incident:
        """Write what `make` makes of the incident as it is; lead: only its lead may."""
        with self.pen(incident_id) as held:
            if lead:
                self.need_lead(held.incident)
            self._need_open(held.incident)
            return held.write(*make(held.incident))

    def need_lead(self, incident: Incident) -> None:
        """HeldError for anybody but the lead."""
        refused = lead_refusal(incident, self.who)
        if refused:
            raise HeldError(
                refused,
                f"Ask for a hand-over, or take the lead: mentat-dr incident take {incident.id} "
                "--reason WHY",
            )

    @staticmethod
    def _need_open(incident: Incident) -> None:
        if incident.closed is not None:
            raise UsageError(f"{incident.id} is closed", "mentat-dr incident report shows it.")

    def declare(
        self,
        runbook: str,
        *,
        mode: Mode = "LIVE",
        values: Mapping[str, str] | None = None,
        began: datetime | None = None,
    ) -> Incident:
        """Begin an incident. UsageError for unknown runbooks and values, missing required ones."""
        from engine.operations import incident_journal

        settings = self._door.settings
        book = self._engine.runbooks.book(runbook)
        given = dict(values or {})
        known = {parameter.name for parameter in book.parameters}
        for name in given:
            if name not in known:
                raise UsageError(f"{book.id} knows no {name!r}", f"It knows: {', '.join(known)}")
        missing = [p for p in book.parameters if p.required and not given.get(p.name)]
        if missing:
            told = " ".join(f"--set {p.name}=..." for p in missing)
            names = ", ".join(f"{p.name} ({p.title})" for p in missing)
            raise UsageError(f"it must be told: {names}", f"Add {told}")
        now = self._now()
        name = incident_journal.new_id(book.id, now)
        documents = self._engine.runbooks.shelf().documents or {}
        event = said.Declared(
            name, mode, settings.host, settings.environment, began or now, documents[book.id], given
        )
        with self.pen(name, fresh=True) as held:
            return held.write(event)

    def note(self, text: str, step: str = "", incident_id: str = "") -> Incident:
        return self.write(
            incident_id, lambda i: [said.Noted(text, self.named(i, step))], lead=False
        )

    def named(self, incident: Incident, step: str) -> str:
        return self.step(incident, step).id if step else ""

    @staticmethod
    def step(incident: Incident, wanted: str) -> Step:
        """By id or number. UsageError."""
        steps = incident.runbook.steps
        if wanted.isdigit() and 1 <= int(wanted) <= len(steps):
            return steps[int(wanted) - 1]
        found = incident.runbook.step(wanted)
        if found is None:
            raise UsageError(
                f"{incident.runbook.id} has no step {wanted!r}",
                f"Give a number up to {len(steps)} or one of: {', '.join(s.id for s in steps)}",
            )
        return found

    def set_value(self, name: str, value: str, incident_id: str = "") -> Incident:
        def make(incident: Incident) -> list[IncidentEvent]:
            known = [parameter.name for parameter in incident.runbook.parameters]
            if name not in known:
                raise UsageError(f"it knows no {name!r}", f"It knows: {', '.join(known)}")
            return [said.ValueSet(name, value)]

        return self.write(incident_id, make, lead=True)

    def follow_up(self, text: str, incident_id: str = "") -> Incident:
        return self.write(incident_id, lambda _: [said.FollowUp(text)], lead=False)

    def keep(self, path: str, step: str = "", incident_id: str = "") -> Incident:
        """Write down a file's SHA-256 and size as evidence. TreeError when it cannot be read."""
        from engine.operations.incident_files import measured

        name, digest, size = measured(path)

        def make(incident: Incident) -> list[IncidentEvent]:
            return [said.EvidenceKept(name, digest, size, path, self.named(incident, step))]

        return self.write(incident_id, make, lead=False)

    def take_role(self, role: str, person: str, incident_id: str = "") -> Incident:
        return self.write(incident_id, lambda _: [said.RoleTaken(role, person)], lead=True)

    def hand_over(self, to: str, summary: str = "", incident_id: str = "") -> Incident:
        """Offer the lead to somebody; it stays here until they accept."""
        return self.write(incident_id, lambda _: [said.HandedOver(to, summary)], lead=True)

    def accept(self, incident_id: str = "") -> Incident:
        """Accept what was offered to this person. UsageError when nothing was."""

        def make(incident: Incident) -> list[IncidentEvent]:
            if incident.offered is None:
                raise UsageError(
                    "no hand-over is offered", "The lead offers it: mentat-dr incident handover TO"
                )
            if incident.offered[0] != self.who.person:
                raise UsageError(
                    f"it is offered to {incident.offered[0]}, you are {self.who.person}",
                    "Where several share an account: set MENTAT_DR_PERSON to your name.",
                )
            return [said.HandOverAccepted()]

        return self.write(incident_id, make, lead=False)

    def take(self, incident_id: str, *, host: str = "", reason: str = "") -> Incident:
        """Take the lead: here, or from the store's copy of `host`'s incident. The former lead's
        next act is refused; StoreError when the store must be asked and does not answer."""
        from engine.operations import incident_copy, incident_journal

        state = self._door.settings.state
        here = incident_id in incident_journal.ids(state)
        if host or not here:
            host = host or self._door.settings.host
            content = incident_copy.fetch(self._door.repo().store, host, incident_id)
            where = incident_journal.place(state, incident_id)
            with self.pen(incident_id, fresh=True):
                incident_copy.adopt(where, content, self._now())
        said_why = reason or "taken up on another machine"
        return self.write(incident_id, lambda _: [said.TookOver(said_why)], lead=False)

    def ask_approval(self, step: str, incident_id: str = "") -> Incident:
        def make(incident: Incident) -> list[IncidentEvent]:
            return [said.ApprovalAsked(self.step(incident, step).id)]

        return self.write(incident_id, make, lead=True)

    def approve(self, step: str, note: str = "", incident_id: str = "") -> Incident:
        """UsageError unless this is another person than the one who asked."""

        def make(incident: Incident) -> list[IncidentEvent]:
            wanted = self.step(incident, step)
            refused = approval_refusal(incident, wanted, self.who)
            if refused:
                raise UsageError(
                    refused, "Where several share an account: set MENTAT_DR_PERSON to your name."
                )
            return [said.Approved(wanted.id, note)]

        return self.write(incident_id, make, lead=False)

    def close(self, outcome: Outcome, summary: str, incident_id: str = "") -> Incident:
        """UsageError while a job of it runs."""

        def make(incident: Incident) -> list[IncidentEvent]:
            if incident.running:
                raise UsageError(
                    f"{incident.running[0].title} still runs", "Wait for it, or let it fail."
                )
            return [said.Closed(outcome, summary)]

        return self.write(incident_id, make, lead=True)

    # ------------------------------------------------------------ the store, jobs, reports

    def copy(self, incident_id: str = "") -> Copied:
        """Bring the store's copies up to date, of the incident and of the audit trail. Never
        raises for the store: it is in the answer, and tried again by the next call."""
        from engine.operations import incident_copy

        where = self.place(incident_id)
        incident = self.get(where.id)
        copied = incident_copy.copy(self._door.repo().store, where, incident.host, self._now())
        if not copied.problem:
            self._engine.audit.copy()
        return copied

    def copied(self, incident_id: str = "") -> Copied:
        """How far the store has it, from the disk."""
        from engine.operations import incident_copy

        return incident_copy.state_of(self.place(incident_id))

    def remote(self, host: str = "") -> list[Remote]:
        """What the store has of a host's incidents, newest first. StoreError."""
        from engine.operations import incident_copy

        return incident_copy.remote(self._door.repo().store, host or self._door.settings.host)

    def report(self, incident_id: str = "", form: str = "markdown") -> str:
        from engine.api.runbooks import FORMS, written
        from engine.core import incident_report

        if form not in FORMS:
            raise UsageError(f"there is no form {form!r}", f"Give one of {', '.join(FORMS)}")
        incident = self.get(incident_id)
        lines = self.lines(incident.id)
        blocks = incident_report.blocks(incident, lines, self._now(), self.measured(incident))
        return written(incident_report.title(incident), blocks, form)

    def launcher(
        self, operation: str, request: Mapping[str, Any], names: Sequence[str]
    ) -> Callable[[], str]:
        """Starts one of the jobs that only incidents know."""
        words = operation.replace("-", " ")
        title = f"{words} {', '.join(names)}".replace("containers", "")
        return lambda: self._door.launch(operation, request, " ".join(title.split()), [])
