"""Runbooks as documents: one, or the whole book. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from engine.core.document import Block, Code, Grid, Heading, Items, Paragraph
from engine.core.durations import format_duration
from engine.core.runbook import PHASES, Runbook, Step, fill, fill_command

PHASE_WORDS = {
    "assess": "Assess",
    "contain": "Contain",
    "recover": "Recover",
    "verify": "Verify",
    "close": "Close",
}


def targets(book: Runbook) -> str:
    """`RTO 15m to 1h, RPO 24h`."""
    parts = []
    if book.rto:
        most = f" to {format_duration(book.rto_most)}" if book.rto_most else ""
        parts.append(f"RTO {format_duration(book.rto)}{most}")
    if book.rpo:
        parts.append(f"RPO {format_duration(book.rpo)}")
    return ", ".join(parts)


def blocks(book: Runbook, values: Mapping[str, str], today: date, *, level: int = 2) -> list[Block]:
    """One runbook for paper: each step with boxes, commands by hand, and the way back."""
    made: list[Block] = [Paragraph(book.summary)]
    facts = [line for line in (targets(book), book.rto_note) if line]
    due = " OVERDUE" if book.due() < today else ""
    facts.append(f"owner {book.owner}, reviewed {book.reviewed}, next by {book.due()}{due}")
    made.append(Items(facts))
    if book.signs:
        made += [Heading("How it looks", level), Items(book.signs)]
    if book.tellings:
        rows = [(t.whom, t.when, fill(t.what, values)) for t in book.tellings]
        made += [Heading("Whom to tell what", level), Grid(("whom", "when", "what"), rows)]
    if book.parameters:
        rows3 = [
            (p.name, p.title, values.get(p.name) or p.usual or "_" * 20) for p in book.parameters
        ]
        made += [Heading("What must be known", level), Grid(("name", "what", "value"), rows3)]
    for phase in PHASES:
        steps = [step for step in book.steps if step.phase == phase]
        if steps:
            made.append(Heading(PHASE_WORDS[phase], level))
        for step in steps:
            made += step_blocks(book, step, values, level + 1)
    return made


def step_blocks(
    book: Runbook, step: Step, values: Mapping[str, str], level: int = 3
) -> list[Block]:
    made: list[Block] = [Heading(f"{book.number(step.id)}. {step.title}", level)]
    made.append(Items([step_facts(book, step)], tick=True))
    made.append(Paragraph(fill(step.instructions, values)))
    if step.why:
        made.append(Paragraph(f"Why: {step.why}"))
    if step.options:
        made.append(Items([_option(o.title, o.why) for o in step.options], tick=True))
    if step.ask:
        made.append(Items([f"answer ({step.ask}): {'_' * 30}"], tick=True))
    if step.action:
        made.append(Paragraph(f"With mentat-dr: {action_words(step, values)}"))
    if step.command:
        made += [Paragraph("By hand:"), Code(fill_command(step.command, values))]
    if step.reverse:
        made.append(Paragraph(f"To take it back: {fill(step.reverse.instructions, values)}"))
        if step.reverse.command:
            made.append(Code(fill_command(step.reverse.command, values)))
    if step.evidence:
        made.append(Items([f"keep: {item}" for item in step.evidence], tick=True))
    if step.tell:
        made.append(Items([f"tell {step.tell}"], tick=True))
    return made


def _option(title: str, why: str) -> str:
    return f"{title}: {why}" if why else title


def step_facts(book: Runbook, step: Step) -> str:
    """`action by operator, about 14m, changes, after 3 and 5, second person approves`."""
    parts = [f"{step.kind} by {step.role}"]
    if step.expected:
        parts.append(f"about {format_duration(step.expected)}")
    if step.risk != "reads":
        parts.append(step.risk.upper())
    if step.needs:
        parts.append("after " + " and ".join(str(book.number(need)) for need in step.needs))
    if step.when:
        parts.append(f"only if {book.number(step.when[0])} says {' or '.join(step.when[1])}")
    if step.approval:
        parts.append("a second person approves")
    return ", ".join(parts)


def action_words(step: Step, values: Mapping[str, str]) -> str:
    """`restore source=shop-db to=in-place`."""
    if step.action is None:
        return ""
    given = (f"{k}={fill(v, values)}" for k, v in step.action.parameters.items())
    return " ".join([step.action.name, *given])


def whole_book(
    books: Iterable[Runbook],
    values: Mapping[str, str],
    today: date,
    after: Sequence[Block] = (),
) -> list[Block]:
    """All runbooks one after the other, each on its own page, with `after` (cards, contacts)."""
    listed = list(books)
    rows = [(book.title, book.kind, targets(book) or "-") for book in listed]
    made: list[Block] = [
        Paragraph(f"Printed {today}. Keep it where it can be read when everything is down."),
        Grid(("runbook", "kind", "targets"), rows),
    ]
    for book in listed:
        made.append(Heading(book.title, 2, page=True))
        made += blocks(book, values, today, level=3)
    return [*made, *after]
