"""An incident as text: where it stands, and what is next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from engine.cli import text
from engine.cli.output import Output, plain_value
from engine.core.errors import UsageError
from engine.core.incident import STANDING_WORDS, Incident
from engine.core.incident_clock import Clock, duration, took
from engine.core.incident_events import Who
from engine.core.runbook import Step, fill, fill_command
from engine.core.runbook_actions import ACTIONS
from engine.core.runbook_text import PHASE_WORDS

if TYPE_CHECKING:
    from engine.api import Engine

SIGNS = {
    "done": "+",
    "running": ">",
    "reversing": "<",
    "failed": "x",
    "skipped": "-",
    "unneeded": ".",
    "ready": "o",
    "waiting": " ",
    "reversed": "<",
}
STYLES = {"failed": "critical", "done": "ok", "running": "strong", "reversing": "warning"}


def moment(given: str) -> datetime:
    """A time the operator typed, UTC unless it says otherwise. UsageError."""
    try:
        at = datetime.fromisoformat(given.replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(f"{given!r} is no time", "Write it like 2026-11-22T01:52:07Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def clock_line(clock: Clock, now: datetime) -> tuple[str, str]:
    """`RTO 1h, elapsed 17m42s, finish by 00:31 UTC, in time`, and its style."""
    parts = []
    if clock.rto is not None:
        parts.append(f"RTO {text.target(clock.rto)}")
    parts.append(f"elapsed {text.span(clock.elapsed.total_seconds())}")
    if clock.projected is not None:
        parts.append(f"finish by {clock.projected:%H:%M} UTC")
        if clock.unknown:
            parts.append(f"without {len(clock.unknown)} steps of unknown length")
    style = ""
    if clock.deadline is not None:
        late = clock.missed
        past = clock.deadline < now and clock.projected is not None
        words = "in time"
        if late:
            words = (
                f"MISSED at {clock.deadline:%H:%M} UTC"
                if past or clock.projected is None
                else (f"will be MISSED at {clock.deadline:%H:%M} UTC")
            )
        parts.append(words)
        style = "critical" if late else "ok"
    return ", ".join(parts), style


def show(engine: Engine, output: Output, incident: Incident) -> None:
    """The whole incident, and the next step in full."""
    now = datetime.now(UTC)
    title = incident.runbook.title
    output.line(f"{incident.mode} INCIDENT {incident.id}: {title}", "strong")
    output.line(f"{incident.host}, {incident.environment}; lead {incident.lead.shown}")
    line, style = clock_line(engine.incidents.clock(incident), now)
    output.line(line, style)
    if incident.offered:
        output.line(f"hand-over offered to {incident.offered[0]}", "warning")
    measured = engine.incidents.measured(incident)
    phase = ""
    for number, step in enumerate(incident.runbook.steps, 1):
        if step.phase != phase:
            phase = step.phase
            output.line(f"  {PHASE_WORDS[phase].upper()}")
        _step_line(output, incident, step, number, now, duration(step, measured))
    following = incident.next_step
    if incident.closed is not None:
        output.line(f"closed: {incident.closed.outcome}. {incident.closed.summary}", "strong")
    elif following is not None:
        output.line()
        step_details(engine, output, incident, following)


def _step_line(
    output: Output, incident: Incident, step: Step, number: int, now: datetime, expected: Any
) -> None:
    standing = incident.standing(step)
    progress = incident.of(step)
    so_far = took(incident, step, now)
    spent = text.span(so_far.total_seconds()) if so_far is not None else ""
    should = f"of {text.span(expected.total_seconds())}" if expected else ""
    words = STANDING_WORDS[standing]
    said = progress.answer or progress.note
    line = f"{SIGNS[standing]} {number:>2} {step.title:34.34} {words:15} {spent:>7} {should:8}"
    output.line(f"{line} {said[:60]}".rstrip(), STYLES.get(standing, ""))


def step_details(engine: Engine, output: Output, incident: Incident, step: Step) -> None:
    """What to do in this step, and how."""
    values = engine.incidents.values(incident)
    number = incident.runbook.number(step.id)
    standing = incident.standing(step)
    output.line(f"STEP {number} ({step.id}): {step.title}, {STANDING_WORDS[standing]}", "strong")
    for line in fill(step.instructions, values).splitlines():
        output.line(f"  {line}")
    if step.why:
        output.line(f"  why: {step.why}")
    for place, option in enumerate(step.options, 1):
        output.line(
            f"  {place} {option.key}: {option.title}{f' ({option.why})' if option.why else ''}"
        )
    progress = incident.of(step)
    if progress.job:
        output.line(f"  job {progress.job}: mentat-dr job attach {progress.job}")
    if standing == "failed":
        output.line(f"  failed: {progress.note}", "critical")
    if step.command:
        output.line("  by hand:")
        for line in fill_command(step.command, values).splitlines():
            output.line(f"    {line}")
    if step.approval and progress.approved is None:
        output.line("  a second person must approve it: mentat-dr incident approve " + step.id)
    output.line(f"  {doing(step)}")


def doing(step: Step) -> str:
    """The command that acts on a step."""
    if step.kind == "decision":
        keys = "|".join(option.key for option in step.options) or step.ask.upper()
        return f"mentat-dr incident step {step.id} done --answer {keys}"
    move = "begin" if step.action else "done"
    return f"mentat-dr incident step {step.id} {move}"


def passphrase(
    engine: Engine, step: str, incident_id: str, file: str, fd: int | None
) -> str | None:
    """Of the private key, for steps that decrypt; None where none is needed."""
    incident = engine.incidents.get(incident_id)
    deed = engine.incidents.step(incident, step).action
    if deed is None or deed.name not in ACTIONS or not ACTIONS[deed.name].secret:
        return None
    from engine.cli import passphrases

    return passphrases.obtain(engine, passphrases.Given(file, fd))


def document(engine: Engine, incident: Incident) -> dict[str, Any]:
    """The JSON of an incident: its fields, clocks and each step's standing."""
    now = datetime.now(UTC)
    steps = []
    for number, step in enumerate(incident.runbook.steps, 1):
        spent = took(incident, step, now)
        steps.append(
            {
                "number": number,
                "id": step.id,
                "title": step.title,
                "phase": step.phase,
                "kind": step.kind,
                "standing": incident.standing(step),
                "seconds": spent.total_seconds() if isinstance(spent, timedelta) else None,
                **plain_value(incident.of(step)),
            }
        )
    following = incident.next_step
    return {
        **summary(incident),
        "clock": engine.incidents.clock(incident),
        "values": incident.known(),
        "roles": incident.roles,
        "steps": steps,
        "next": following.id if following else None,
        "evidence": incident.evidence,
        "follow_ups": incident.follow_ups,
        "copied": plain_value({"seq": engine.incidents.copied(incident.id).seq}),
    }


def summary(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "runbook": incident.runbook.id,
        "mode": incident.mode,
        "host": incident.host,
        "declared": incident.declared,
        "lead": _who(incident.lead),
        "open": incident.closed is None,
        "outcome": incident.closed.outcome if incident.closed else None,
    }


def _who(who: Who) -> str:
    return who.shown


def row(incident: Incident) -> tuple[str, str, str, str, str]:
    state = incident.closed.outcome if incident.closed else "OPEN"
    declared = text.utc(incident.declared)
    return (state, incident.mode, incident.id, declared, incident.lead.person)
