"""`mentat-dr show SNAPSHOT`: its manifest, and whether the signature proves it."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from engine.api import DatabaseFacts, SnapshotDetail, TreeFacts
from engine.cli import selection, text
from engine.cli.completion import source_names
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output, plain_value


@click.command("show")
@click.argument("snapshot")
@click.option("--source", default="", metavar="NAME", shell_complete=source_names)
@click.option("--host", default="", metavar="HOST", help="Of this host (default: our own).")
@shared
@click.pass_obj
def command(invocation: Invocation, snapshot: str, source: str, host: str) -> None:
    """Show one snapshot: a ref, a unique start of an id, or latest (with --source).

    Exit 7 when its signature does not prove it.
    """
    engine = invocation.engine()
    detail = engine.detail(selection.choose(engine, snapshot, source, host).id)
    output = invocation.output
    if output.json:
        found: dict[str, object] = plain_value(detail)
        found["ref"] = detail.manifest.id.ref
        output.document(found)
    else:
        _show(output, detail, datetime.now(UTC))
    if not detail.signature.good:
        finish(7)


def _show(output: Output, detail: SnapshotDetail, now: datetime) -> None:
    manifest, signature = detail.manifest, detail.signature
    took = (manifest.finished - manifest.started).total_seconds()
    lines = [
        ("snapshot", manifest.id.ref),
        ("source", f"{manifest.id.source} on {manifest.id.host} ({manifest.kind})"),
        ("recoverable to", _moment(manifest.recoverable_to, now)),
        ("taken", f"{text.utc(manifest.started)}, in {text.span(took)}"),
        ("raw, stored", f"{text.size(manifest.raw_bytes)}, {text.size(manifest.stored_bytes)}"),
        ("encrypted to", ", ".join(manifest.recipients) or "a passphrase"),
        ("proven", _moment(detail.entry.proven_at, now) if detail.entry.proven_at else "NEVER"),
        ("engine", manifest.engine_version or "-"),
    ]
    if manifest.base:
        lines.append(("builds on", manifest.base))
    if manifest.database:
        lines += _database(manifest.database)
    if manifest.tree:
        lines += _tree(manifest.tree)
    lines += [("tool", f"{name} {version}") for name, version in manifest.tools.items()]
    for name, value in lines:
        output.line(f"{name:15} {value}")
    for artifact in manifest.artifacts:
        stored = f"{text.size(artifact.stored_bytes)} in {len(artifact.parts)} parts"
        output.line(f"{'artifact':15} {artifact.name}, {stored}")
        output.line(f"{'':15} sha256 {artifact.stored_sha256}")
    for warning in manifest.warnings:
        output.line(f"{'warning':15} {warning}", "warning")
    if signature.good:
        output.line(f"{'signature':15} good: {signature.signer or signature.fingerprint}", "ok")
    else:
        output.line(f"{'signature':15} NOT PROVEN: {signature.problem}", "critical")


def _moment(moment: datetime, now: datetime) -> str:
    return f"{text.utc(moment)} ({text.age(moment, now)})"


def _database(facts: DatabaseFacts) -> list[tuple[str, str]]:
    rows = sum(table.rows for table in facts.tables)
    unchecked = sum(1 for table in facts.tables if table.checksum is None)
    objects = ", ".join(f"{count} {name}" for name, count in facts.objects.items())
    lines = [
        ("server", f"{facts.flavor} {facts.version}"),
        ("schemas", ", ".join(facts.schemas) or "-"),
        ("tables", f"{len(facts.tables)}, {rows} rows; {unchecked} without checksum"),
        ("objects", objects or "-"),
    ]
    if facts.position:
        gtid = f", GTID {facts.position.gtid_set}" if facts.position.gtid_set else ""
        lines.append(("binlog", f"{facts.position.file}:{facts.position.position}{gtid}"))
    if facts.container:
        lines.append(("container", f"{facts.container} of {facts.image or '?'}"))
    return lines


def _tree(facts: TreeFacts) -> list[tuple[str, str]]:
    lines = [
        ("root", facts.root),
        ("paths", ", ".join(facts.paths)),
        ("members", str(facts.members)),
    ]
    if facts.volume:
        lines.append(("volume", f"{facts.volume}, quiesce {facts.quiesce}"))
    if facts.containers:
        lines.append(("mounted by", ", ".join(facts.containers)))
    return lines
