"""`mentat-dr report`: reports of verifications and drills, and the compliance of a period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from engine.api import Check, Report
from engine.cli import text
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output, plain_value
from engine.core.durations import parse_duration
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.core.compliance import Compliance

_LEVELS = {"passed": "ok", "warning": "warning", "failed": "critical"}
_FORMATS = ("text", "markdown", "html", "json")


@click.group("report")
@shared
def command() -> None:
    """Reports of verifications and drills, and of any period."""


@command.command("list")
@click.option("--since", default="", metavar="AGE", help="Like 7d or 24h (default: all).")
@click.option("--drills", is_flag=True, help="Drills only.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@shared
@click.pass_obj
def list_reports(invocation: Invocation, since: str, drills: bool, limit: int) -> None:
    """List the reports kept on this host, newest first."""
    engine, output = invocation.engine(), invocation.output
    now = datetime.now(UTC)
    start = now - _age(since) if since else None
    found = engine.proofs.reports(since=start)
    found = [report for report in found if report.drill or not drills][:limit]
    if output.json:
        output.document([_document(report) for report in found])
        return
    if not found:
        output.line("no report yet: mentat-dr verify all, mentat-dr drill full")
        return
    head = ("", "REPORT", "WHAT", "WHEN", "TOOK", "PASSED", "WARNINGS", "FAILED", "RTO")
    rows = [_row(report, now) for report in found]
    output.table(head, rows, right=("TOOK", "PASSED", "WARNINGS", "FAILED"), spare=("TOOK", "RTO"))


def _row(report: Report, now: datetime) -> tuple[object, ...]:
    whole = report.whole
    rto = f"{text.span(whole.seconds)} of {text.span(whole.target_seconds)}" if whole else ""
    return (
        _LEVELS[report.outcome],
        report.id,
        report.kind,
        text.moment(report.started, now),
        text.span(report.seconds),
        report.passed,
        report.warnings,
        report.failed,
        rto,
    )


def _age(spelt: str) -> timedelta:
    try:
        return parse_duration(spelt)
    except ValueError as error:
        raise UsageError(str(error), "For instance: --since 7d") from None


@command.command("show")
@click.argument("report", required=False, default="latest")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--verify", "verified", is_flag=True, help="With `audit`: prove the trail, too.")
@shared
@click.pass_context
def show(context: click.Context, report: str, form: str, verified: bool) -> None:
    """Show one report, by the start of its id or name, or the latest; or `audit`, the trail."""
    invocation = context.ensure_object(Invocation)
    output = invocation.output
    if report == "audit":
        from engine.cli import audit

        context.invoke(audit.show, limit=50, verified=verified)
        return
    found = invocation.engine().proofs.report(report)
    if output.json or form == "json":
        Output(json=True).document(_document(found))
    elif form == "text":
        _show(output, found)
    else:
        from engine.core import report_text

        write = report_text.markdown if form == "markdown" else report_text.html
        click.echo(write(found), nl=False)


@command.command("compliance")
@click.option("--since", default="", metavar="DATE", help="First day, like 2026-11-01.")
@click.option("--until", default="", metavar="DATE", help="First day after it (default: now).")
@click.option("--month", default="", metavar="MONTH", help="Like 2026-11, instead of both.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@shared
@click.pass_obj
def compliance(invocation: Invocation, since: str, until: str, month: str, form: str) -> None:
    """RPO and RTO met, coverage, drills held, keys checked, exceptions; of the last 30 days, of a
    month or of any period. Exit 8 when there are exceptions."""
    output = invocation.output
    found = invocation.engine().proofs.compliance(*_period(since, until, month))
    if output.json or form == "json":
        Output(json=True).document({**plain_value(found), "met": found.met})
    else:
        _print_compliance(output, found, form)
    finish(0 if found.met else 8)


def _print_compliance(output: Output, found: Compliance, form: str) -> None:
    from engine.core import compliance_text

    if form == "html":
        click.echo(compliance_text.html(found), nl=False)
        return
    for line in compliance_text.markdown(found).splitlines():
        output.line(line)


def _period(since: str, until: str, month: str) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    try:
        if month:
            first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
            after = (first + timedelta(days=32)).replace(day=1)
            return first, min(after, now)
        end = datetime.strptime(until, "%Y-%m-%d").replace(tzinfo=UTC) if until else now
        start = datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=UTC) if since else None
    except ValueError as error:
        raise UsageError(f"{error}", "Write a day like 2026-11-01, a month like 2026-11.") from None
    start = start or end - timedelta(days=30)
    if start >= end:
        raise UsageError("the period ends before it begins", "Exchange --since and --until.")
    return start, end


def _document(report: Report) -> dict[str, object]:
    found: dict[str, object] = plain_value(report)
    return found | {
        "outcome": report.outcome,
        "passed": report.passed,
        "warnings": report.warnings,
        "failed": report.failed,
    }


def _show(output: Output, report: Report) -> None:
    output.line(f"{report.title}: {report.host}, {text.utc(report.started)}", "strong")
    output.line(f"read from {report.store}; {report.summary}", _LEVELS[report.outcome])
    for rto in report.rto:
        style = "ok" if rto.met else "warning"
        what = rto.source or "the whole"
        took, target = text.span(rto.seconds), text.span(rto.target_seconds)
        output.line(f"RTO {what}: {took} of {target}", style)
    for check in sorted(
        report.checks, key=lambda c: ("failed", "warning", "passed").index(c.outcome)
    ):
        _show_check(output, check)


def _show_check(output: Output, check: Check) -> None:
    about = f"{check.source} {check.name}".strip()
    output.line(f"{check.outcome:8} {about}: {check.message}", _LEVELS[check.outcome])
    if check.remedy and check.outcome != "passed":
        output.line(f"         -> {check.remedy}")
