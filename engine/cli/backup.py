"""`mentat-dr backup`: start a backup job and watch it."""

from __future__ import annotations

import click

from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.watch import start_or_watch
from engine.core.snapshot import KINDS, METHODS


@click.command("backup")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=source_names)
@click.option("--kind", type=click.Choice(KINDS), help="Only sources of this kind.")
@click.option("--method", type=click.Choice(METHODS), help="How (default: as usual).")
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@shared
@click.pass_obj
def command(
    invocation: Invocation,
    sources: tuple[str, ...],
    kind: str | None,
    method: str | None,
    detach: bool,
) -> None:
    """Back up the sources named, or all. The exit code is the job's."""
    engine = invocation.engine()
    for name in sources:
        engine.settings.source(name)
    job_id = engine.start_backup(sources, kind=kind or "", method=method or "")
    finish(start_or_watch(engine, job_id, invocation.output, detach))
