"""`mentat-dr snapshots`: the inventory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from engine.api import Engine, SnapshotEntry
from engine.cli import selection, text
from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, shared
from engine.cli.output import Output
from engine.core.durations import parse_duration
from engine.core.errors import UsageError
from engine.core.snapshot import KINDS


@click.command("snapshots")
@click.option("--host", default="", metavar="HOST", help="Of this host (default: our own).")
@click.option("--all-hosts", is_flag=True, help="Of every host in the repository.")
@click.option("--source", default="", metavar="NAME", shell_complete=source_names)
@click.option("--kind", type=click.Choice(KINDS), default=None)
@click.option("--since", default="", metavar="AGE", help="Not older than this: 24h, 7d.")
@shared
@click.pass_obj
def command(
    invocation: Invocation, host: str, all_hosts: bool, source: str, kind: str | None, since: str
) -> None:
    """List the snapshots there are, newest first."""
    if host and all_hosts:
        raise UsageError("--host and --all-hosts exclude each other", "Give one of them.")
    now = datetime.now(UTC)
    oldest = now - _age(since) if since else None
    engine = invocation.engine()
    entries = [
        entry
        for entry in engine.snapshots(host="" if all_hosts else host or engine.settings.host)
        if (not source or entry.id.source == source) and (not oldest or entry.id.at >= oldest)
    ]
    if kind:
        kind_of = selection.fetched_kinds(engine)
        entries = [entry for entry in entries if kind_of(entry) == kind]
    output = invocation.output
    if output.json:
        told = selection.kinds(engine)
        output.document([document(entry, told(entry) or kind) for entry in entries])
    else:
        _show(output, engine, entries, now)


def _age(since: str) -> Any:
    try:
        return parse_duration(since)
    except ValueError as wrong:
        raise UsageError(f"--since: {wrong}", "For example: --since 7d") from None


def document(entry: SnapshotEntry, kind: str | None) -> dict[str, object]:
    """The JSON of an entry; kind null where only the manifest tells it."""
    return {
        "host": entry.id.host,
        "source": entry.id.source,
        "kind": kind,
        "ref": entry.id.ref,
        "at": entry.id.at,
        "method": entry.id.method,
        "id": entry.id.id,
        "stored_bytes": entry.stored_bytes,
        "signed": entry.signed,
        "proven_at": entry.proven_at,
    }


def _show(output: Output, engine: Engine, entries: list[SnapshotEntry], now: datetime) -> None:
    if not entries:
        output.line("no snapshots")
    else:
        own = engine.settings.host
        head = ("HOST", "SOURCE", "SNAPSHOT", "AGE", "STORED", "PROVEN", "SIGNED")
        rows = [
            (
                entry.id.host,
                entry.id.source,
                entry.id.ref,
                text.age(entry.id.at, now),
                text.size(entry.stored_bytes),
                text.age(entry.proven_at, now) if entry.proven_at else "NOT PROVEN",
                "yes" if entry.signed else "NO",
            )
            for entry in entries
        ]
        hidden = 1 if all(entry.id.host == own for entry in entries) else 0
        output.table(
            head[hidden:],
            [row[hidden:] for row in rows],
            right=("STORED",),
            spare=("SIGNED", "AGE"),
        )
        total = text.size(sum(entry.stored_bytes for entry in entries))
        output.line(f"{len(entries)} snapshots, {total} stored; times in refs are UTC")
    if engine.settings.repository.provider == "directory":
        output.line("!! NOTHING IS OFFSITE: these are on this machine, lost with it.", "critical")
