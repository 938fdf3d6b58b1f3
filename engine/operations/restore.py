"""restore: a snapshot to a directory, into a fresh container, or in place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from engine.core.errors import MentatError, UsageError
from engine.core.events import Result
from engine.core.recovery import RestoreRequest
from engine.core.snapshot import Manifest, SnapshotId
from engine.operations import restore_database, restore_tree
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.repository import ListingFile, choose
from engine.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class Restoring:
    """One restore under way. `source` is None where the configuration no longer names it."""

    ctx: Context
    request: RestoreRequest
    manifest: Manifest
    source: SourceSettings | None
    passphrase: str | None

    @property
    def snapshot(self) -> SnapshotId:
        return self.manifest.id

    @property
    def stamp(self) -> str:
        """Names what this restore makes: time and the job's own end."""
        return f"{self.ctx.clock():%Y%m%dT%H%MZ}-{self.ctx.job_id[-4:]}"


def restore(ctx: Context, request: RestoreRequest, passphrase: str | None) -> Result:
    """Bring a snapshot back. Everything that can be refused is refused before anything is made;
    live data is touched only after the restored copy was verified beside it."""
    manifest = find_manifest(ctx, request)
    source = next((s for s in ctx.settings.sources if s.name == request.source), None)
    restoring = Restoring(ctx, request, manifest, source, passphrase)
    needed = confirm_name(manifest, source, request)
    if needed and request.confirm != needed:
        raise UsageError(
            f"this changes live data: the name {needed} must be given to confirm it",
            f"Look at --plan, then add --confirm {needed}",
        )
    with Phase(ctx.emit, "key", "Prove the key"):
        ctx.repository.cipher.check_secret(passphrase)
    with _held(restoring):
        if manifest.kind == "database":
            result = restore_database.run(restoring)
        else:
            result = restore_tree.run(restoring)
    _record_proof(restoring, result)
    return result


def find_manifest(ctx: Context, request: RestoreRequest) -> Manifest:
    """The trusted manifest of the snapshot that is asked for."""
    host = request.host or ctx.host
    rows = ctx.repository.restorable(host, request.source)
    chosen = choose(rows, request.snapshot, request.source)
    return ctx.repository.trusted(chosen.id, request.accept_unsigned)


def confirm_name(manifest: Manifest, source: SourceSettings | None, request: RestoreRequest) -> str:
    """What must be typed before live data is switched; empty when none is touched."""
    if request.target.where != "in-place":
        return ""
    if manifest.database is not None:
        container = (source.container if source else "") or manifest.database.container
        return container or request.source
    if manifest.tree is not None and manifest.tree.volume:
        return (source.volume if source else "") or manifest.tree.volume
    return request.source


@contextlib.contextmanager
def _held(restoring: Restoring) -> Iterator[None]:
    if restoring.request.target.where == "in-place":
        with restoring.ctx.lease(restoring.request.source):
            yield
    else:
        yield


def _record_proof(restoring: Restoring, result: Result) -> None:
    """A restore that verified its result is a proof; keep it where the snapshot is. SQL text that
    no server has loaded proves no database, nor does a manifest that only the operator trusts."""
    if restoring.request.accept_unsigned:
        return
    if restoring.manifest.kind == "database" and restoring.request.target.where == "directory":
        return
    ctx = restoring.ctx
    at = ctx.clock()
    try:
        ctx.repository.record_proof(
            restoring.snapshot,
            at,
            "restored",
            {"job": ctx.job_id, "summary": result.summary, **dict(result.facts)},
        )
    except MentatError as error:
        ctx.warn("proof", f"the proof could not be kept: {error.message}", restoring.request.source)
        return
    ListingFile(ctx.state).mark_proven(ctx.settings.repository.shown, restoring.snapshot, at)
