"""Blocks made from values: a running job, a plan, a trouble. They return rows for `Facts`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from textual.content import Content

from console.door import Trouble
from console.formatting import age, amount, bar, clip, duration, fraction, percent, rate, size, utc
from console.ink import Ink, Part
from console.widgets.facts import Fact, Row
from engine.api import Job, Phase, PlanLine, RestorePlan

TITLE = 34  # cells of a job's title in a line with more to say


def trouble_rows(ink: Ink, trouble: Trouble) -> list[Row]:
    """What is wrong, and what to do, in place of what should be here."""
    rows: list[Row] = [
        Fact(ink.glyphs.failed, ink.say((trouble.message, "critical")), "critical", 2)
    ]
    if trouble.remedy:
        rows.append(
            Fact(ink.glyphs.arrow, ink.say(trouble.remedy), "key", 2 + len(ink.glyphs.arrow) - 1)
        )
    return rows


def moment(ink: Ink, at: datetime | None, now: datetime) -> Content:
    """A UTC time with its age beside it."""
    if at is None:
        return ink.say("never")
    return ink.say(utc(at), ("  " + age(at, now), "muted"))


def phase_progress(ink: Ink, phase: Phase, cells: int, now: datetime) -> Content:
    """`████░░ 61%  1.2 GB of 2.0 GB  118 MB/s  2m10 left`."""
    part = fraction(phase.done, phase.expected_bytes)
    if phase.seconds is not None:
        done = f"  {amount(phase.done, phase.unit)}" if phase.done else ""
        return ink.say(
            (bar(1.0, cells, ink.glyphs), "ok"),
            " 100%",
            (f"{done}  in {duration(phase.seconds)}", "muted"),
        )
    said: list[Part] = [(bar(part, cells, ink.glyphs), "progress"), f" {percent(part)}"]
    of = f" of {amount(phase.expected_bytes, phase.unit)}" if phase.expected_bytes else ""
    if phase.done or of:
        said.append(f"  {amount(phase.done, phase.unit)}{of}")
    if phase.rate:
        said.append((f"  {rate(phase.rate, phase.unit)}", "muted"))
    if phase.eta is not None:
        said.append((f"  {duration(phase.eta)} left", "strong"))
    else:
        elapsed = (now - phase.started).total_seconds()
        said.append((f"  {duration(max(0.0, elapsed))} so far", "muted"))
    return ink.say(*said)


def running_line(ink: Ink, job: Job, cells: int, now: datetime) -> Content:
    """One line for a running job: its title, then its newest phase in short."""
    name = clip(ink.safe(job.title or job.operation or job.id), TITLE, ink.glyphs.ellipsis)
    title = ink.say((name, "strong"))
    phase = job.phase
    if phase is None:
        return ink.say(title, ("  starting", "muted"))
    part = fraction(phase.done, phase.expected_bytes)
    if phase.seconds is not None:
        return ink.say(title, (f"  {phase.title} done", "muted"))
    said: list[Part] = [
        title,
        "  ",
        (bar(part, cells, ink.glyphs), "progress"),
        f" {percent(part)}",
    ]
    if phase.rate:
        said.append((f"  {rate(phase.rate, phase.unit)}", "muted"))
    if phase.eta is not None:
        said.append(f"  {duration(phase.eta)} left")
    return ink.say(*said)


def plan_rows(ink: Ink, plan: RestorePlan) -> list[Row]:
    """The five groups of a plan, always all five: an empty one says so."""
    return [
        *_group(ink, "READS", "title", plan.reads),
        *_group(ink, "CHANGES", "warning", plan.changes),
        *_group(ink, "DESTROYS", "critical", plan.destroys),
        *_group(ink, "STOPS", "warning", plan.stops),
        *_group(ink, "UNKNOWN", "unknown", plan.unknown),
    ]


def _group(ink: Ink, name: str, role: str, lines: Sequence[PlanLine]) -> list[Row]:
    if not lines:
        return [Fact(name, ink.say(("nothing", "muted")))]
    rows: list[Row] = []
    for place, line in enumerate(lines):
        measured = f"  {size(line.size)}" if line.size is not None else ""
        value = ink.say(line.what, (measured, "muted"))
        rows.append(Fact(name if place == 0 else "", value, role))
    return rows


def time_rows(ink: Ink, plan: RestorePlan) -> list[Row]:
    """How long it should take, step by step, and on what that rests."""
    total = plan.seconds
    head = f"about {duration(total)}" if total is not None else "not known in all parts"
    steps = f" {ink.glyphs.dot} ".join(
        f"{step.title} {duration(step.seconds)}" for step in plan.steps
    )
    rows: list[Row] = [
        Fact("TIME", ink.say((head, "strong"), (f"  {steps}" if steps else "", "muted")))
    ]
    bases: Iterable[str] = sorted({step.basis for step in plan.steps if step.basis})
    rows += [Fact("", ink.say((basis, "muted"))) for basis in list(bases)[:2]]
    return rows


def shell_rows(ink: Ink, command: str) -> list[Row]:
    """`Same from the shell:` and the command, whole, so that it can be copied."""
    joined = " ".join(part.strip() for part in command.replace("\\\n", "\n").splitlines())
    return [
        ink.say(("Same from the shell:", "label")),
        Fact("", ink.say((joined, "command")), cells=2),
    ]
