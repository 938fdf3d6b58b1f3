"""`mentat-dr card`: the quick reference, with everything else down."""

from __future__ import annotations

import click

from engine.cli.invocation import Invocation, shared


@click.command("card")
@click.argument("scenario", required=False, default="")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "html"]),
    default="text",
    show_default=True,
)
@click.option("--no-checks", is_flag=True, help="Do not ask the health checks.")
@click.option("--out", default="", metavar="FILE", help="Write it there, mode 0600.")
@shared
@click.pass_obj
def command(invocation: Invocation, scenario: str, form: str, no_checks: bool, out: str) -> None:
    """Print the quick reference: the flow of SCENARIO, emergency commands, metrics, health checks
    with live results, decryption, contacts. Works with store, Docker and network down."""
    from engine.cli.runbook import deliver

    engine = invocation.engine()
    book = engine.runbooks.book(scenario).id if scenario else ""
    if invocation.output.json:
        answers = () if no_checks else engine.health.examine()
        contacts = engine.settings.contacts
        invocation.output.document(
            {
                "scenario": book,
                "values": engine.cards.values(),
                "health": answers,
                "contacts": contacts,
            }
        )
        return
    deliver(invocation, engine.cards.card(book, form, live=not no_checks), out)  # type: ignore[arg-type]
