"""`mentat-dr audit`: who did what, from where, when; and whether the trail is whole."""

from __future__ import annotations

import click

from engine.cli.invocation import Invocation, finish, shared


@click.group("audit")
def command() -> None:
    """The audit trail: every operation and every act on an incident."""


@command.command("show")
@click.option("--limit", default=50, show_default=True, metavar="N", help="The newest so many.")
@click.option("--verify", "verified", is_flag=True, help="Prove the trail first.")
@shared
@click.pass_context
def show(context: click.Context, limit: int, verified: bool) -> None:
    """Show the newest lines."""
    invocation = context.ensure_object(Invocation)
    engine, output = invocation.engine(), invocation.output
    lines = engine.audit.lines(limit)
    if output.json:
        output.document(lines)
    else:
        for line in lines:
            who = line.get("who") or {}
            from_ = f"{who.get('person', '?')} ({who.get('account', '?')}) {who.get('origin', '')}"
            output.line(f"{line.get('at', '')[:19]}  {from_:34}  {line.get('act', '')}")
    if verified:
        context.invoke(verify, offline=False)


@command.command("verify")
@click.option("--offline", is_flag=True, help="Do not ask the store for its copy.")
@shared
@click.pass_obj
def verify(invocation: Invocation, offline: bool) -> None:
    """Find removed, changed and reordered lines. Exit 7 when there are any."""
    found = invocation.engine().audit.verify(store=not offline)
    output = invocation.output
    if output.json:
        output.document(found)
    else:
        for broken in found.breaks:
            output.line(f"line {broken.line}: {broken.what}", "critical")
        if found.problem:
            output.line(f"the store's copy could not be read: {found.problem}", "warning")
        whole = "BROKEN" if found.breaks else "whole"
        output.line(f"{found.lines} lines, {found.copied} of them in the store: {whole}")
    finish(7 if found.breaks else 8 if found.problem else 0)
