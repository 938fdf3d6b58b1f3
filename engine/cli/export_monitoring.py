"""`mentat-dr export rules|dashboard`: for Prometheus and Grafana."""

from __future__ import annotations

import click

from engine.cli.exporting import emit
from engine.cli.invocation import Invocation, shared


@click.command("rules")
@click.option("--to", "to", default="", metavar="FILE", help="Write it there instead.")
@shared
@click.pass_obj
def rules(invocation: Invocation, to: str) -> None:
    """Alert rules for Prometheus' rule_files.

    Check them with: promtool check rules FILE. Prometheus should scrape the Pushgateway with
    honor_labels. Route the alert MentatHeartbeat, which always fires, to a dead-man's switch.
    """
    from engine import monitoring

    emit(invocation.output, to, monitoring.alerts_yml())


@click.command("dashboard")
@click.option("--to", "to", default="", metavar="FILE", help="Write it there instead.")
@shared
@click.pass_obj
def dashboard(invocation: Invocation, to: str) -> None:
    """A dashboard for Grafana 11 or later: import it, and choose your Prometheus."""
    from engine import monitoring

    emit(invocation.output, to, monitoring.dashboard_json())
