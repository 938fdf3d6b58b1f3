"""`mentat-dr doctor`: findings, and how to mend each."""

from __future__ import annotations

from collections.abc import Sequence

import click

from engine.api import Finding
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output


@click.command("doctor")
@shared
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Look at everything a backup and a recovery need.

    Exit 0 when all is well, 8 with warnings, 1 when something would stop a backup or a recovery.
    """
    findings = invocation.engine().doctor()
    output = invocation.output
    if output.json:
        output.document(findings)
    else:
        _show(output, findings)
    finish(_exit_code(findings))


def _exit_code(findings: Sequence[Finding]) -> int:
    levels = {finding.level for finding in findings}
    if levels & {"critical", "unknown"}:
        return 1
    return 8 if "warning" in levels else 0


def _show(output: Output, findings: Sequence[Finding]) -> None:
    for finding in findings:
        output.line(f"{finding.level:8} {finding.check}: {finding.message}", finding.level)
        if finding.remedy:
            output.line(f"{'':9}-> {finding.remedy}")
    counts = {
        level: sum(1 for finding in findings if finding.level == level)
        for level in ("ok", "warning", "critical", "unknown")
    }
    output.line(", ".join(f"{count} {level}" for level, count in counts.items() if count))
