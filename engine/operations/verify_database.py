"""A database snapshot restored for a test: the restore that an operator would start, then a server
on the restored files that is asked everything, then both thrown away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from engine.core.assertions import holds
from engine.core.errors import DatabaseError, MentatError, UsageError
from engine.core.report import Check, failed, passed, warning
from engine.core.snapshot import DatabaseFacts
from engine.operations import isolation, restore_database
from engine.operations.progress import Phase
from engine.operations.restore import Restoring
from engine.operations.restore_tree import LABEL
from engine.operations.streams import unpack
from engine.ports import Database

_READY_SECONDS = 180.0
# Alone, without accounts or binlogs; the events of the restored database must not run.
_ALONE = ("--skip-grant-tables", "--skip-log-bin", "--event-scheduler=OFF")
_LOOK = "Nothing live was touched. Try an earlier snapshot, and look at the source itself."


def test(
    restoring: Restoring, serves: Callable[[], None], held: ExitStack, _home: Path
) -> tuple[Check, ...]:
    """Restore, compare, probe; the checks. `serves` is called when the restored copy is proven and
    answers; what was made goes with `held`. RestoreDiffers and the like when it cannot be
    restored."""
    facts = restore_database.facts_of(restoring)
    image = facts.image or (restoring.source.image if restoring.source else "")
    if not image:
        return _stream_only(restoring, serves)
    manifest = replace(restoring.manifest, database=replace(facts, image=image))
    restoring = replace(restoring, manifest=manifest)
    name, ctx = restoring.request.source, restoring.ctx
    held.enter_context(isolation.made_here(ctx))
    result = restore_database.run(restoring)
    serves()
    checks = [_compared(name, result.facts, facts)]
    ctx.containers().stop(restoring.request.target.name)
    with Phase(ctx.emit, f"probe {name}", "CHECK TABLE, rows of our own, assertions", name):
        checks += _probed(restoring, image, str(result.facts["volume"]))
    return tuple(checks)


def _compared(source: str, found: object, facts: DatabaseFacts) -> Check:
    counted = found if isinstance(found, dict) else {}
    tables, rows = len(facts.tables), sum(table.rows for table in facts.tables)
    summed = sum(table.checksum is not None for table in facts.tables)
    if not facts.tables:
        return warning(
            "table-rows",
            source,
            "the manifest names no row counts to compare with",
            "A logical backup counts them; see the manifest's warnings: mentat-dr show",
        )
    return passed(
        "table-rows",
        source,
        f"{tables} tables and {rows} rows are as in the manifest, {summed} by checksum",
        tables=tables,
        rows=rows,
        checksums=summed,
        bytes=int(counted.get("bytes", 0) or 0),
    )


def _probed(restoring: Restoring, image: str, volume: str) -> list[Check]:
    """Start a server of its own on the restored volume and ask it."""
    ctx, facts = restoring.ctx, restore_database.facts_of(restoring)
    containers = ctx.containers()
    name = f"{restoring.request.target.name}-probe"
    directory = facts.data_directory.rstrip("/") or "/var/lib/mysql"
    containers.create_like(
        None,
        image=image,
        name=name,
        mounts={volume: directory},
        labels={LABEL: "verify"},
        network="none",
        command=_ALONE,
    )
    containers.start(name)
    database = ctx.database(restore_database.way_in(restoring, name, ""), name)
    database.physical.await_answer(_READY_SECONDS)
    return [
        _check_tables(restoring.request.source, database, facts),
        _round_trip(restoring.request.source, database),
        *_asserted(restoring, database),
    ]


def _check_tables(source: str, database: Database, facts: DatabaseFacts) -> Check:
    damaged = database.probes.damaged([(t.schema, t.table) for t in facts.tables])
    if damaged:
        more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
        said = f"CHECK TABLE finds damage: {'; '.join(damaged[:3])}{more}"
        return failed("check-table", source, said, _LOOK, damaged=len(damaged))
    count = len(facts.tables)
    return passed("check-table", source, f"CHECK TABLE finds {count} tables whole", tables=count)


def _round_trip(source: str, database: Database) -> Check:
    try:
        database.probes.round_trip()
    except DatabaseError as error:
        return failed("crud", source, error.message, error.remedy or _LOOK)
    return passed("crud", source, "rows were made, read, changed and deleted")


def _asserted(restoring: Restoring, database: Database) -> Sequence[Check]:
    checks = []
    source = restoring.source
    for number, assertion in enumerate(source.assertions if source else (), 1):
        name = f"assertion-{number}"
        shown = assertion.sql if len(assertion.sql) <= 120 else assertion.sql[:119] + "…"
        try:
            found = database.probes.ask(assertion.sql)
        except MentatError as error:
            said = f"{shown}: {error.message}"
            checks.append(failed(name, restoring.request.source, said, _LOOK))
            continue
        if holds(assertion.expected, found):
            words = f"{shown} is {found}"
            checks.append(passed(name, restoring.request.source, words))
        else:
            got = "nothing" if found is None else found
            said = f"{shown} is {got}, expected {assertion.expected}"
            checks.append(failed(name, restoring.request.source, said, _LOOK))
    return checks


def _stream_only(restoring: Restoring, serves: Callable[[], None]) -> tuple[Check, ...]:
    """Where no image is known to restore into, the stream is proven, and said to be no more."""
    ctx, source = restoring.ctx, restoring.request.source
    if restoring.snapshot.method == "physical":
        raise UsageError(
            "no image is known to restore these files into",
            f'Name one in the configuration: image = "..." for source {source}',
        )
    size = restoring.manifest.raw_bytes
    with Phase(ctx.emit, f"prove {source}", "Download and prove", source, size) as phase:
        for artifact in restoring.manifest.artifacts:
            unpack(ctx, restoring.snapshot, artifact, None, restoring.passphrase, phase)
    serves()
    return (
        warning(
            "restored",
            source,
            "the SQL is whole, but no server has loaded it: no image is known to load it into",
            f'Name one in the configuration: image = "..." for source {source}',
        ),
    )
