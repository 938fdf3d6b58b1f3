"""A restore's plan as the operator reads it before anything is touched."""

from __future__ import annotations

from dataclasses import replace

from engine.api import PlanLine, RestorePlan, RestoreRequest
from engine.cli import text
from engine.cli.output import Output, plain_value


def show(output: Output, plan: RestorePlan) -> None:
    """Reads, changes, destroys, stops, unknown; the time it should take; the same by command."""
    output.line(plan.title, "strong")
    proven = text.utc(plan.proven_at) if plan.proven_at else "NEVER"
    output.line(f"  back to {text.utc(plan.recoverable_to)}, proven by a restore: {proven}")
    output.line()
    _group(output, "READS", plan.reads)
    _group(output, "CHANGES", plan.changes)
    _group(output, "DESTROYS", plan.destroys, style="critical")
    _group(output, "STOPS", plan.stops, style="warning")
    if plan.unknown:
        _group(output, "UNKNOWN", plan.unknown, style="warning")
    output.line()
    for step in plan.steps:
        basis = f"  ({step.basis})" if step.basis else ""
        output.line(f"  {text.span(step.seconds):>7}  {step.title}{basis}")
    whole = f"about {text.span(plan.seconds)}" if plan.seconds is not None else "unknown"
    output.line(f"  TIME {whole}")
    for warning in plan.warnings:
        output.line(f"! {warning}", "warning")
    for blocker in plan.blockers:
        output.line(f"!! cannot start: {blocker}", "critical")
    if plan.command:
        output.line("Same from the shell:")
        output.line(f"  {plan.command}")
    output.line()


def _group(output: Output, name: str, lines: tuple[PlanLine, ...], style: str = "") -> None:
    if not lines:
        output.line(f"  {name:9} nothing")
    for number, line in enumerate(lines):
        amount = f", {text.size(line.size)}" if line.size is not None else ""
        output.line(f"  {'' if number else name:9} {line.what}{amount}", style)


def document(plan: RestorePlan) -> dict[str, object]:
    """The JSON of a plan: its fields, the whole time in seconds and the snapshot's ref."""
    found: dict[str, object] = plain_value(plan)
    found["seconds"] = plan.seconds
    found["ref"] = plan.snapshot.ref
    return found


def confirmed(request: RestoreRequest, name: str) -> RestoreRequest:
    return replace(request, confirm=name)
