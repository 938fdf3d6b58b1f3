"""`mentat-dr export bucket-policy`: what each role may do in the bucket, and no more."""

from __future__ import annotations

import json

import click

from engine.cli.exporting import emit
from engine.cli.invocation import Invocation, shared
from engine.core.bucket_policy import ROLES, policy
from engine.core.errors import UsageError


@click.command("bucket-policy")
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--to", "to", default="", metavar="FILE", help="Write it there instead.")
@shared
@click.pass_obj
def bucket_policy(invocation: Invocation, role: str, to: str) -> None:
    """The least that a role needs, as an IAM policy for its key.

    \b
    writer    hosts: back up and restore; deletes nothing
    verifier  verification elsewhere: reads all, writes its reports
    pruner    prune: deletes; keep it apart from the writers
    restorer  a recovery: reads all, thaws, writes proofs
    """
    settings = invocation.engine().settings.repository
    if not settings.bucket:
        raise UsageError(
            "the repository is a directory and has no bucket", "File permissions serve there."
        )
    document = policy(role, settings.bucket, settings.prefix)  # type: ignore[arg-type]
    emit(invocation.output, to, json.dumps(document, indent=2) + "\n")
    if settings.provider == "b2" and not invocation.json:
        invocation.output.note("Backblaze B2 has capabilities instead: give the key those it names")
