"""`mentat-dr verify`: prove that what is stored is whole, can be decrypted and can be loaded."""

from __future__ import annotations

import click

from engine.api import Engine
from engine.cli import passphrases
from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import interactive
from engine.cli.watch import start_or_watch
from engine.core.errors import CipherError

_WHATS = ("local", "offsite", "restore", "all")


@click.command("verify")
@click.argument("what", type=click.Choice(_WHATS), metavar="local|offsite|restore|all")
@click.option("--source", "sources", multiple=True, metavar="NAME", shell_complete=source_names)
@click.option("--everything", is_flag=True, help="Read all that is stored, not today's sample.")
@click.option("--passphrase-file", default="", metavar="FILE", help="Mode 0600.")
@click.option("--passphrase-fd", type=int, default=None, metavar="N", help="Read it from there.")
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@shared
@click.pass_obj
def command(
    invocation: Invocation,
    what: str,
    sources: tuple[str, ...],
    everything: bool,
    passphrase_file: str,
    passphrase_fd: int | None,
    detach: bool,
) -> None:
    """Prove the backups.

    \b
    local     the local tier: every object, its sizes, ages, modes, and room on its disk
    offsite   the bucket: every object asked for, a sample read to its end and decrypted
    restore   the newest snapshot of each source, restored into throw-away containers
    all       one after the other

    Each leaves a report: mentat-dr report show. Exit 7: damage was found. Exit 8: warnings.
    """
    engine = invocation.engine()
    given = passphrases.Given(passphrase_file, passphrase_fd)
    job_id = engine.proofs.start_verify(
        what,  # type: ignore[arg-type]
        sources,
        everything=everything,
        passphrase=secret(engine, given, needed=what in ("restore", "all")),
    )
    finish(start_or_watch(engine, job_id, invocation.output, detach))


def secret(engine: Engine, given: passphrases.Given, *, needed: bool) -> str | None:
    """The passphrase that opens the key, or None. Where it is not needed and nobody can be asked,
    or no key is here, the verification says itself what it could not prove."""
    if needed or interactive():
        try:
            return passphrases.obtain(engine, given)
        except CipherError:
            if needed or given.file or given.descriptor is not None:
                raise
            return None
    return given.read()
