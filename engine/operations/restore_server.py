"""Restoring a database in place on a server that runs in no container.

Such a server has no second place to stand beside itself, so the order is: prove every byte of the
snapshot, save what is live as a snapshot of its own, drop the schemas, load, compare. When the
load fails, the saved snapshot is loaded again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.core.errors import DatabaseError, MentatError, UsageError
from engine.core.events import Result
from engine.core.snapshot import DatabaseFacts, Manifest
from engine.operations.progress import Phase
from engine.operations.streams import unpack
from engine.ports import Database
from engine.settings import SourceSettings

if TYPE_CHECKING:
    from engine.operations.restore import Restoring


def run(restoring: Restoring) -> Result:
    """See the module. UsageError when the configuration does not name the server any more."""
    from engine.operations.restore_database import load

    ctx = restoring.ctx
    source, facts = _known(restoring)
    database = ctx.database(source, "")
    _prove(restoring)
    present = database.present(facts.schemas)
    saved = _save(restoring, source, list(present)) if present else None
    try:
        database.drop(facts.schemas)
        checked = load(restoring, database)
    except MentatError as error:
        if saved is None:
            raise
        _go_back(restoring, database, saved, error)
        raise
    ref = saved.id.ref if saved else ""
    kept = f"; what was there before is the snapshot {ref}" if ref else ""
    return Result(
        "done",
        f"{source.name} is restored: {checked['tables']} tables, {checked['rows']} rows "
        f"compared{kept}",
        {**checked, "target": source.name, "before": ref},
    )


def _known(restoring: Restoring) -> tuple[SourceSettings, DatabaseFacts]:
    facts = restoring.manifest.database
    if restoring.source is None:
        raise UsageError(
            f"no source {restoring.request.source} is configured, so its server is not known",
            "Add it to the configuration, or use --to DIR.",
        )
    if facts is None:
        raise DatabaseError("the manifest says nothing of a database", "Choose another snapshot.")
    return restoring.source, facts


def _prove(restoring: Restoring) -> None:
    """Read the whole snapshot once and drop it: nothing live is touched before it is whole."""
    ctx, name = restoring.ctx, restoring.request.source
    size = restoring.manifest.raw_bytes
    with Phase(ctx.emit, f"prove {name}", "Download and prove", name, size) as phase:
        for artifact in restoring.manifest.artifacts:
            unpack(ctx, restoring.snapshot, artifact, None, restoring.passphrase, phase)


def _save(restoring: Restoring, source: SourceSettings, schemas: list[str]) -> Manifest:
    from engine.operations.backup import backup_source

    ctx = restoring.ctx
    try:
        saved = backup_source(ctx, replace(source, schemas=tuple(schemas)), aside=True)
    except MentatError as error:
        raise DatabaseError(
            f"what is live could not be saved first: {error.message}",
            "Nothing was changed. Mend this, drop the schemas yourself if they are worthless, or "
            "use --to DIR.",
        ) from error
    ctx.warn(
        "saved-first",
        f"what was live is the snapshot {saved.id.ref} of {source.name}",
        source.name,
    )
    return saved


def _go_back(restoring: Restoring, database: Database, saved: Manifest, error: MentatError) -> None:
    """Load what was live before. When that fails too, the error says where it is."""
    from engine.operations.restore_database import load

    assert saved.database is not None
    before = replace(restoring, manifest=saved)
    restoring.ctx.warn("going-back", f"{error.message}; loading what was there before")
    try:
        database.drop(restoring.manifest.database.schemas if restoring.manifest.database else ())
        load(before, database)
    except MentatError as second:
        error.message += f"; and what was live could not be loaded again: {second.message}"
        error.remedy = (
            f"It is safe: mentat-dr restore {saved.id.ref} --source {saved.id.source} --to in-place"
        )
        error.args = (error.message,)
        return
    restoring.ctx.warn("went-back", f"what was live before is back, from {saved.id.ref}")
