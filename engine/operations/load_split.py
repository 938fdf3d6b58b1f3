"""A logical dump loaded, or written to a file, statement by statement; all of it, or the schemas
and tables that were asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.dump_split import Selection, Statement, split
from engine.core.errors import DatabaseError, NoSpace, UsageError
from engine.core.recovery import RestoreRequest
from engine.core.snapshot import Artifact, DatabaseFacts
from engine.operations.progress import Phase
from engine.operations.streams import unpack

if TYPE_CHECKING:
    from engine.operations.restore import Restoring

_FULL = 28  # ENOSPC


def selection_of(request: RestoreRequest) -> Selection:
    return Selection(frozenset(request.schemas), frozenset(request.tables))


def selected(facts: DatabaseFacts, selection: Selection) -> DatabaseFacts:
    """What the manifest says of the selected part. Counts of objects are of all schemas, so they
    say nothing of some. UsageError for what is not in the snapshot."""
    if selection.everything:
        return facts
    named = selection.schemas | {schema for schema, _ in selection.tables}
    missing = sorted(named - set(facts.schemas))
    if missing:
        raise UsageError(
            f"the snapshot holds no schema {', '.join(missing)}",
            f"It holds: {', '.join(facts.schemas)}",
        )
    wanted = tuple(
        t
        for t in facts.tables
        if t.schema in selection.schemas or (t.schema, t.table) in selection.tables
    )
    return replace(facts, schemas=tuple(sorted(named)), tables=wanted, objects={}, position=None)


def feed(
    restoring: Restoring, artifact: Artifact, take: Callable[[Statement], None], phase: Phase
) -> None:
    """Prove the whole stream, and give `take` the statements that were asked for, in order, from
    one thread. DatabaseError when a table that was named did not come."""
    selection = selection_of(restoring.request)
    seen: set[tuple[str, str]] = set()

    def read(chunks: Iterator[bytes]) -> None:
        for statement in split(chunks):
            if selection.wants(statement):
                seen.add((statement.schema, statement.table))
                take(statement)

    unpack(
        restoring.ctx,
        restoring.snapshot,
        artifact,
        None,
        restoring.passphrase,
        phase,
        reader=read,
    )
    missing = sorted(f"{schema}.{table}" for schema, table in selection.tables - seen)
    if missing:
        raise DatabaseError(
            f"the snapshot holds no table {', '.join(missing)}",
            "Names are case-sensitive; `mentat-dr show` lists what a snapshot holds.",
        )


def write(restoring: Restoring, artifact: Artifact, file: Path, phase: Phase) -> None:
    """The selected part as SQL text, on the disk. UsageError when the snapshot does not hold it."""
    if restoring.manifest.database is not None:
        selected(restoring.manifest.database, selection_of(restoring.request))
    try:
        with file.open("xb") as stream:

            def take(statement: Statement) -> None:
                if statement.role == "locks":
                    return  # the file holds other tables than were locked together
                stream.write(statement.body)
                for piece in statement.more:
                    stream.write(piece)

            feed(restoring, artifact, take, phase)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        if error.errno != _FULL:
            raise
        raise NoSpace(
            f"the disk is full: {file}", "Free space or choose another target."
        ) from error
