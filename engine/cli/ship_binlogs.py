"""`mentat-dr ship-binlogs`: what databases logged since the last time goes into the store."""

from __future__ import annotations

import signal
from types import FrameType

import click

from engine.api import Engine
from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output
from engine.cli.watch import start_or_watch


@click.command("ship-binlogs")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=source_names)
@click.option("--follow", is_flag=True, help="Go on shipping every few seconds, as a service.")
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@shared
@click.pass_obj
def command(invocation: Invocation, sources: tuple[str, ...], follow: bool, detach: bool) -> None:
    """Ship the binary logs of the databases named, or of all that are configured for it.

    Each run ships whole log files that grow no more, and what is new of the one in use. From cron,
    a run a minute loses at most a minute; with --follow it is a few seconds. Exit 8 when history
    is broken (purged, reset, another server): the job says what cannot be recovered.
    """
    engine = invocation.engine()
    if not follow or detach:
        job_id = engine.binlogs.start_ship(sources, follow=follow)
        finish(start_or_watch(engine, job_id, invocation.output, detach))
    finish(_serve(engine, sources, invocation.output))


def _serve(engine: Engine, sources: tuple[str, ...], output: Output) -> int:
    """One following job after the other, each a day long. A stop of the service stops it."""
    while True:
        job_id = engine.binlogs.start_ship(sources, follow=True)

        def stop(_number: int, _frame: FrameType | None, job: str = job_id) -> None:
            engine.cancel(job)

        signal.signal(signal.SIGTERM, stop)
        code = start_or_watch(engine, job_id, output, False)
        if code not in (0, 8):
            return code
