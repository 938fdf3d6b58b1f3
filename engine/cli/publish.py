"""`mentat-dr publish`: metrics to Prometheus, news to people."""

from __future__ import annotations

import click

from engine.api import Engine
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output
from engine.core.errors import NotifyError


@click.command("publish")
@click.option("--stdout", "show", is_flag=True, help="Print the metrics, publish nothing.")
@click.option("--cached", is_flag=True, help="Do not ask the store; use the kept listing.")
@click.option("--say", default="", metavar="TEXT", help="Send this to everybody under [notify].")
@shared
@click.pass_obj
def command(invocation: Invocation, show: bool, cached: bool, say: str) -> None:
    """Publish this host's metrics, and tell what is news.

    Every job does so at its end; cron does it between, which is the dead-man's switch: a host
    that says nothing alarms. Exit 0 when all went well, 8 when something could not be reached.
    """
    engine = invocation.engine()
    refresh = False if cached else None
    if say:
        finish(_say(engine, invocation.output, say))
    if show:
        families = engine.monitoring.metrics(refresh=refresh)
        if invocation.json:
            invocation.output.document(families)
        else:
            click.echo(engine.monitoring.text(families), nl=False)
        return
    finish(_publish(engine, invocation.output, refresh))


def _publish(engine: Engine, output: Output, refresh: bool | None) -> int:
    swept = engine.monitoring.publish(refresh=refresh)
    published = swept.published
    if output.json:
        output.document(
            {
                "at": published.at,
                "samples": published.samples,
                "places": published.places,
                "told": [notice.title for notice in swept.told.notices],
                "problems": swept.problems,
            }
        )
    for place in published.places:
        output.line(f"{published.samples} samples to {place}", "ok")
    for notice in swept.told.notices:
        output.line(f"told: {notice.title}")
    if not published.places and not published.problems:
        output.line(
            "nowhere to publish to: set pushgateway or textfile_directory under [monitoring]",
            "warning",
        )
        return 8
    for problem in swept.problems:
        output.line(f"not done: {problem}", "warning")
    return 8 if swept.problems else 0


def _say(engine: Engine, output: Output, text: str) -> int:
    title = f"{engine.settings.host}: {engine.settings.environment}"
    problems = engine.monitoring.say(title, text)
    if output.json:
        output.document({"told": len(engine.settings.notify) - len(problems), "problems": problems})
    if problems and len(problems) == len(engine.settings.notify):
        raise NotifyError(problems[0], "Nobody was told. Correct `urls` under [notify].")
    for problem in problems:
        output.line(f"not told: {problem}", "warning")
    output.line(f"told {len(engine.settings.notify) - len(problems)} notifiers", "ok")
    return 8 if problems else 0
