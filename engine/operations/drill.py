"""drill: a rehearsed recovery into throw-away containers, timed against its targets.

It restores by the code that a recovery in earnest runs, from the store alone, apart from everything
live. `full` begins with nothing but the bucket and the key: a state directory of its own, a keyring
with the one key, and what the bucket says there is.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from engine.core.durations import format_duration
from engine.core.errors import MentatError, StoreError, UsageError
from engine.core.events import Result
from engine.core.report import Check, Report, ReportKind, RtoMeasured, failed, passed, warning
from engine.core.snapshot import SnapshotEntry
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.recording import Recording
from engine.operations.restore_tree import staging_beside
from engine.operations.verify import Broken, conclude
from engine.operations.verify_restore import Testing, test_source
from engine.repository import Repository
from engine.settings import SourceSettings
from engine.settings_file.source import TARGETS

Kind = Literal["quick", "database", "volumes", "config", "full"]
KINDS: tuple[Kind, ...] = ("quick", "database", "volumes", "config", "full")
_REPORTS: dict[Kind, ReportKind] = {
    "quick": "drill-quick",
    "database": "drill-database",
    "volumes": "drill-volumes",
    "config": "drill-config",
    "full": "drill-full",
}
_ORDER = {"config": 0, "database": 1, "volume": 2, "observability": 3}

Fresh = Callable[[Path], AbstractContextManager[Repository]]
"""The bucket and the key, and nothing else, with this directory as its whole state."""


def drill(ctx: Context, kind: Kind, passphrase: str | None, fresh: Fresh) -> Result:
    """Hold the drill; its report is kept whatever comes of it. DamageError when something could
    not be recovered; a missed target is a warning."""
    chosen = [] if kind == "full" else _chosen(ctx, kind)

    def work(recording: Recording) -> None:
        if kind == "full":
            _full(recording, passphrase, fresh)
        else:
            _some(recording, chosen, passphrase)

    try:
        report = _held(ctx, kind, work)
    except Broken as broken:
        return conclude(ctx, [broken.report], [broken.error])
    return conclude(ctx, [report], [])


def _held(ctx: Context, kind: Kind, work: Callable[[Recording], None]) -> Report:
    recording = Recording(ctx, _REPORTS[kind], ctx.repository.store.name)
    try:
        work(recording)
    except MentatError as error:
        if error.exit_code == 130:
            raise
        name = "reachable" if isinstance(error, StoreError) else "drill"
        recording.checks.append(failed(name, "", error.message, error.remedy or "mentat-dr doctor"))
        raise Broken(recording.report(), error) from error
    return recording.report()


def _chosen(ctx: Context, kind: Kind) -> list[SourceSettings]:
    """The sources of a drill that is not full. UsageError when there is none."""
    sources = ctx.settings.sources
    if kind == "quick":
        return list(sources)
    wanted = {
        "database": [s for s in sources if s.kind == "database"],
        "volumes": [s for s in sources if s.volume],
        "config": [s for s in sources if s.paths],
    }[kind]
    if not wanted:
        raise UsageError(
            f"no source belongs to a drill of {kind}", "Hold another: mentat-dr drill full"
        )
    return wanted


def _some(recording: Recording, chosen: Sequence[SourceSettings], passphrase: str | None) -> None:
    outer = recording.outer
    repository = Repository(outer.repository.store, outer.repository.cipher)
    ctx = replace(recording.ctx, repository=repository)
    repository.cipher.check_secret(passphrase)
    if recording.kind == "drill-quick":
        chosen = [_smallest(ctx, chosen)]
    for source in chosen:
        test_source(Testing(recording, ctx, passphrase), source)
    judge_rto(recording)


def _smallest(ctx: Context, sources: Sequence[SourceSettings]) -> SourceSettings:
    """The one whose newest snapshot is the smallest, databases first. UsageError for none."""
    found = []
    for source in sources:
        rows = [r for r in ctx.repository.entries(ctx.host, source.name) if r.committed]
        if rows:
            found.append((source.kind != "database", rows[0].stored_bytes, source.name, source))
    if not found:
        raise UsageError("there is no snapshot to drill with", "mentat-dr backup")
    return min(found)[3]


def _full(recording: Recording, passphrase: str | None, fresh: Fresh) -> None:
    """Everything of this host, from nothing; all of it stands at once before it is taken away."""
    outer = recording.outer
    began = time.monotonic()
    with contextlib.ExitStack() as ends:
        state, _note = ends.enter_context(staging_beside(outer, Path(tempfile.gettempdir())))
        ends.callback(shutil.rmtree, state)
        with Phase(recording.ctx.emit, "prepare", "An empty state directory, the key, the bucket"):
            bare = ends.enter_context(fresh(state))
            bare.cipher.check_secret(passphrase)
            ctx = replace(recording.ctx, repository=bare, state=state)
            sources = _known_to_bucket(ctx, outer.settings.sources)
        held = ends.enter_context(contextlib.ExitStack())
        testing = Testing(recording, ctx, passphrase, home=outer.state, held=held)
        for source in sources:
            test_source(testing, source)
        _whole(recording, sources, time.monotonic() - began)
    judge_rto(recording)


def _whole(recording: Recording, sources: Sequence[SourceSettings], seconds: float) -> None:
    """The time of the whole, where all of it was recovered."""
    proven = {rto.source for rto in recording.rto}
    missing = [source.name for source in sources if source.name not in proven]
    if missing or not sources:
        return
    recording.rto.append(
        RtoMeasured(
            source="",
            kind="whole",
            seconds=round(seconds, 3),
            target_seconds=recording.outer.settings.drill.rto.total_seconds(),
            bytes=sum(rto.bytes for rto in recording.rto),
            stored_bytes=sum(rto.stored_bytes for rto in recording.rto),
        )
    )
    recording.checks.append(
        passed("whole", "", f"all {len(sources)} sources stood at once, from bucket and key alone")
    )


def _known_to_bucket(ctx: Context, configured: Sequence[SourceSettings]) -> list[SourceSettings]:
    """What the bucket has of this host, with the targets of the configuration where it names the
    source; and what the configuration names that the bucket has not. Configuration first."""
    rows = ctx.repository.entries(ctx.host)
    known = {source.name: source for source in configured}
    for row in rows:
        if row.committed and not row.aside and row.id.source not in known:
            known[row.id.source] = _unconfigured(ctx, row)
    if not known:
        raise UsageError(f"the bucket has nothing of {ctx.host}", "mentat-dr backup")
    return sorted(known.values(), key=lambda source: (_ORDER[source.kind], source.name))


def _unconfigured(ctx: Context, row: SnapshotEntry) -> SourceSettings:
    kind = ctx.repository.trusted(row.id).kind
    rpo, rto = TARGETS[kind]
    return SourceSettings(row.id.source, kind, rpo, rto)


def judge_rto(recording: Recording) -> None:
    """A check for each measured time against its target."""
    recording.checks += [_rto_check(rto) for rto in recording.rto]


def _rto_check(rto: RtoMeasured) -> Check:
    from datetime import timedelta

    took = format_duration(timedelta(seconds=rto.seconds))
    target = format_duration(timedelta(seconds=rto.target_seconds))
    what = f"recovered in {took} of {target}"
    facts = {"seconds": rto.seconds, "target_seconds": rto.target_seconds}
    if rto.met:
        return passed("rto", rto.source, what, **facts)
    return warning(
        "rto",
        rto.source,
        f"{what}: the target is missed",
        "See the report's phases for what takes longest; physical snapshots load faster.",
        **facts,
    )
