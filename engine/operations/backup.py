"""backup: one snapshot of each asked source; one source's failure never stops the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from engine.core.errors import MentatError, UsageError
from engine.core.events import Event, Result, SnapshotCommitted, Warned
from engine.core.snapshot import (
    FORMAT_VERSION,
    Artifact,
    DatabaseFacts,
    Kind,
    Manifest,
    Method,
    SnapshotId,
    TreeFacts,
)
from engine.operations import backup_database, backup_tree, recovery_text
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.repository import Listing, ListingFile, new_id
from engine.repository.writing import ArtifactWriter
from engine.settings import SourceSettings


def backup(ctx: Context, sources: Sequence[SourceSettings]) -> Result:
    """Back up each source in turn. A Result when at least every source has a snapshot; else the
    worst error, saying which sources have one and which have none."""
    if not sources:
        raise UsageError("there is no source to back up", "Add a [[source]] to the configuration.")
    warned: list[Warned] = []
    tell = ctx.emit

    def emit(event: Event) -> None:
        if isinstance(event, Warned):
            warned.append(event)
        tell(event)

    ctx = replace(ctx, emit=emit)
    ctx.repository.cipher.recipients()  # a key that cannot encrypt fails before any dump
    done: list[Manifest] = []
    failed: list[tuple[SourceSettings, MentatError]] = []
    for source in sources:
        try:
            with ctx.lease(source.name):
                done.append(backup_source(ctx, source))
        except Exception as problem:  # a defect, too, costs one source and no more
            error = _as_mentat(problem)
            if error.exit_code == 130:
                raise
            failed.append((source, error))
            ctx.warn(error.code, error.message, source.name)
    if done:
        _write_recovery_text(ctx)
    if failed:
        raise _summed(failed, done)
    stored = sum(manifest.stored_bytes for manifest in done)
    names = ", ".join(manifest.id.source for manifest in done)
    summary = f"{len(done)} of {len(sources)} sources backed up: {names}"
    if warned:
        summary += f"; {len(warned)} warnings"
    facts = {
        "snapshots": [m.id.ref for m in done],
        "stored_bytes": stored,
        "raw_bytes": sum(m.raw_bytes for m in done),
    }
    return Result("warnings" if warned else "done", summary, facts)


def _as_mentat(problem: Exception) -> MentatError:
    if isinstance(problem, MentatError):
        return problem
    error = MentatError(
        f"{type(problem).__name__}: {problem}",
        "This is a defect of mentat-dr, or of this machine: see the job's journal.",
    )
    error.__cause__ = problem  # its traceback goes to the journal
    return error


def _summed(
    failed: Sequence[tuple[SourceSettings, MentatError]], done: Sequence[Manifest]
) -> MentatError:
    source, error = max(failed, key=lambda pair: pair[1].exit_code)
    if len(failed) == 1 and not done:
        return error
    names = ", ".join(pair[0].name for pair in failed)
    saved = ", ".join(m.id.source for m in done) or "none"
    error.message = f"no snapshot of {names} ({source.name}: {error.message}); saved: {saved}"
    error.args = (error.message,)
    return error


def backup_source(ctx: Context, source: SourceSettings, *, aside: bool = False) -> Manifest:
    """Make one committed snapshot; the caller holds the lease of the source. aside marks it as
    data that a restore is about to replace."""
    method: Method = "logical" if source.kind == "database" else "full"
    snapshot = new_id(ctx.host, source.name, ctx.clock(), method)
    session = Session(ctx, source, snapshot)
    with session:
        if source.kind == "database":
            backup_database.run(session)
        else:
            backup_tree.run(session)
        manifest = session.manifest()
        with Phase(ctx.emit, f"commit {source.name}", "Write the manifest", source.name):
            for artifact in manifest.artifacts:
                ctx.repository.holds(snapshot, artifact)
            if aside:
                ctx.repository.set_aside(snapshot)
            for error in ctx.repository.commit(manifest):
                session.no_local_copy(error)
        session.committed = True
    for line in manifest.warnings:
        ctx.warn("snapshot", line, source.name)
    ctx.emit(
        SnapshotCommitted(source.name, snapshot.ref, manifest.stored_bytes, manifest.raw_bytes)
    )
    return manifest


class Session:
    """One snapshot in the making. Left without `committed`, its debris is removed."""

    def __init__(self, ctx: Context, source: SourceSettings, snapshot: SnapshotId) -> None:
        self.ctx = ctx
        self.source = source
        self.snapshot = snapshot
        self.started = ctx.clock()
        self.recoverable_to: datetime = self.started
        self.artifacts: list[Artifact] = []
        self.warnings: list[str] = []
        self.database: DatabaseFacts | None = None
        self.tree: TreeFacts | None = None
        self.committed = False
        self._local_told = False

    @property
    def kind(self) -> Kind:
        return self.source.kind

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[ArtifactWriter]:
        """A writer that is aborted unless the block ends well; the block completes it."""
        writer = self.ctx.repository.write_artifact(self.snapshot, name)
        try:
            yield writer
        except BaseException:
            writer.abort()
            raise
        if writer.local_error is not None:
            self.no_local_copy(writer.local_error)

    def no_local_copy(self, error: MentatError) -> None:
        """Say so once: what follows from the first failure tells nothing new."""
        if not self._local_told:
            self._local_told = True
            self.ctx.warn("local-tier", f"no local copy: {error.message}", self.source.name)

    def manifest(self) -> Manifest:
        return Manifest(
            format=FORMAT_VERSION,
            id=self.snapshot,
            kind=self.source.kind,
            started=self.started,
            finished=self.ctx.clock(),
            recoverable_to=self.recoverable_to,
            artifacts=tuple(self.artifacts),
            recipients=self.ctx.repository.cipher.recipients(),
            database=self.database,
            tree=self.tree,
            warnings=tuple(self.warnings),
            engine_version=engine_version(),
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.committed:
            self.ctx.repository.discard(self.snapshot)


def engine_version() -> str:
    try:
        return version("mentat-dr")
    except PackageNotFoundError:
        return "unknown"


def _write_recovery_text(ctx: Context) -> None:
    """Rewrite RECOVERY.md and keep the listing it was made from; failing at either is a warning,
    since the snapshots are there."""
    try:
        now = ctx.clock()
        rows = ctx.repository.entries()
        ListingFile(ctx.state).save(Listing(now, ctx.settings.repository.shown, tuple(rows)))
        ctx.repository.write_recovery_text(recovery_text.render(ctx.settings, rows, ctx.clock()))
    except MentatError as error:
        ctx.warn("recovery-text", f"RECOVERY.md was not rewritten: {error.message}")
