"""`mentat-dr replicate`: start a replicate job and watch it."""

from __future__ import annotations

import click

from engine.cli.invocation import Invocation, finish, shared
from engine.cli.watch import start_or_watch


@click.command("replicate")
@click.argument("replicas", nargs=-1, metavar="[REPLICA]...")
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@shared
@click.pass_obj
def command(invocation: Invocation, replicas: tuple[str, ...], detach: bool) -> None:
    """Copy to the replicas named (as `status` shows them), or to all, what they lack.

    Ciphertext is copied as it is and proven against the manifests; the manifest comes last. A run
    that was cut off goes on where it was. The exit code is the job's.
    """
    engine = invocation.engine()
    finish(start_or_watch(engine, engine.replicas.start(replicas), invocation.output, detach))
