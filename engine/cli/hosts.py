"""`mentat-dr hosts`: the fleet as the store knows it, and the recovery points of its hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from engine.api import Engine
from engine.cli import passphrases, text
from engine.cli.invocation import Invocation, shared
from engine.cli.output import Output, plain_value

_SILENT = timedelta(hours=26)  # a daily backup, and two hours for it


@click.command("hosts")
@click.option("--sets", "sets_of", default="", metavar="HOST", help="List this host's sets.")
@click.option("--facts", "facts_of", default="", metavar="HOST", help="What this host was made of.")
@click.option("--passphrase-file", default="", metavar="FILE", help="Mode 0600, for --facts.")
@click.option("--passphrase-fd", type=int, default=None, metavar="N", help="Read it from there.")
@shared
@click.pass_obj
def command(
    invocation: Invocation,
    sets_of: str,
    facts_of: str,
    passphrase_file: str,
    passphrase_fd: int | None,
) -> None:
    """List the hosts in the repository; those that have stopped reporting stand out."""
    engine, output = invocation.engine(), invocation.output
    if sets_of:
        _sets(engine, output, sets_of)
    elif facts_of:
        _facts(engine, output, facts_of, passphrases.Given(passphrase_file, passphrase_fd))
    else:
        _fleet(engine, output)


def _fleet(engine: Engine, output: Output) -> None:
    now = datetime.now(UTC)
    found = engine.hosts.overview()
    if output.json:
        output.document([plain_value(host) for host in found])
        return
    rows = []
    for host in found:
        silent = host.newest is None or now - host.newest > _SILENT
        rows.append(
            (
                "warning" if silent else "ok",
                host.host,
                "SILENT" if silent else "reports",
                text.age(host.newest, now) if host.newest else "never",
                len(host.sources),
                host.snapshots,
                text.size(host.stored_bytes),
                f"{host.oldest_source} {text.age(host.oldest_newest, now)}"
                if host.oldest_newest
                else "",
            )
        )
    if not rows:
        output.line("no host has backed up here")
        return
    head = ("", "HOST", "", "NEWEST", "SOURCES", "SNAPSHOTS", "STORED", "FURTHEST BEHIND")
    output.table(head, rows, right=("SOURCES", "SNAPSHOTS", "STORED"), spare=("STORED",))
    output.line("whole hosts: mentat-dr hosts --sets HOST; mentat-dr restore --host HOST --plan")


def _sets(engine: Engine, output: Output, host: str) -> None:
    now = datetime.now(UTC)
    found = engine.hosts.sets(host)
    if output.json:
        output.document(
            [
                {
                    "host": entry.id.host,
                    "ref": entry.id.ref,
                    "at": entry.id.at,
                    "stored_bytes": entry.stored_bytes,
                    "signed": entry.signed,
                }
                for entry in found
            ]
        )
        return
    if not found:
        output.line(f"no recovery point of the whole host {host}")
        return
    rows = [(e.id.ref, text.age(e.id.at, now), "yes" if e.signed else "NO") for e in found]
    output.table(("SET", "AGE", "SIGNED"), rows)
    newest = engine.hosts.open(host)
    spread = text.span(newest.spread.total_seconds())
    output.line(f"newest: {len(newest.members)} sources, {spread} apart")
    for member in newest.members:
        stale = "" if member.fresh else "  OF AN EARLIER RUN"
        output.line(f"  {member.source}  {text.utc(member.recoverable_to)}  {member.ref}{stale}")
    for name in newest.missing:
        output.line(f"  {name}  NO SNAPSHOT", "critical")


def _facts(engine: Engine, output: Output, host: str, given: passphrases.Given) -> None:
    from engine.api.hosts import facts_shown

    facts = engine.hosts.facts(engine.hosts.open(host), passphrases.obtain(engine, given))
    shown = facts_shown(facts) if facts else {}
    if output.json:
        output.document(shown)
        return
    for name, value in shown.items():
        output.line(f"{name:13} {_words(value)}")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(item) for item in value)
    return str(value)
