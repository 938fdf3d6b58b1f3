"""`mentat-dr incident`: declared, written, handed over, closed and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli import incident_text
from engine.cli.invocation import Invocation, shared
from engine.cli.output import Output
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.core.incident import Incident

COPYING = 5.0  # seconds an act waits for the store to take its copy

incident_option = click.option(
    "--incident", "incident_id", default="", metavar="ID", help="Default: the open one."
)


def values(given: tuple[str, ...], source: str = "") -> dict[str, str]:
    """`NAME=VALUE` pairs. UsageError."""
    told = {"source": source} if source else {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{pair!r} is no NAME=VALUE", "Write it like --set writers=shop-web")
        told[name] = value
    return told


@click.group("incident")
def command() -> None:
    """A real or rehearsed run of a runbook: its clocks, steps, people and record."""


@command.command("declare")
@click.argument("runbook")
@click.option("--drill", is_flag=True, help="A rehearsal: everything says DRILL.")
@click.option("--source", default="", metavar="NAME", help="Short for --set source=NAME.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A value it needs.")
@click.option("--began", default="", metavar="TIME", help="When the outage began (UTC).")
@shared
@click.pass_obj
def declare(
    invocation: Invocation,
    runbook: str,
    drill: bool,
    source: str,
    given: tuple[str, ...],
    began: str,
) -> None:
    """Begin an incident by RUNBOOK. Its clock runs from now."""
    engine = invocation.engine()
    incident = engine.incidents.declare(
        runbook,
        mode="DRILL" if drill else "LIVE",
        values=values(given, source),
        began=incident_text.moment(began) if began else None,
    )
    after(invocation, engine, incident)


def after(invocation: Invocation, engine: Engine, incident: Incident) -> None:
    """Show where it stands, and bring the store's copy up to date."""
    output = invocation.output
    if output.json:
        output.document(incident_text.document(engine, incident))
    else:
        incident_text.show(engine, output, incident)
    copied(engine, output, incident.id)


def copied(engine: Engine, output: Output, incident_id: str) -> None:
    """Copy to the store; wait a little, never fail for it, always say when it is not there."""
    from threading import Thread

    answer: list[Any] = []
    work = Thread(target=lambda: answer.append(engine.incidents.copy(incident_id)), daemon=True)
    work.start()
    work.join(COPYING)
    problem = answer[0].problem if answer else "the store has not answered yet"
    if problem:
        output.note(f"not in the store yet: {problem}; it is tried again at the next act")


@command.command("status")
@click.argument("incident_id", required=False, default="", metavar="[ID]")
@shared
@click.pass_obj
def status(invocation: Invocation, incident_id: str) -> None:
    """Show an incident: clocks, steps, what is next. Anybody may watch."""
    engine = invocation.engine()
    incident = engine.steps.settle(incident_id)
    output = invocation.output
    if output.json:
        output.document(incident_text.document(engine, incident))
    else:
        incident_text.show(engine, output, incident)


@command.command("list")
@click.option("--host", default="", metavar="HOST", help="Ask the store for this host's.")
@shared
@click.pass_obj
def listed(invocation: Invocation, host: str) -> None:
    """List the incidents on this host, or those the store has of a host."""
    engine, output = invocation.engine(), invocation.output
    if host:
        found = engine.incidents.remote(host)
        if output.json:
            output.document(found)
            return
        for remote in found:
            output.line(f"{remote.id}  mentat-dr incident take {remote.id} --host {remote.host}")
        return
    incidents = engine.incidents.listed()
    if output.json:
        output.document([incident_text.summary(i) for i in incidents])
        return
    rows = [incident_text.row(i) for i in incidents]
    output.table(("STATE", "MODE", "INCIDENT", "DECLARED", "LEAD"), rows)


@command.command("step")
@click.argument("step")
@click.argument(
    "move", type=click.Choice(["begin", "done", "fail", "skip", "retry", "reverse", "undone"])
)
@click.option("--note", default="", metavar="TEXT", help="For the record; the reason of a skip.")
@click.option("--answer", default="", metavar="ANSWER", help="Of a decision.")
@click.option("--confirm", default="", metavar="NAME", help="What a restore's plan asks for.")
@click.option("--passphrase-file", default="", metavar="FILE", help="Mode 0600.")
@click.option("--passphrase-fd", type=int, default=None, metavar="N", help="Read it from there.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what it would touch, and stop.")
@incident_option
@shared
@click.pass_obj
def step(
    invocation: Invocation,
    step: str,
    move: str,
    note: str,
    answer: str,
    confirm: str,
    passphrase_file: str,
    passphrase_fd: int | None,
    plan_only: bool,
    incident_id: str,
) -> None:
    """Act on STEP, by its number or id: begin it (its check or job), acknowledge it as done, say
    that it failed, skip it with a reason, begin it again, or take it back."""
    engine = invocation.engine()
    steps = engine.steps
    steps.settle(incident_id)
    if plan_only:
        _plan(engine, invocation.output, step, incident_id)
        return
    if move in ("begin", "retry"):
        given = (passphrase_file, passphrase_fd)
        passphrase = incident_text.passphrase(engine, step, incident_id, *given)
        incident = steps.begin(step, incident_id, confirm=confirm, passphrase=passphrase)
    elif move == "done":
        incident = steps.finish(step, incident_id, note=note, answer=answer)
    elif move == "fail":
        incident = steps.fail(step, note, incident_id)
    elif move == "skip":
        incident = steps.skip(step, note, incident_id)
    elif move == "reverse":
        incident = steps.reverse(step, note, incident_id)
    else:
        incident = steps.undone(step, note, incident_id)
    after(invocation, engine, incident)


def _plan(engine: Engine, output: Output, step: str, incident_id: str) -> None:
    ready = engine.steps.prepare(step, incident_id)
    if ready is None:
        raise UsageError("this step starts no job", "mentat-dr incident status shows it.")
    if ready.plan is None:
        output.line(f"$ {ready.does}")
        return
    from engine.cli import plan_text

    plan_text.show(output, ready.plan)


@command.command("note")
@click.argument("text")
@click.option("--step", default="", metavar="STEP", help="What it is about.")
@incident_option
@shared
@click.pass_obj
def note(invocation: Invocation, text: str, step: str, incident_id: str) -> None:
    """Write a line into the timeline. Anybody may."""
    engine = invocation.engine()
    incident = engine.incidents.note(text, step, incident_id)
    copied(engine, invocation.output, incident.id)


@command.command("set")
@click.argument("pair", metavar="NAME=VALUE")
@incident_option
@shared
@click.pass_obj
def set_value(invocation: Invocation, pair: str, incident_id: str) -> None:
    """Tell the incident a value that its steps need."""
    engine = invocation.engine()
    [(name, value)] = values((pair,)).items()
    after(invocation, engine, engine.incidents.set_value(name, value, incident_id))


@command.command("evidence")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--step", default="", metavar="STEP", help="What it belongs to.")
@incident_option
@shared
@click.pass_obj
def evidence(invocation: Invocation, files: tuple[str, ...], step: str, incident_id: str) -> None:
    """Write down the SHA-256 of files, so that nobody can change them unseen."""
    from engine.cli.output import absolute

    engine, output = invocation.engine(), invocation.output
    for file in files:
        incident = engine.incidents.keep(str(absolute(file)), step, incident_id)
        kept = incident.evidence[-1]
        output.line(f"{kept.sha256}  {kept.name}")
    copied(engine, output, incident.id)


@command.command("follow-up")
@click.argument("text")
@incident_option
@shared
@click.pass_obj
def follow_up(invocation: Invocation, text: str, incident_id: str) -> None:
    """Write down what must be done later: what, who, by when."""
    engine = invocation.engine()
    incident = engine.incidents.follow_up(text, incident_id)
    copied(engine, invocation.output, incident.id)


@command.command("role")
@click.argument("role")
@click.argument("person")
@incident_option
@shared
@click.pass_obj
def role(invocation: Invocation, role: str, person: str, incident_id: str) -> None:
    """Give a ROLE (operator, scribe, communications, keyholder) to PERSON."""
    engine = invocation.engine()
    after(invocation, engine, engine.incidents.take_role(role, person, incident_id))


@command.command("approve")
@click.argument("step")
@click.option("--note", default="", metavar="TEXT")
@incident_option
@shared
@click.pass_obj
def approve(invocation: Invocation, step: str, note: str, incident_id: str) -> None:
    """Approve a step as the second person: not the one who asked, from another login."""
    engine = invocation.engine()
    after(invocation, engine, engine.incidents.approve(step, note, incident_id))


@command.command("handover")
@click.argument("to")
@click.option("--note", default="", metavar="TEXT", help="What they must know beside the summary.")
@incident_option
@shared
@click.pass_obj
def handover(invocation: Invocation, to: str, note: str, incident_id: str) -> None:
    """Offer the lead to TO, and print the summary. It stays here until they accept."""
    from datetime import UTC, datetime

    from engine.core.incident_report import handover as summary

    engine, output = invocation.engine(), invocation.output
    incident = engine.incidents.get(incident_id)
    text = summary(incident, engine.incidents.lines(incident.id), datetime.now(UTC))
    incident = engine.incidents.hand_over(to, f"{note}\n{text}".strip(), incident.id)
    for line in text.splitlines():
        output.line(line)
    output.note(f"offered to {to}; they take it with: mentat-dr incident accept")
    copied(engine, output, incident.id)


@command.command("accept")
@incident_option
@shared
@click.pass_obj
def accept(invocation: Invocation, incident_id: str) -> None:
    """Accept a hand-over: you lead from here on."""
    engine = invocation.engine()
    after(invocation, engine, engine.incidents.accept(incident_id))


@command.command("take")
@click.argument("incident_id", metavar="ID")
@click.option("--host", default="", metavar="HOST", help="From the store: whose incident it is.")
@click.option("--reason", default="", metavar="TEXT")
@shared
@click.pass_obj
def take(invocation: Invocation, incident_id: str, host: str, reason: str) -> None:
    """Take the lead without a hand-over: the lead is away, or the incident goes on on this
    machine, from the store's copy."""
    engine = invocation.engine()
    after(invocation, engine, engine.incidents.take(incident_id, host=host, reason=reason))


@command.command("close")
@click.option(
    "--outcome",
    type=click.Choice(["recovered", "partly", "false-alarm", "abandoned"]),
    default="recovered",
    show_default=True,
)
@click.option("--note", default="", metavar="TEXT", help="In one sentence: what happened.")
@incident_option
@shared
@click.pass_obj
def close(invocation: Invocation, outcome: str, note: str, incident_id: str) -> None:
    """Close the incident; its report is complete from here on."""
    engine = invocation.engine()
    engine.steps.settle(incident_id)
    incident = engine.incidents.close(outcome, note, incident_id)  # type: ignore[arg-type]
    after(invocation, engine, incident)


@command.command("report")
@click.argument("incident_id", required=False, default="", metavar="[ID]")
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "html"]), default="markdown"
)
@click.option("--out", default="", metavar="FILE", help="Write it there, mode 0600.")
@shared
@click.pass_obj
def report(invocation: Invocation, incident_id: str, form: str, out: str) -> None:
    """Print the report: times against targets, timeline, people, evidence, follow-ups."""
    from engine.cli.runbook import deliver

    engine = invocation.engine()
    if not incident_id and engine.incidents.current() is None:
        newest = engine.incidents.listed()[:1]
        if not newest:
            raise UsageError("there has been no incident on this host", "Good.")
        incident_id = newest[0].id
    deliver(invocation, engine.incidents.report(incident_id, form), out)
