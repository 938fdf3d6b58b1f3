"""verify restore: the newest snapshot of each source, restored from the store itself into something
that is thrown away, compared with its manifest, probed, and recorded as proven.

The local tier and replicas are left out: a proof is of the store that it was read from.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import MentatError, StoreError
from engine.core.events import Warned
from engine.core.recovery import RestoreRequest, Target
from engine.core.report import Check, Report, RtoMeasured, failed, passed, warning
from engine.core.snapshot import Manifest, SnapshotEntry
from engine.operations import isolation, verify_database, verify_tree
from engine.operations.context import Context
from engine.operations.recording import Recording
from engine.operations.restore import Restoring
from engine.repository import ListingFile, Repository, choose
from engine.settings import SourceSettings

if TYPE_CHECKING:
    from engine.operations.verify import Asked

_NOT_PROVEN = "The newest snapshot is not proven. Try an earlier one: mentat-dr snapshots"


def verify_restore(ctx: Context, asked: Asked) -> Report:
    """A report with one proof, or what kept it from being one, per source. Broken when the store
    or the key fails as a whole."""
    from engine.operations.verify import Broken

    repository = Repository(ctx.repository.store, ctx.repository.cipher)
    recording = Recording(ctx, "verify-restore", repository.store.name)
    inner = replace(recording.ctx, repository=repository)
    try:
        repository.cipher.check_secret(asked.passphrase)
        for source in asked.sources:
            test_source(Testing(recording, inner, asked.passphrase), source)
    except MentatError as error:
        if error.exit_code == 130:
            raise
        name = "reachable" if isinstance(error, StoreError) else "key"
        recording.checks.append(failed(name, "", error.message, error.remedy or "mentat-dr doctor"))
        raise Broken(recording.report(), error) from error
    if not asked.sources:
        recording.checks.append(
            failed("sources", "", "no source is configured", "Add a [[source]].")
        )
    return recording.report()


@dataclass(frozen=True, slots=True)
class Testing:
    """How sources are tested. `ctx` reads from the one store. home: the state directory the job
    belongs to, where it is not the context's own. held: what was restored stays until this is
    closed, instead of the end of its own test."""

    recording: Recording
    ctx: Context
    passphrase: str | None
    home: Path | None = None
    held: ExitStack | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """A restore test that came to its end. seconds: from asking for the snapshot to a copy that
    is proven and serves, without the probes that only a test makes."""

    manifest: Manifest
    seconds: float
    checks: tuple[Check, ...]

    @property
    def proven(self) -> bool:
        """False where a check failed, or says itself that nothing was loaded."""
        return not any(c.outcome == "failed" or c.name == "restored" for c in self.checks)


def test_source(testing: Testing, source: SourceSettings) -> Tested | None:
    """Test the newest snapshot of one source and tell the checks; None when it is not proven.
    StoreError when the store does not answer; what else fails is a failed check."""
    recording, ctx, name = testing.recording, testing.ctx, source.name
    rows = ctx.repository.entries(ctx.host, name)
    entry = _newest(rows, name)
    if entry is None:
        recording.checks.append(
            failed("restored", name, "there is no snapshot to restore", f"mentat-dr backup {name}")
        )
        return None
    before = len(recording.warned)
    began = time.monotonic()
    try:
        manifest = ctx.repository.trusted(entry.id)
        tested = _tested(testing, source, manifest, began)
    except StoreError:
        raise
    except MentatError as error:
        if error.exit_code == 130:
            raise
        recording.checks.append(_failed_by(entry, error))
        return None
    recording.checks += tested.checks
    recording.checks += [_warned(name, told) for told in recording.warned[before:]]
    if not tested.proven:
        return None
    recording.rto.append(
        RtoMeasured(
            source=name,
            kind=source.kind,
            seconds=round(tested.seconds, 3),
            target_seconds=source.rto.total_seconds(),
            snapshot=manifest.id.ref,
            bytes=manifest.raw_bytes,
            stored_bytes=manifest.stored_bytes,
        )
    )
    recording.checks += _prove(recording, ctx, tested)
    return tested


def _newest(rows: list[SnapshotEntry], source: str) -> SnapshotEntry | None:
    if not any(row.committed and not row.aside for row in rows):
        return None
    return choose(rows, "latest", source)


def _failed_by(entry: SnapshotEntry, error: MentatError) -> Check:
    return failed(
        "restored",
        entry.id.source,
        f"{entry.id.ref} could not be restored: {error.message}",
        error.remedy or _NOT_PROVEN,
        snapshot=entry.id.ref,
        code=error.code,
    )


def _warned(source: str, told: Warned) -> Check:
    return warning(
        f"restore-{told.code}",
        told.source or source,
        told.message,
        "See the job's journal; a restore in earnest will say the same.",
    )


def _tested(testing: Testing, source: SourceSettings, manifest: Manifest, began: float) -> Tested:
    ctx = testing.ctx
    home = testing.home or ctx.state
    apart = isolation.isolated(ctx, home)
    target = Target("container", name=f"mentat-dr-test-{source.name}-{ctx.job_id[-6:]}")
    request = RestoreRequest(source.name, manifest.id.ref, target, host=manifest.id.host)
    restoring = Restoring(apart, request, manifest, source, testing.passphrase)
    served: list[float] = []

    def serves() -> None:
        served.append(time.monotonic() - began)

    test = verify_database.test if manifest.kind == "database" else verify_tree.test
    with ExitStack() as own:
        checks = test(restoring, serves, testing.held or own, home)
    return Tested(manifest, served[-1], checks)


def _prove(recording: Recording, ctx: Context, tested: Tested) -> list[Check]:
    """Record the proof where the snapshot is; failing at that is a warning, for it was restored."""
    snapshot, at = tested.manifest.id, ctx.clock()
    facts = {
        "job": ctx.job_id,
        "report": f"{recording.kind}",
        "seconds": round(tested.seconds, 3),
        "checks": [check.name for check in tested.checks],
    }
    try:
        ctx.repository.record_proof(snapshot, at, "restored", facts)  # all read from one store
    except MentatError as error:
        return [
            warning(
                "proof",
                snapshot.source,
                f"{snapshot.ref} is proven, but that could not be recorded: {error.message}",
                error.remedy or "Run it again.",
            )
        ]
    ListingFile(ctx.state).mark_proven(ctx.settings.repository.shown, snapshot, at)
    words = f"{snapshot.ref} is proven, restored in {tested.seconds:.1f} s"
    return [passed("restored", snapshot.source, words, seconds=round(tested.seconds, 3))]
