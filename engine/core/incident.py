"""An incident: a pure fold over its journal, and what may be done next, with reasons.

The fold believes the journal: what is not allowed is refused before it is written (`refusal`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from engine.core import incident_events as said
from engine.core.incident_events import Line, Mode, Who
from engine.core.runbook import SETTLED, Move, Runbook, Step, StepState, after

Standing = Literal[
    "waiting",
    "ready",
    "running",
    "done",
    "failed",
    "skipped",
    "reversing",
    "reversed",
    "unneeded",
]
STANDING_WORDS: Mapping[Standing, str] = {
    "waiting": "waits",
    "ready": "ready",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "skipped": "skipped",
    "reversing": "being reversed",
    "reversed": "reversed",
    "unneeded": "not needed",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is. `began` and `ended` are of its last attempt."""

    state: StepState = "open"
    attempts: int = 0
    began: datetime | None = None
    ended: datetime | None = None
    by: str = ""
    job: str = ""
    job_host: str = ""
    does: str = ""
    note: str = ""
    answer: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    asked: Who | None = None
    approved: Who | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Everything the journal tells. `steps` by id; a step not heard of is open."""

    id: str
    mode: Mode
    host: str
    environment: str
    began: datetime
    declared: datetime
    runbook: Runbook
    values: Mapping[str, str]
    lead: Who
    steps: Mapping[str, Progress] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    offered: tuple[str, str] | None = None  # a hand-over: to whom, and the summary
    notes: int = 0
    evidence: tuple[said.EvidenceKept, ...] = ()
    follow_ups: tuple[str, ...] = ()
    closed: said.Closed | None = None
    closed_at: datetime | None = None
    last_seq: int = 0
    last_at: datetime | None = None

    def of(self, step: Step) -> Progress:
        return self.steps.get(step.id, Progress())

    def answer(self, decision: str) -> str:
        return self.steps[decision].answer if decision in self.steps else ""

    def known(self) -> dict[str, str]:
        """What fills places in texts: values told, answers given, and the incident's own."""
        answers = {f"answer.{i}": p.answer for i, p in self.steps.items() if p.answer}
        own = {
            "incident": self.id,
            "host": self.host,
            "environment": self.environment,
            "began": f"{self.began:%Y-%m-%dT%H:%M:%SZ}",
        }
        usual = {p.name: p.usual for p in self.runbook.parameters if p.usual}
        return {**usual, **own, **self.values, **answers}

    # ------------------------------------------------------------ where each step stands

    def unneeded(self, step: Step) -> bool:
        """Whether a decision left this step out."""
        if step.when is None:
            return False
        decision = self.steps.get(step.when[0])
        if decision is None or decision.state != "done":
            other = self.runbook.step(step.when[0])
            return other is not None and self.unneeded(other)
        return decision.answer not in step.when[1]

    def standing(self, step: Step) -> Standing:
        state = self.of(step).state
        if state != "open":
            return state
        if self.unneeded(step):
            return "unneeded"
        return "waiting" if self.awaited(step) else "ready"

    def settled(self, step: Step) -> bool:
        return self.of(step).state in SETTLED or (
            self.of(step).state == "open" and self.unneeded(step)
        )

    def awaited(self, step: Step) -> tuple[Step, ...]:
        """The steps that must be settled before this one."""
        names = (*step.needs, step.when[0]) if step.when else step.needs
        needed = (self.runbook.step(name) for name in dict.fromkeys(names))
        return tuple(s for s in needed if s is not None and not self.settled(s))

    @property
    def running(self) -> tuple[Step, ...]:
        return tuple(s for s in self.runbook.steps if self.of(s).state in ("running", "reversing"))

    @property
    def next_step(self) -> Step | None:
        """Where the operator's eye belongs: what runs or has failed, else the first that is
        ready."""
        for wanted in (("running", "reversing"), ("failed",), ("ready", "reversed")):
            for step in self.runbook.steps:
                if self.standing(step) in wanted:
                    return step
        return None

    @property
    def recovered_at(self) -> datetime | None:
        """When the last step before the close was settled; None while there is one to do."""
        before = [step for step in self.runbook.steps if step.phase != "close"]
        if not before or not all(self.settled(step) for step in before):
            return None
        times = [t for step in before if (t := self.of(step).ended) is not None]
        return max(times, default=self.declared)

    @property
    def ended_at(self) -> datetime | None:
        """Where the clock stops: recovered, or closed without."""
        return self.recovered_at or self.closed_at


# ------------------------------------------------------------ what may be done


def refusal(incident: Incident, step: Step, move: Move) -> str:
    """Why this step cannot make this move now, in words; empty when it can."""
    if incident.closed is not None:
        return f"the incident was closed ({incident.closed.outcome})"
    progress = incident.of(step)
    if after(progress.state, move) is None:
        return f"the step is {STANDING_WORDS[incident.standing(step)]}: it cannot {_VERBS[move]}"
    if move == "finish" and progress.state == "running" and progress.job:
        return f"its job {progress.job} decides that"
    if move in ("begin", "finish") and progress.state != "running":
        if incident.unneeded(step):
            return f"the decision {step.when[0] if step.when else ''!r} left it out"
        awaited = incident.awaited(step)
        if awaited:
            number = incident.runbook.number
            names = ", ".join(f"{number(s.id)} {s.title}" for s in awaited)
            return f"it waits for: {names}"
        if step.approval and progress.approved is None:
            return "a second person must approve it first"
    return ""


_VERBS: Mapping[Move, str] = {
    "begin": "begin",
    "finish": "be finished",
    "fail": "fail",
    "skip": "be skipped",
    "reverse": "be reversed",
    "undone": "have been reversed",
}


def approval_refusal(incident: Incident, step: Step, who: Who) -> str:
    """Why this person cannot approve this step; empty when they can."""
    progress = incident.of(step)
    if not step.approval:
        return "it needs no approval"
    if progress.approved is not None:
        return f"{progress.approved.shown} has approved it already"
    asked = progress.asked
    if asked is None:
        return "nobody has asked for approval yet"
    if asked.person == who.person:
        return f"{who.person} asked for it: another person must approve"
    if asked.session and asked.session == who.session:
        return "it was asked for from this very login: the other person must log in"
    return ""


def lead_refusal(incident: Incident, who: Who) -> str:
    """Why this person may not act; empty for the lead. Notes and approvals are everybody's."""
    lead = incident.lead
    if lead.person == who.person and lead.host == who.host:
        return ""
    where = f" on {lead.host}" if lead.host != who.host else ""
    return f"{lead.shown}{where} leads this incident; you can watch, note and approve"


# ------------------------------------------------------------ the fold


def declare(line: Line, runbook: Runbook) -> Incident:
    """The incident after its first line."""
    event = line.event
    assert isinstance(event, said.Declared)
    return Incident(
        id=event.incident,
        mode=event.mode,
        host=event.host,
        environment=event.environment,
        began=event.began,
        declared=line.at,
        runbook=runbook,
        values=dict(event.values),
        lead=line.who,
        roles={"lead": line.who.person},
        last_seq=line.seq,
        last_at=line.at,
    )


def fold(incident: Incident, lines: Iterable[Line]) -> Incident:
    """The incident after these lines."""
    for line in lines:
        incident = replace(_apply(incident, line), last_seq=line.seq, last_at=line.at)
    return incident


def _apply(incident: Incident, line: Line) -> Incident:
    event = line.event
    match event:
        case said.ValueSet(name=name, value=value):
            return replace(incident, values={**incident.values, name: value})
        case said.Noted():
            return replace(incident, notes=incident.notes + 1)
        case said.EvidenceKept():
            return replace(incident, evidence=(*incident.evidence, event))
        case said.FollowUp(text=text):
            return replace(incident, follow_ups=(*incident.follow_ups, text))
        case said.RoleTaken(role=role, person=person):
            return replace(incident, roles={**incident.roles, role: person})
        case said.HandedOver(to=to, summary=summary):
            return replace(incident, offered=(to, summary))
        case said.HandOverAccepted() | said.TookOver():
            roles = {**incident.roles, "lead": line.who.person}
            return replace(incident, lead=line.who, roles=roles, offered=None)
        case said.Closed():
            return replace(incident, closed=event, closed_at=line.at)
        case said.Declared():
            return incident
        case _:
            before = incident.steps.get(event.step, Progress())
            now = _step(before, line)
            return replace(incident, steps={**incident.steps, event.step: now})


def _step(step: Progress, line: Line) -> Progress:
    event = line.event
    match event:
        case said.StepBegan(attempt=attempt, does=does, facts=facts):
            return Progress(
                "running",
                attempt,
                line.at,
                by=line.who.person,
                does=does,
                facts=facts,
                approved=step.approved,
            )
        case said.StepJob(job=job, host=host):
            return replace(step, job=job, job_host=host)
        case said.StepFinished(note=note, answer=answer, facts=facts, ended=ended):
            return replace(
                step,
                state="done",
                attempts=max(1, step.attempts),
                began=step.began if step.state == "running" else line.at,
                ended=ended or line.at,
                by=line.who.person if not step.by or not step.job else step.by,
                note=note,
                answer=answer,
                facts={**step.facts, **facts},
            )
        case said.StepFailed(why=why, ended=ended):
            return replace(step, state="failed", note=why, ended=ended or line.at)
        case said.StepSkipped(reason=reason):
            return replace(step, state="skipped", note=reason, ended=line.at, by=line.who.person)
        case said.StepReversing(reason=reason):
            return replace(
                step, state="reversing", note=reason, began=line.at, ended=None, job="", job_host=""
            )
        case said.StepReversed(note=note):
            # What was approved was this doing of it: the next one is asked for again.
            return Progress("reversed", step.attempts, ended=line.at, note=note)
        case said.ApprovalAsked():
            return replace(step, asked=line.who)
        case said.Approved():
            return replace(step, approved=line.who)
        case _:
            return step
