"""`mentat-dr failover`: which store is primary, and putting another in its place."""

from __future__ import annotations

import click

from engine.api import Engine, FailoverPlan
from engine.cli import text
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output, ask, interactive, plain_value
from engine.cli.watch import start_or_watch
from engine.core.errors import UsageError


@click.command("failover")
@click.argument("replica", required=False, default="")
@click.option("--write", "writing", is_flag=True, help="Backups go there, too.")
@click.option("--back", is_flag=True, help="Make the configured store primary again.")
@click.option("--leave-behind", is_flag=True, help="Go back though the primary lacks snapshots.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what it means, and stop.")
@click.option("--confirm", default="", metavar="NAME", help="The store's name, typed.")
@click.option("--reason", default="", metavar="TEXT", help="Kept with the decision.")
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@shared
@click.pass_obj
def command(
    invocation: Invocation,
    replica: str,
    writing: bool,
    back: bool,
    leave_behind: bool,
    plan_only: bool,
    confirm: str,
    reason: str,
    detach: bool,
) -> None:
    """Put REPLICA first for reading (with --write for backups too), or go --back.

    Alone, it shows which store is primary. The decision holds on this host until --back, in every
    job and on every screen; restores fall over by themselves without it.
    """
    engine = invocation.engine()
    output = invocation.output
    if bool(replica) == back:
        if replica:
            raise UsageError("REPLICA and --back exclude each other", "Give one of them.")
        _show_state(engine, output)
        return
    plan = engine.failover.plan(replica, writing=writing, leave_behind=leave_behind)
    if plan_only and output.json:
        output.document(plain_value(plan))
    elif not output.json:
        _show_plan(output, plan)
    blocked = bool(plan.blockers) and not (leave_behind and plan.missing)
    if plan_only:
        finish(1 if blocked else 0)
    if blocked:
        raise UsageError("; ".join(plan.blockers), "Nothing was changed.")
    job_id = engine.failover.start(
        replica,
        confirm=_confirmed(plan, confirm),
        writing=writing,
        reason=reason,
        leave_behind=leave_behind,
    )
    finish(start_or_watch(engine, job_id, output, detach))


def _confirmed(plan: FailoverPlan, given: str) -> str:
    wanted = plan.confirm_name
    if not given and interactive():
        given = ask(f"To go on, type {wanted}: ")
    if given == wanted:
        return given
    wrong = f"{given!r} is not {wanted!r}" if given else f"this concerns {wanted!r}"
    raise UsageError(f"{wrong}; nothing was changed", f"Add: --confirm {wanted}")


def _show_plan(output: Output, plan: FailoverPlan) -> None:
    output.line(plan.words, "strong")
    if plan.missing:
        lacks = f"{plan.missing} snapshots, {text.size(plan.missing_bytes)}"
        output.line(f"  it lacks {lacks} of the present primary", "warning")
    else:
        output.line("  it holds every snapshot that the present primary shows")
    for warning in plan.warnings:
        output.line(f"! {warning}", "warning")
    for blocker in plan.blockers:
        output.line(f"!! {blocker}", "critical")


def _show_state(engine: Engine, output: Output) -> None:
    state = engine.failover.state()
    settings = engine.settings
    if output.json:
        names = [store.shown for store in settings.replicas]
        output.document(
            {"primary": settings.repository.shown, "replicas": names, "failover": state}
        )
        return
    if state is None:
        output.line(f"{settings.repository.shown} is primary, as configured", "ok")
    else:
        why = f" ({state.reason})" if state.reason else ""
        output.line(f"{state.words} by {state.by}{why}", "critical")
    for store in settings.replicas:
        output.line(f"replica: {store.shown}")
    if not settings.replicas:
        output.line("no replica is configured: add a [[repository.replica]]", "warning")
