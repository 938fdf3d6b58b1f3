"""backup: one snapshot of each asked source; one source's failure never stops the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version

from engine.core.durations import parse_frequency
from engine.core.errors import MentatError, UsageError
from engine.core.events import Event, Output, Result, SnapshotCommitted, Warned
from engine.core.schedule import DEFAULT, due
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
from engine.operations import (
    backup_database,
    backup_physical,
    backup_tree,
    incremental,
    kit,
    recovery_text,
    sets,
)
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.repository import Listing, ListingFile, new_id
from engine.repository.writing import ArtifactWriter
from engine.settings import SourceSettings


def backup(ctx: Context, sources: Sequence[SourceSettings], method: Method | None = None) -> Result:
    """Back up each source in turn, a database by `method`, or by those that are due. A Result when
    at least every source has a snapshot; else the worst error, saying which sources have one and
    which have none."""
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
    started = ctx.clock()
    done: list[Manifest] = []
    failed: list[tuple[SourceSettings, MentatError]] = []
    for source in sources:
        for outcome in _outcomes(ctx, source, method):
            if isinstance(outcome, Manifest):
                done.append(outcome)
            else:
                failed.append((source, outcome))
                ctx.warn(outcome.code, outcome.message, source.name)
    if done:
        sets.write(ctx, sources, done, started)
        kit.upload_if_changed(ctx)
        _write_recovery_text(ctx)
    if failed:
        raise _summed(failed, done)
    stored = sum(manifest.stored_bytes for manifest in done)
    names = list(dict.fromkeys(manifest.id.source for manifest in done))
    summary = f"{len(names)} of {len(sources)} sources backed up: {', '.join(names)}"
    if warned:
        summary += f"; {len(warned)} warnings"
    facts = {
        "snapshots": [m.id.ref for m in done],
        "stored_bytes": stored,
        "raw_bytes": sum(m.raw_bytes for m in done),
    }
    return Result("warnings" if warned else "done", summary, facts)


def _outcomes(
    ctx: Context, source: SourceSettings, method: Method | None
) -> Iterator[Manifest | MentatError]:
    """A snapshot, or why there is none, for each method; one that fails stops no other."""
    methods: Sequence[Method] = (method or DEFAULT,)
    if source.kind == "database" and method is None and source.methods:
        try:
            methods = _due(ctx, source)
        except MentatError as unknown:
            yield unknown
            return
    for each in methods:
        try:
            with ctx.lease(source.name):
                manifest = backup_source(ctx, source, method=each)
        except Exception as problem:  # a defect, too, costs one source and no more
            error = _as_mentat(problem)
            if error.exit_code == 130:
                raise
            yield error
        else:
            yield manifest


def _due(ctx: Context, source: SourceSettings) -> Sequence[Method]:
    """The methods that the configuration's schedule asks for now."""
    newest: dict[Method, datetime] = {}
    for row in ctx.repository.entries(ctx.host, source.name):
        if row.committed and not row.aside:
            newest.setdefault(row.id.method, row.id.at)
    every: dict[Method, timedelta] = {}
    for name, spelt in source.methods.items():
        every["physical" if name == "physical" else "logical"] = parse_frequency(spelt)
    chosen = due(every, newest, ctx.clock())
    for each in chosen:
        ctx.emit(Output(f"{source.name}: {each.method}, {each.reason}"))
    return [each.method for each in chosen]


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
    names = ", ".join(dict.fromkeys(pair[0].name for pair in failed))
    saved = ", ".join(f"{m.id.source} ({m.id.method})" for m in done) or "none"
    error.message = f"no snapshot of {names} ({source.name}: {error.message}); saved: {saved}"
    error.args = (error.message,)
    return error


def backup_source(
    ctx: Context, source: SourceSettings, *, aside: bool = False, method: Method = "logical"
) -> Manifest:
    """Make one committed snapshot; the caller holds the lease of the source. aside marks it as
    data that a restore is about to replace. method: of a database; `full` makes a tree's snapshot
    a full one."""
    try:
        return _backup_source(ctx, source, aside, method)
    except incremental.Doubtful as doubt:
        ctx.emit(Output(f"{source.name}: {doubt.message}; a full snapshot is made instead"))
        return _backup_source(ctx, source, aside, "full")


def _backup_source(ctx: Context, source: SourceSettings, aside: bool, method: Method) -> Manifest:
    whole = aside or method == "full"
    method = method if source.kind == "database" else "full"
    session = Session(ctx, source, new_id(ctx.host, source.name, ctx.clock(), method), whole=whole)
    with session:
        if method == "physical":
            backup_physical.run(session)
        elif source.kind == "database":
            backup_database.run(session)
        else:
            backup_tree.run(session)
        manifest, snapshot = session.manifest(), session.snapshot
        with Phase(ctx.emit, f"commit {source.name}", "Write the manifest", source.name):
            for artifact in manifest.artifacts:
                ctx.repository.holds(snapshot, artifact)
            if aside:
                ctx.repository.set_aside(snapshot)
            if session.base:
                ctx.repository.mark_base(snapshot, session.base)
            for error in ctx.repository.commit(manifest):
                session.no_local_copy(error)
        session.committed = True
    if session.pack is not None and not aside:
        try:
            session.pack.keep(manifest)
        except OSError as error:
            ctx.warn("incremental", f"the next one is full: {error.strerror}", source.name)
    for line in manifest.warnings:
        ctx.warn("snapshot", line, source.name)
    files = manifest.tree.members if manifest.tree else len(manifest.artifacts)
    sizes = (manifest.stored_bytes, manifest.raw_bytes)
    ctx.emit(SnapshotCommitted(source.name, snapshot.ref, *sizes, files))
    return manifest


class Session:
    """One snapshot in the making. Left without `committed`, its debris is removed."""

    def __init__(
        self, ctx: Context, source: SourceSettings, snapshot: SnapshotId, *, whole: bool = False
    ) -> None:
        self.ctx = ctx
        self.whole = whole  # a full snapshot is asked for
        self.pack: incremental.Pack | None = None
        self.source = source
        self.snapshot = snapshot
        self.started = ctx.clock()
        self.recoverable_to: datetime = self.started
        self.artifacts: list[Artifact] = []
        self.warnings: list[str] = []
        self.tools: dict[str, str] = {}
        self.database: DatabaseFacts | None = None
        self.tree: TreeFacts | None = None
        self.committed = False
        self._local_told = False

    @property
    def kind(self) -> Kind:
        return self.source.kind

    @property
    def base(self) -> str:
        """The ref that this snapshot builds on; empty for none."""
        return self.pack.base if self.pack else ""

    def follow(self, tree: TreeFacts) -> str:
        """Whether this snapshot is an incremental one is settled here, before its first byte:
        tar's snapshot file, empty where the source is not followed."""
        self.pack = incremental.prepare(self.ctx, self.source, tree, full=self.whole)
        if self.pack is None:
            return ""
        method: Method = "incremental" if self.base else "full"
        self.ctx.emit(Output(f"{self.source.name}: {method}, {self.pack.choice.reason}"))
        self.snapshot = new_id(self.ctx.host, self.source.name, self.ctx.clock(), method)
        return self.pack.snapshot_file

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
            base=self.base,
            database=self.database,
            tree=self.tree,
            warnings=tuple(self.warnings),
            tools=dict(self.tools),
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
        kits = list(kit.newest(ctx).values()) if ctx.settings.kit else []
        text = recovery_text.render(ctx.settings, rows, ctx.clock(), kits)
        ctx.repository.write_recovery_text(text)
    except MentatError as error:
        ctx.warn("recovery-text", f"RECOVERY.md was not rewritten: {error.message}")
