"""`mentat-dr key`: do keys last, do they work, and does the offline one open backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.api import Engine
from engine.cli import passphrases
from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output, absolute, interactive
from engine.core.errors import UsageError, WrongPassphrase
from engine.core.findings import Finding

if TYPE_CHECKING:
    from engine.operations.keys_escrow import Tested

TRIES = 3


@click.group("key")
def command() -> None:
    """Check keys, and prove the offline one."""


@command.command("check")
@shared
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Look at every recipient and the signing key, and try each.

    Expiry within 30 days, an offline key not proven for a quarter and credentials older than 90
    days warn. Exit 0 when all is well, 8 with warnings, 5 when a key cannot be used.
    """
    engine = invocation.engine()
    known = engine.key_checks.check()
    findings = list(engine.key_checks.judge(known))
    output = invocation.output
    if output.json:
        output.document({"checked": known, "findings": findings})
    else:
        _show(output, findings)
    levels = {finding.level for finding in findings}
    finish(5 if "critical" in levels else 8 if "warning" in levels else 0)


def _show(output: Output, findings: list[Finding]) -> None:
    for finding in findings:
        output.line(f"{finding.level:8} {finding.check}: {finding.message}", finding.level)
        if finding.remedy:
            output.line(f"{'':9}-> {finding.remedy}", finding.level if output.quiet else "")
    if not findings:
        output.line("backups are encrypted with a passphrase: there is no key to check")


@command.command("escrow-test")
@click.argument("file", metavar="KEYFILE")
@click.option("--source", default="", metavar="NAME", shell_complete=source_names)
@click.option("--passphrase-file", default="", metavar="FILE", help="Mode 0600.")
@click.option("--passphrase-fd", type=int, default=None, metavar="N", help="Read it from there.")
@shared
@click.pass_obj
def escrow_test(
    invocation: Invocation,
    file: str,
    source: str,
    passphrase_file: str,
    passphrase_fd: int | None,
) -> None:
    """Prove that the private key in KEYFILE, kept offline, opens a recent snapshot.

    The key is used in a throw-away keyring that is gone afterwards; the host's own keys take no
    part. The result is remembered; after a quarter it is due again.
    """
    engine = invocation.engine()
    given = passphrases.Given(passphrase_file, passphrase_fd).read()
    tested = _test(engine, file, source, given)
    output = invocation.output
    if output.json:
        output.document(tested)
    else:
        escrow = tested.escrow
        output.line(f"proven: the key {escrow.fingerprint} opens {escrow.how}", "ok")
        output.line(f"  of {escrow.source} {escrow.snapshot}")
        output.line("Put the key back to where it is kept, and delete this copy of it.")
    for problem in tested.problems:
        output.line(problem, "warning")
    finish(8 if tested.problems else 0)


def _test(engine: Engine, file: str, source: str, given: str | None) -> Tested:
    """The test, asking for the key's passphrase when it has one and there is somebody to ask."""
    from getpass import getpass

    asked = 0
    while True:
        try:
            return engine.key_checks.escrow_test(absolute(file), given, source)
        except WrongPassphrase as error:
            if not interactive() or asked == TRIES:
                if given is None:
                    raise UsageError(
                        "the key needs its passphrase, and there is nobody to ask",
                        "Add --passphrase-file FILE (mode 0600) or --passphrase-fd N.",
                    ) from error
                raise
        given, asked = getpass("Passphrase of the offline key: "), asked + 1
