"""`mentat-dr prune`: what the retention lets go, shown or removed."""

from __future__ import annotations

import click

from engine.api import Engine
from engine.cli import text
from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output
from engine.cli.watch import start_or_watch
from engine.core.pruning import DESPITE, PrunePlan, PruneRequest, TierPlan


@click.command("prune")
@click.option("--plan", "plan_only", is_flag=True, help="Show each verdict, and stop.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    shell_complete=source_names,
    help="Only of this source.",
)
@click.option("--all-hosts", is_flag=True, help="Of every host, by this host's retention.")
@click.option(
    "--despite",
    multiple=True,
    type=click.Choice(DESPITE),
    help="Overrule an objection: the clock, missing snapshots, failing verification.",
)
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@shared
@click.pass_obj
def command(
    invocation: Invocation,
    plan_only: bool,
    sources: tuple[str, ...],
    all_hosts: bool,
    despite: tuple[str, ...],
    detach: bool,
) -> None:
    """Remove snapshots past their retention, and what crashed backups left.

    Never removed: the newest of each source, its newest verified one, what a kept one builds on,
    and anything at all while the listing, the clock or a verification looks wrong. The exit code
    is the job's; 8 when something was left in place by an objection.
    """
    engine = invocation.engine()
    request = PruneRequest(sources, all_hosts, despite)
    if plan_only:
        finish(_plan(engine, request, invocation.output))
    job_id = engine.retention.start(request)
    finish(start_or_watch(engine, job_id, invocation.output, detach))


def _plan(engine: Engine, request: PruneRequest, output: Output) -> int:
    plan = engine.retention.plan(request)
    if output.json:
        output.document(plan)
        return 0
    for tier in plan.tiers:
        _show(output, tier)
    _sum(output, plan)
    return 0


def _show(output: Output, tier: TierPlan) -> None:
    output.line(f"{tier.tier}: {tier.store}", "strong")
    for why in tier.decision.refusals:
        output.line(f"  nothing is removed: {why}", "critical")
    for line in tier.warnings:
        output.line(f"  {line}", "warning")
    rows = [
        (
            "keep" if verdict.keep else "REMOVE",
            verdict.snapshot.host,
            verdict.snapshot.source,
            verdict.snapshot.ref,
            text.size(verdict.stored_bytes),
            "; ".join(verdict.reasons[:3]),
        )
        for verdict in tier.decision.verdicts
    ]
    if rows:
        head = ("", "HOST", "SOURCE", "SNAPSHOT", "SIZE", "WHY")
        output.table(head, rows, right=("SIZE",), spare=("HOST", "SIZE"))
    logs = [debris for debris in tier.debris if "/binlog/" in debris.key]
    if logs:
        held = text.size(sum(debris.size for debris in logs))
        output.line(
            f"REMOVE  {len(logs)} objects of binary logs that no kept snapshot needs, {held}"
        )
    for debris in tier.debris:
        if debris in logs:
            continue
        output.line(f"REMOVE  {debris.why} since {text.utc(debris.since)}: {debris.key}")


def _sum(output: Output, plan: PrunePlan) -> None:
    removed = sum(len(tier.removed) for tier in plan.tiers)
    debris = sum(len(tier.debris) for tier in plan.tiers)
    freed = text.size(sum(tier.freed_bytes for tier in plan.tiers))
    output.line(f"{removed} snapshots and {debris} leftovers would go, {freed}")
    if removed or debris:
        output.line(f"To do it: {plan.command}")
