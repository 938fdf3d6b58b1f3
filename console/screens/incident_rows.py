"""An incident as rows: its clocks, a step in full, a line of its journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from textual.content import Content

from console.formatting import age, bar, duration, target
from console.ink import Ink, Part
from console.widgets.facts import Fact, Row
from console.widgets.panels import phase_progress
from engine.api import Job, RestorePlan, Situation
from engine.api import incident_words as words

ROLE: dict[words.Standing, str] = {
    "done": "ok",
    "running": "progress",
    "reversing": "warning",
    "failed": "critical",
    "skipped": "muted",
    "unneeded": "muted",
    "ready": "strong",
    "waiting": "muted",
    "reversed": "warning",
}


def sign(ink: Ink, standing: words.Standing) -> str:
    glyphs = ink.glyphs
    return {
        "done": glyphs.done,
        "running": glyphs.running,
        "reversing": glyphs.running,
        "failed": glyphs.failed,
        "skipped": glyphs.cancelled,
        "unneeded": glyphs.waiting,
        "ready": glyphs.caret,
        "waiting": " ",
        "reversed": glyphs.cancelled,
    }[standing]


def elapsed(situation: Situation, now: datetime) -> timedelta:
    """Ticks without asking the engine: it stops where the incident's clock has stopped."""
    incident = situation.incident
    return max((incident.ended_at or now) - incident.declared, timedelta())


def clock_line(ink: Ink, situation: Situation, now: datetime, cells: int) -> Content:
    """`RTO 1h  elapsed 17m42  ####....  finish by 00:31, in time`."""
    clock, spent = situation.clock, elapsed(situation, now)
    parts: list[Part] = []
    if clock.rto is not None:
        parts += [("RTO ", "label"), (target(clock.rto), "strong"), "  "]
    parts += [("elapsed ", "label"), (duration(spent.total_seconds()), "strong")]
    if clock.rto is None or clock.deadline is None:
        return ink.say(*parts)
    part = min(1.0, spent / clock.rto)
    parts += ["  ", (bar(part, cells, ink.glyphs), "critical" if clock.missed else "progress")]
    recovered = situation.incident.recovered_at
    if recovered is not None:
        said = "target missed" if clock.missed else "target met"
        parts.append((f"  recovered, {said}", "critical" if clock.missed else "ok"))
    elif clock.projected is not None:
        parts.append(f"  finish by {clock.projected:%H:%M}, ")
        past = now > clock.deadline
        late = f"{'MISSED' if past else 'will be MISSED'} at {clock.deadline:%H:%M} UTC"
        parts.append((late, "critical") if clock.missed or past else ("in time", "ok"))
    return ink.say(*parts)


def people_line(ink: Ink, situation: Situation) -> Content:
    incident, clock = situation.incident, situation.clock
    parts: list[Part] = [("lead ", "label"), incident.lead.shown]
    if not situation.leads:
        parts.append(("  you WATCH: l takes the lead", "warning"))
    if incident.offered:
        parts.append((f"  offered to {incident.offered[0]}: y accepts", "warning"))
    if clock.rpo is not None:
        parts.append((f"   RPO promised {target(clock.rpo)}", "label"))
        if clock.lost is not None:
            role = "critical" if clock.lost > clock.rpo else "ok"
            parts.append((f", reached {duration(clock.lost.total_seconds())}", role))
    if situation.not_copied:
        parts.append((f"  NOT IN THE STORE: {situation.not_copied}", "warning"))
    return ink.say(*parts)


def step_rows(ink: Ink, situation: Situation, step: words.Step, now: datetime) -> list[Row]:
    """What to do in this step, how by hand, and how it went."""
    incident, values = situation.incident, situation.values
    standing, progress = incident.standing(step), incident.of(step)
    number = incident.runbook.number(step.id)
    facts = words.step_facts(incident.runbook, step)
    rows: list[Row] = [
        ink.say(
            (f"{number} {step.title}", "title"),
            (f"  {words.STANDING_WORDS[standing]}", ROLE[standing]),
            (f"  {facts}", "muted"),
        )
    ]
    if progress.note or progress.answer:
        said = progress.answer or progress.note
        rows.append(Fact(sign(ink, standing), ink.say((said, ROLE[standing])), ROLE[standing], 2))
    if progress.job:
        rows += job_rows(ink, situation.job, progress, now)
    rows.append(ink.say(words.fill(step.instructions, values).replace("\n", " ")))
    if step.why:
        rows.append(ink.say((step.why, "muted")))
    rows += [
        Fact(option.key, ink.say(option.title, (f"  {option.why}", "muted")), "key", 14)
        for option in step.options
    ]
    if step.approval and progress.approved is None:
        who = f"asked by {progress.asked.person}" if progress.asked else "a second person approves"
        command = f"mentat-dr incident approve {step.id}"
        rows.append(ink.say((f"{who}: ", "warning"), (command, "command")))
    elif progress.approved is not None:
        rows.append(ink.say((f"approved by {progress.approved.shown}", "ok")))
    if progress.does:
        rows.append(Fact("$", ink.say((progress.does, "command")), cells=2))
    if step.command:
        rows.append(ink.say(("By hand:", "label")))
        for line in words.fill_command(step.command, values).splitlines():
            rows.append(Fact("", ink.say((line, "command")), cells=2))
    if step.tell:
        rows.append(Fact("TELL", ink.say(step.tell)))
    return rows


def job_rows(ink: Ink, job: Job | None, progress: words.Progress, now: datetime) -> list[Row]:
    """The job that does it: its newest phase, and the age of its last output."""
    if job is None or job.id != progress.job:
        return [ink.say((f"job {progress.job} on {progress.job_host}", "muted"))]
    rows: list[Row] = []
    if job.phase is not None and job.phase.seconds is None:
        rows.append(ink.say((job.phase.title or job.phase.name, "strong")))
        rows.append(phase_progress(ink, job.phase, 20, now))
    if not job.final:
        said = f": {job.last_output}" if job.last_output else ""
        rows.append(ink.say((f"last output {age(job.last_at, now)}{said}", "muted")))
    return rows


def touched_rows(ink: Ink, plan: RestorePlan) -> list[Row]:
    """What a restore touches, the worst first: a small screen must show that."""
    rows: list[Row] = []
    for name, role, lines in (
        ("DESTROYS", "critical", plan.destroys),
        ("STOPS", "warning", plan.stops),
        ("CHANGES", "warning", plan.changes),
        ("UNKNOWN", "unknown", plan.unknown),
        ("READS", "title", plan.reads),
    ):
        for place, line in enumerate(lines):
            rows.append(Fact(name if place == 0 else "", ink.say(line.what), role))
        if not lines and name in ("DESTROYS", "STOPS"):
            rows.append(Fact(name, ink.say(("nothing", "muted"))))
    return rows


def banner(ink: Ink, situation: Situation, now: datetime) -> Sequence[Part]:
    """For every screen: which incident is open, its time, and how to get to it."""
    incident, clock = situation.incident, situation.clock
    spent = duration((elapsed(situation, now)).total_seconds() // 60 * 60)
    of = f" of {target(clock.rto)}" if clock.rto else ""
    late = clock.missed or (clock.deadline is not None and now > clock.deadline)
    return (
        (f" {incident.mode} INCIDENT ", "alarm" if incident.mode == "LIVE" else "loud"),
        f" {incident.runbook.title}",
        (f"  {spent}{of}", "critical" if late else ""),
        ("  R", "key"),
        (" opens it", "muted"),
    )
