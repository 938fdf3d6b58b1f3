"""`mentat-dr drill`: rehearse a recovery, timed, into throw-away containers."""

from __future__ import annotations

import click

from engine.cli import passphrases
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.verify import secret
from engine.cli.watch import start_or_watch

_KINDS = ("quick", "database", "volumes", "config", "full")


@click.command("drill")
@click.argument("kind", type=click.Choice(_KINDS), metavar="quick|database|volumes|config|full")
@click.option("--passphrase-file", default="", metavar="FILE", help="Mode 0600.")
@click.option("--passphrase-fd", type=int, default=None, metavar="N", help="Read it from there.")
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@shared
@click.pass_obj
def command(
    invocation: Invocation,
    kind: str,
    passphrase_file: str,
    passphrase_fd: int | None,
    detach: bool,
) -> None:
    """Rehearse a recovery. Nothing live is touched.

    \b
    quick     the smallest database (or source), restored and probed
    database  the newest snapshot of every database
    volumes   of every volume
    config    of all configuration paths
    full      all of this host, from nothing but the bucket and the key

    Times are held against the targets; a report is kept: mentat-dr report show. Exit 7: something
    could not be recovered. Exit 8: a target was missed.
    """
    engine = invocation.engine()
    given = passphrases.Given(passphrase_file, passphrase_fd)
    passphrase = secret(engine, given, needed=True)
    job_id = engine.proofs.start_drill(kind, passphrase=passphrase)  # type: ignore[arg-type]
    finish(start_or_watch(engine, job_id, invocation.output, detach))
