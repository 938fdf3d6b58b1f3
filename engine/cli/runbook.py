"""`mentat-dr runbook`: list, show, lint, export and run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output, absolute

if TYPE_CHECKING:
    from engine.api import Engine

FORMS = click.Choice(["text", "markdown", "html"])


@click.group("runbook")
def command() -> None:
    """The runbooks: procedures for the worst hour."""


@command.command("list")
@shared
@click.pass_obj
def listed(invocation: Invocation) -> None:
    """List the runbooks with their targets."""
    from engine.core.runbook_text import targets

    engine, output = invocation.engine(), invocation.output
    shelf = engine.runbooks.shelf()
    if output.json:
        keys = ("id", "title", "kind", "owner", "rto", "rpo", "origin")
        rows = [{key: getattr(book, key) for key in keys} for book in shelf.books.values()]
        output.document([{**row, "due": str(shelf.books[str(row["id"])].due())} for row in rows])
        return
    table = [
        (book.id, book.kind, targets(book) or "-", str(len(book.steps)), str(book.due()))
        for book in shelf.books.values()
    ]
    output.table(("RUNBOOK", "KIND", "TARGETS", "STEPS", "REVIEW BY"), table, spare=("STEPS",))
    _unread(engine, output)


def _unread(engine: Engine, output: Output) -> None:
    for file in engine.runbooks.shelf().unread:
        output.note(f"{file.file} is no runbook: {file.problems[0]}")


@command.command("show")
@click.argument("runbook")
@shared
@click.pass_obj
def show(invocation: Invocation, runbook: str) -> None:
    """Show a runbook: what to do, the bare commands, the way back."""
    engine, output = invocation.engine(), invocation.output
    book = engine.runbooks.book(runbook)
    if output.json:
        output.document(book)
        return
    click.echo(engine.runbooks.export(book.id, "text"), nl=False)


@command.command("lint")
@shared
@click.pass_obj
def lint(invocation: Invocation) -> None:
    """Find what is wrong with the runbooks: unknown actions, dead references, circles, missing
    bare commands, overdue reviews. Exit 1 for errors, 8 for warnings only."""
    engine, output = invocation.engine(), invocation.output
    found = engine.runbooks.lint()
    if output.json:
        output.document(found)
    else:
        for remark in found:
            place = f"{remark.runbook}{f', step {remark.step}' if remark.step else ''}"
            style = "critical" if remark.weight == "error" else "warning"
            output.line(f"{remark.weight:8} {place}: {remark.what}", style)
        books = len(engine.runbooks.shelf().books)
        errors = sum(1 for remark in found if remark.weight == "error")
        output.line(f"{books} runbooks, {errors} errors, {len(found) - errors} warnings")
    weights = {remark.weight for remark in found}
    finish(1 if "error" in weights else 8 if weights else 0)


@command.command("export")
@click.argument("runbook", required=False, default="")
@click.option("--format", "form", type=FORMS, default="markdown", show_default=True)
@click.option("--out", default="", metavar="FILE", help="Write it there, mode 0600.")
@shared
@click.pass_obj
def export(invocation: Invocation, runbook: str, form: str, out: str) -> None:
    """Print a runbook, or without one the whole book with cards and contacts, for paper."""
    engine = invocation.engine()
    book = engine.runbooks.book(runbook).id if runbook else ""
    deliver(invocation, engine.runbooks.export(book, form), out)  # type: ignore[arg-type]


def deliver(invocation: Invocation, text: str, out: str) -> None:
    """To a file, or to stdout as it stands: it is inert already."""
    if not out:
        click.echo(text, nl=False)
        return
    from engine.settings_file.write import write_private

    file = absolute(out)
    write_private(file, text.encode())
    invocation.output.note(f"written: {file}")


@command.command("run")
@click.argument("runbook", required=False, default="")
@click.option("--drill", is_flag=True, help="A rehearsal: everything says DRILL.")
@click.option("--source", default="", metavar="NAME", help="Short for --set source=NAME.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A value it needs.")
@click.option("--passphrase-file", default="", metavar="FILE", help="Mode 0600.")
@shared
@click.pass_obj
def run(
    invocation: Invocation,
    runbook: str,
    drill: bool,
    source: str,
    given: tuple[str, ...],
    passphrase_file: str,
) -> None:
    """Work through RUNBOOK step by step, as numbered prompts; without one, go on with the open
    incident. Leaving it (q, Ctrl-C, a lost line) stops nothing: run it again to go on."""
    from engine.cli import incident_play
    from engine.cli.incident import values

    engine = invocation.engine()
    told = values(given, source)
    finish(incident_play.play(engine, invocation.output, runbook, drill, told, passphrase_file))
