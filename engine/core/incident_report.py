"""The report of an incident: times against targets, the timeline, who did what, evidence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from engine.core import incident_events as said
from engine.core.document import Block, Grid, Heading, Items, Paragraph
from engine.core.durations import format_duration
from engine.core.incident import STANDING_WORDS, Incident
from engine.core.incident_clock import clock, duration, took
from engine.core.incident_events import Line


def title(incident: Incident) -> str:
    return f"{incident.mode} incident: {incident.runbook.title} on {incident.host}"


def blocks(
    incident: Incident,
    lines: Sequence[Line],
    now: datetime,
    measured: Mapping[str, timedelta] | None = None,
) -> list[Block]:
    measured = measured or {}
    made: list[Block] = [Paragraph(_verdict(incident, now), strong=True)]
    made.append(Grid(("what", "value"), _facts(incident, now)))
    made += [
        Heading("Times against targets"),
        Grid(("", "target", "actual"), _targets(incident, now)),
    ]
    made += [Heading("Steps"), Grid(_STEP_HEAD, _steps(incident, now, measured))]
    made += [Heading("Timeline"), Grid(("UTC", "who", "what"), timeline(incident, lines))]
    if incident.evidence:
        rows = [(e.name, str(e.size), e.sha256, e.where) for e in incident.evidence]
        made += [Heading("Evidence"), Grid(("what", "bytes", "SHA-256", "where"), rows)]
    made.append(Heading("Follow-ups"))
    made.append(
        Items(incident.follow_ups, tick=True)
        if incident.follow_ups
        else Paragraph("None was written down.")
    )
    return made


def _verdict(incident: Incident, now: datetime) -> str:
    times = clock(incident, now)
    if incident.closed is None:
        return "Open: this report is of an incident that goes on."
    words = {
        "recovered": "Recovered",
        "partly": "Partly recovered",
        "false-alarm": "A false alarm",
        "abandoned": "Abandoned",
    }
    met = ""
    if times.rto is not None and incident.recovered_at is not None:
        met = ", RTO missed" if times.missed else ", RTO met"
    return f"{words[incident.closed.outcome]}{met}. {incident.closed.summary}".strip()


def _facts(incident: Incident, now: datetime) -> list[tuple[str, str]]:
    roles = ", ".join(f"{role} {person}" for role, person in incident.roles.items())
    values = ", ".join(f"{name}={value}" for name, value in incident.values.items() if value)
    rows = [
        ("incident", incident.id),
        ("host", f"{incident.host} ({incident.environment})"),
        ("began", _utc(incident.began)),
        ("declared", _utc(incident.declared)),
        ("recovered", _utc(incident.recovered_at)),
        ("closed", _utc(incident.closed_at)),
        ("roles", roles),
        ("about", values or "-"),
    ]
    return rows


def _targets(incident: Incident, now: datetime) -> list[tuple[str, str, str]]:
    times = clock(incident, now)
    rto = format_duration(times.rto) if times.rto else "none"
    actual = _span(times.elapsed) if incident.ended_at else f"{_span(times.elapsed)} so far"
    verdict = "" if times.rto is None else (" (missed)" if times.missed else " (met)")
    rpo = format_duration(times.rpo) if times.rpo else "none"
    lost = _span(times.lost) if times.lost is not None else "not measured"
    if times.lost is not None and times.rpo is not None:
        lost += " (missed)" if times.lost > times.rpo else " (met)"
    return [("RTO", rto, actual + verdict), ("RPO", rpo, lost)]


_STEP_HEAD = ("no", "step", "phase", "state", "took", "expected", "by", "note")


def _steps(
    incident: Incident, now: datetime, measured: Mapping[str, timedelta]
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for number, step in enumerate(incident.runbook.steps, 1):
        progress = incident.of(step)
        expected = duration(step, measured)
        note = progress.answer or progress.note
        attempts = f" ({progress.attempts} attempts)" if progress.attempts > 1 else ""
        rows.append(
            (
                str(number),
                step.title,
                step.phase,
                STANDING_WORDS[incident.standing(step)] + attempts,
                _span(took(incident, step, now)),
                _span(expected),
                progress.by or "-",
                note or "-",
            )
        )
    return rows


def timeline(incident: Incident, lines: Sequence[Line]) -> list[tuple[str, str, str]]:
    """Time, person, sentence of every line."""
    return [(_utc(line.at), line.who.shown, sentence(incident, line)) for line in lines]


def sentence(incident: Incident, line: Line) -> str:
    """One line of the journal in words."""
    event = line.event

    def name(step_id: str) -> str:
        step = incident.runbook.step(step_id)
        return f"{incident.runbook.number(step_id)} {step.title}" if step else step_id

    match event:
        case said.StepBegan(step=step, attempt=attempt):
            return f"began {name(step)}" + (f", attempt {attempt}" if attempt > 1 else "")
        case said.StepJob(step=step, job=job, host=host):
            return f"{name(step)} runs as job {job} on {host}"
        case said.StepFinished(step=step, note=note, answer=answer):
            return f"finished {name(step)}" + (f": {answer or note}" if answer or note else "")
        case said.StepFailed(step=step, why=why):
            return f"FAILED {name(step)}: {why}"
        case said.StepSkipped(step=step, reason=reason):
            return f"skipped {name(step)}: {reason}"
        case said.StepReversing(step=step, reason=reason):
            return f"reverses {name(step)}: {reason}"
        case said.StepReversed(step=step, note=note):
            return f"reversed {name(step)}" + (f": {note}" if note else "")
        case said.ApprovalAsked() | said.Approved():
            asks = isinstance(event, said.ApprovalAsked)
            return f"{'asks for approval of' if asks else 'approves'} {name(event.step)}"
        case _:
            return _other(event)


def _other(event: said.IncidentEvent) -> str:
    match event:
        case said.Declared(mode=mode, runbook=book):
            return f"declared {mode}: {book.get('title', '')}"
        case said.ValueSet(name=what, value=value):
            return f"{what} is {value}"
        case said.Noted(text=text):
            return f"note: {text}"
        case said.EvidenceKept(name=name, sha256=digest):
            return f"kept evidence: {name} (SHA-256 {digest[:16]}...)"
        case said.FollowUp(text=text):
            return f"follow-up: {text}"
        case said.RoleTaken(role=role, person=person):
            return f"{person} is {role}"
        case said.HandedOver(to=to):
            return f"hands over to {to}"
        case said.HandOverAccepted():
            return "accepts the hand-over and leads"
        case said.TookOver(reason=reason):
            return f"takes the lead: {reason}"
        case said.Closed(outcome=outcome, summary=summary):
            return f"closed, {outcome}: {summary}"
        case _:
            return type(event).__name__


def handover(incident: Incident, lines: Sequence[Line], now: datetime) -> str:
    """Everything the next one must know, on one page of plain text."""
    times = clock(incident, now)
    left = f", {_span(times.left)} left" if times.left and times.left > timedelta() else ""
    made = [
        f"{title(incident)} ({incident.id})",
        f"declared {_utc(incident.declared)}, elapsed {_span(times.elapsed)}{left}"
        + (", THE TARGET IS MISSED" if times.missed else ""),
    ]
    for words in ("running", "reversing", "failed", "ready", "skipped"):
        steps = [s for s in incident.runbook.steps if incident.standing(s) == words]
        if steps:
            listed = ", ".join(f"{incident.runbook.number(s.id)} {s.title}" for s in steps)
            made.append(f"{STANDING_WORDS[words]}: {listed}")
    done = sum(1 for s in incident.runbook.steps if incident.of(s).state == "done")
    made.append(f"done: {done} of {len(incident.runbook.steps)} steps")
    values = [f"{name}={value}" for name, value in incident.known().items() if value]
    made.append("known: " + ", ".join(values))
    made.append("last lines:")
    made += [f"  {line.at:%H:%M:%S} {sentence(incident, line)}" for line in lines[-8:]]
    return "\n".join(made)


def _utc(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def _span(span: timedelta | None) -> str:
    """`1h 05m 12s`, the largest two units and seconds below an hour."""
    if span is None:
        return "-"
    seconds = int(abs(span.total_seconds()))
    sign = "-" if span < timedelta() else ""
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{sign}{hours}h {minutes:02}m"
    return f"{sign}{minutes}m {seconds % 60:02}s" if minutes else f"{sign}{seconds}s"
