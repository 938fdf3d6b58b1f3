"""`mentat-dr restore`: plan, ask, start a restore job and watch it."""

from __future__ import annotations

import click

from engine.api import Engine, RestorePlan, RestoreRequest, Target
from engine.cli import kept, passphrases, plan_text, selection
from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import absolute, ask, interactive
from engine.cli.watch import start_or_watch
from engine.core.errors import MentatError, UsageError


@click.command("restore")
@click.argument("snapshot", required=False, default="")
@click.option("--source", default="", metavar="NAME", shell_complete=source_names)
@click.option("--to", "to", default="", metavar="DIR|container|in-place", help="Where to.")
@click.option("--host", default="", metavar="HOST", help="Whose snapshot (default: our own).")
@click.option("--name", default="", metavar="NAME", help="Of the fresh container.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would happen, and stop.")
@click.option("--confirm", default="", metavar="NAME", help="What the plan asks to be typed.")
@click.option("--passphrase-file", default="", metavar="FILE", help="Mode 0600.")
@click.option("--passphrase-fd", type=int, default=None, metavar="N", help="Read it from there.")
@click.option("--accept-unsigned", default="", metavar="REF", help="Despite a bad signature.")
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@click.option("--kept", "list_kept", is_flag=True, help="List old data put aside by restores.")
@click.option("--release", default="", metavar="ID", help="Remove old data put aside.")
@shared
@click.pass_obj
def command(
    invocation: Invocation,
    snapshot: str,
    source: str,
    to: str,
    host: str,
    name: str,
    plan_only: bool,
    confirm: str,
    passphrase_file: str,
    passphrase_fd: int | None,
    accept_unsigned: str,
    detach: bool,
    list_kept: bool,
    release: str,
) -> None:
    """Bring SNAPSHOT back: a ref, a unique start of an id, or latest (with --source).

    \b
    --to DIR         into a directory that is empty or does not exist
    --to container   into a fresh container of the image it ran on
    --to in-place    beside the live data, verified, then switched; the old data is kept

    A plan of everything that is touched comes first. The exit code is the job's.
    """
    engine = invocation.engine()
    if list_kept or release:
        finish(kept.run(engine, invocation.output, release, confirm, detach))
    request = _request(engine, snapshot, source, to, host, name, accept_unsigned)
    plan = engine.plan(request)
    output = invocation.output
    if plan_only and output.json:
        output.document(plan_text.document(plan))
    elif not output.json:
        plan_text.show(output, plan)
    if plan_only:
        finish(1 if plan.blockers else 0)
    if plan.blockers:
        raise MentatError(
            "; ".join(plan.blockers), "Nothing was changed. Mend this, then try again."
        )
    request = plan_text.confirmed(request, _confirmation(plan, confirm))
    given = passphrases.Given(passphrase_file, passphrase_fd)
    job_id = engine.start_restore(request, passphrases.obtain(engine, given))
    finish(start_or_watch(engine, job_id, output, detach))


def _request(
    engine: Engine, snapshot: str, source: str, to: str, host: str, name: str, unsigned: str
) -> RestoreRequest:
    if not snapshot:
        raise UsageError(
            "which snapshot?", "mentat-dr restore latest --source NAME --to DIR|container|in-place"
        )
    if not to:
        raise UsageError("where to?", "Add --to DIR, --to container or --to in-place")
    entry = selection.choose(engine, snapshot, source, host)
    # The ref rather than `latest`: what is planned and confirmed is what is restored.
    return RestoreRequest(
        source=entry.id.source,
        snapshot=entry.id.ref,
        target=_target(to, name),
        host=entry.id.host,
        accept_unsigned=unsigned,
    )


def _target(to: str, name: str) -> Target:
    if to == "container":
        return Target("container", name=name)
    if name:
        raise UsageError("--name belongs to --to container", "Leave it out.")
    return Target("in-place") if to == "in-place" else Target("directory", path=str(absolute(to)))


def _confirmation(plan: RestorePlan, given: str) -> str:
    """What was typed, equal to what the plan wants. UsageError otherwise."""
    wanted = plan.confirm_name
    if not wanted:
        return ""
    if not given and interactive():
        given = ask(f"To go on, type {wanted}: ")
    if given == wanted:
        return given
    wrong = f"{given!r} is not {wanted!r}" if given else f"this touches {wanted!r}"
    raise UsageError(
        f"{wrong}; nothing was changed", f"Read the plan, then add: --confirm {wanted}"
    )
