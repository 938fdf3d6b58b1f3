"""`mentat-dr restore --host H` without a snapshot: the whole host, from one of its sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli import passphrases, text
from engine.cli.invocation import Invocation, finish
from engine.cli.output import Output, ask, interactive, plain_value
from engine.cli.watch import start_or_watch
from engine.core.errors import MentatError, UsageError
from engine.core.host_rebuild import RebuildRequest

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.operations.host_plan import RebuildPlan

F = TypeVar("F", bound=Callable[..., Any])
_KEY = "engine.cli.restore_host"


def _note(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta.setdefault(_KEY, {})[parameter.name] = value


_OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--afresh", "forget how far an interrupted rebuild came.", {"is_flag": True}),
    (
        "--address",
        "ports published on OLD go to NEW here.",
        {"multiple": True, "metavar": "OLD=NEW"},
    ),
    ("--without", "leave these parts out.", {"multiple": True, "metavar": "PART"}),
    (
        "--only",
        "these parts only, such as container:web or 'data:*'.",
        {"multiple": True, "metavar": "PART"},
    ),
    (
        "--set",
        "exactly this set (default: the newest of everything, or as --at says).",
        {"default": "", "metavar": "REF"},
    ),
)


def options(command: F) -> F:
    """The options that only a whole host knows. What they are given is noted in the context."""
    for name, words, given in reversed(_OPTIONS):
        command = click.option(
            name, expose_value=False, callback=_note, help=f"A whole host: {words}", **given
        )(command)
    return command


def _moment(given: object) -> datetime | None:
    """What --at says, as a time; a time without its zone is UTC."""
    if not given or given == "latest":
        return None
    if isinstance(given, datetime):
        found = given
    else:
        try:
            found = datetime.fromisoformat(str(given))
        except ValueError:
            raise UsageError(
                f"--at {given}: that is no time", 'For example: --at "2026-11-22 14:30:00"'
            ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def asked(host: str, snapshot: str, source: str, to: str) -> bool:
    """Whether the command line means a whole host."""
    return bool(host) and not (snapshot or source or to)


def run(
    invocation: Invocation,
    *,
    host: str,
    plan_only: bool,
    confirm: str,
    given: passphrases.Given,
    accept_unsigned: str,
    detach: bool,
) -> None:
    """Plan, show, ask, start, watch; ends the command with the exit code."""
    engine, output = invocation.engine(), invocation.output
    noted = click.get_current_context().meta.get(_KEY, {})
    request = RebuildRequest(
        host=host,
        set=noted.get("set", ""),
        at=_moment(click.get_current_context().params.get("at")),
        only=tuple(noted.get("only", ())),
        without=tuple(noted.get("without", ())),
        addresses=dict(_pair(item) for item in noted.get("address", ())),
        accept_unsigned=accept_unsigned,
        afresh=bool(noted.get("afresh")),
    )
    passphrase = passphrases.obtain(engine, given)
    plan = engine.hosts.plan(request, passphrase)
    if plan_only and output.json:
        output.document(document(plan))
    elif not output.json:
        show(output, plan)
    if plan_only:
        finish(1 if plan.blockers else 0)
    if plan.blockers:
        raise MentatError(
            "; ".join(plan.blockers), "Nothing was changed. Mend this, then try again."
        )
    request = replace(request, confirm=_confirmed(plan, confirm))
    finish(_start(engine, request, passphrase, plan, output, detach))


def _start(
    engine: Engine,
    request: RebuildRequest,
    passphrase: str | None,
    plan: RebuildPlan,
    output: Output,
    detach: bool,
) -> int:
    job_id = engine.hosts.start_rebuild(request, passphrase, plan)
    return start_or_watch(engine, job_id, output, detach)


def _pair(item: str) -> tuple[str, str]:
    import ipaddress

    old, _, new = item.partition("=")
    try:
        return str(ipaddress.ip_address(old)), str(ipaddress.ip_address(new))
    except ValueError:
        raise UsageError(
            f"--address {item}: these are no addresses", "For example: --address 10.0.0.5=10.0.0.9"
        ) from None


def _confirmed(plan: RebuildPlan, given: str) -> str:
    wanted = plan.confirm_name
    if not given and interactive():
        given = ask(f"To rebuild it on this machine, type {wanted}: ")
    if given == wanted:
        return given
    wrong = f"{given!r} is not {wanted!r}" if given else f"this rebuilds {wanted} here"
    raise UsageError(
        f"{wrong}; nothing was changed", f"Read the plan, then add: --confirm {wanted}"
    )


def show(output: Output, plan: RebuildPlan) -> None:
    """The plan for people: the differences first, then every step in order."""
    found = plan.host_set
    output.line(f"Rebuild {plan.request.host} on this machine from set {found.id.ref}", "strong")
    output.line(
        f"  back to {text.utc(found.recoverable_to)} at the oldest; its sources are "
        f"{text.span(found.spread.total_seconds())} apart"
    )
    for name in found.missing:
        output.line(f"!! {name} has no snapshot and does not come back", "critical")
    for member in found.members:
        if not member.fresh:
            output.line(f"! {member.source} is of an earlier run: {member.ref}", "warning")
    output.line()
    for difference in plan.differences:
        mark = {"critical": "!!", "warning": "! "}.get(difference.level, "  ")
        output.line(f"{mark} {difference.message}", difference.level)
        if difference.remedy:
            output.line(f"     -> {difference.remedy}")
    output.line()
    times = {step.phase: step for step in plan.steps}
    for number, part in enumerate(plan.parts, 1):
        done = "done before" if part.id in plan.done else ""
        here = "is here, stays as it is" if part.id in plan.already else ""
        step = times.get(part.id)
        took = text.span(step.seconds) if step and not done else ""
        size = text.size(part.size) if part.size is not None else ""
        output.line(f"{number:4} {took:>7} {size:>9}  {part.title}  {done or here}".rstrip())
    for part in plan.left_out:
        output.line(f"   - left out: {part.id}")
    whole = f"about {text.span(plan.seconds)}" if plan.seconds is not None else "unknown"
    output.line(f"TIME {whole}")
    for line in plan.by_hand:
        output.line(f"by hand afterwards: {line}")
    output.line("Same from the shell:")
    output.line(f"  {plan.command}")
    output.line()


def document(plan: RebuildPlan) -> dict[str, object]:
    """The JSON of a plan, without the host's facts: they hold secrets."""
    return {
        "host": plan.request.host,
        "set": plan.host_set.id.ref,
        "recoverable_to": plan.host_set.recoverable_to,
        "spread_seconds": plan.spread.total_seconds(),
        "members": plain_value(plan.host_set.members),
        "missing": list(plan.host_set.missing),
        "parts": [
            {
                **plain_value(part),
                "id": part.id,
                "done": part.id in plan.done,
                "already": part.id in plan.already,
            }
            for part in plan.parts
        ],
        "left_out": [part.id for part in plan.left_out],
        "differences": plain_value(plan.differences),
        "blockers": list(plan.blockers),
        "by_hand": list(plan.by_hand),
        "seconds": plan.seconds,
        "command": plan.command,
    }
