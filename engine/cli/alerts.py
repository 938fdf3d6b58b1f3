"""`mentat-dr alerts`: what fires, where each leads, and silencing with a reason."""

from __future__ import annotations

from datetime import datetime

import click

from engine.api import Alert, Board, Engine
from engine.cli import text
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output
from engine.core.errors import UsageError

_STYLE = {"critical": "critical", "warning": "warning"}


@click.group("alerts", invoke_without_command=True)
@shared
@click.pass_context
def command(context: click.Context) -> None:
    """Alerts as Prometheus and the Alertmanager tell of them now.

    Exit 0 when nothing fires, 1 for warnings, 2 for a critical one, 3 when nobody watches.
    """
    if context.invoked_subcommand is None:
        invocation: Invocation = context.ensure_object(Invocation)
        finish(_list(invocation.engine(), invocation.output))


def _list(engine: Engine, output: Output) -> int:
    board = engine.monitoring.alerts()
    if output.json:
        output.document(
            {"at": board.at, "blind": board.blind, "alerts": board.alerts, "watches": board.watches}
        )
    else:
        show(output, board)
    return exit_code(board)


def exit_code(board: Board) -> int:
    """As of a monitoring plug-in. Silenced and pending alerts do not count."""
    severities = {alert.severity for alert in board.firing}
    if "critical" in severities:
        return 2
    if board.blind:
        return 3
    return 1 if severities - {"info"} else 0


def show(output: Output, board: Board) -> None:
    """The alerts for people; who watches comes first when that is in doubt."""
    for watch in board.troubles:
        output.line(f"!! {watch.name}: {watch.problem}", "critical" if board.blind else "warning")
        if watch.remedy:
            output.line(f"   -> {watch.remedy}")
    if board.blind:
        output.line(
            "NOBODY WATCHES: that no alert is shown does not mean that all is well.", "critical"
        )
    for alert in board.alerts:
        _show_alert(output, alert, board.at)
    if not board.alerts and not board.blind:
        watching = ", ".join(watch.name for watch in board.watches if not watch.problem)
        output.line(f"no alert fires or is about to ({watching})", "ok")


def _show_alert(output: Output, alert: Alert, now: datetime) -> None:
    where = "/".join(part for part in (alert.host, alert.source) if part)
    since = text.age(alert.since, now) if alert.since else "since when is not told"
    style = _STYLE.get(alert.severity, "") if alert.state == "firing" else ""
    output.line(f"{alert.state.upper():8} {alert.severity:8} {alert.name} {where}, {since}", style)
    output.line(f"         {alert.summary}")
    if alert.silence:
        silence = alert.silence
        output.line(
            f"         silenced by {silence.by} until {text.utc(silence.until)}: {silence.reason}"
        )
        output.line(f"         mentat-dr alerts unsilence {silence.id}")
    if alert.runbook:
        output.line(f"         runbook {alert.runbook}: mentat-dr runbook show {alert.runbook}")
    if alert.command:
        output.line(f"         first: {alert.command}")


@command.command("silence")
@click.argument("name")
@click.option("--host", default="", metavar="HOST", help="Where several hosts have it.")
@click.option("--source", default="", metavar="NAME", help="Where several sources have it.")
@click.option("--for", "span", default="2h", metavar="DURATION", help="How long (default 2h).")
@click.option("--reason", required=True, metavar="TEXT", help="Why, and who looks after it.")
@shared
@click.pass_obj
def silence(
    invocation: Invocation, name: str, host: str, source: str, span: str, reason: str
) -> None:
    """Acknowledge the alert NAME: silence it, and no other, for a while."""
    from engine.core.durations import parse_duration

    try:
        length = parse_duration(span)
    except ValueError as error:
        raise UsageError(f"--for: {error}", "Write it like 2h or 1d.") from None
    engine = invocation.engine()
    alert = engine.monitoring.find_alert(name, host, source)
    made = engine.monitoring.silence(alert, reason, length)
    output = invocation.output
    if output.json:
        output.document(made)
        return
    output.line(f"silenced until {text.utc(made.until)}: {alert.name}", "ok")
    output.line(f"to end it: mentat-dr alerts unsilence {made.id}")


@command.command("unsilence")
@click.argument("silence_id", metavar="ID")
@shared
@click.pass_obj
def unsilence(invocation: Invocation, silence_id: str) -> None:
    """End a silence."""
    invocation.engine().monitoring.unsilence(silence_id)
    if invocation.json:
        invocation.output.document({"ended": silence_id})
    else:
        invocation.output.line(f"the silence {silence_id} is ended", "ok")
