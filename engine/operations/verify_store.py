"""Verifying what one store holds of this host: the same for the bucket and the local tier.

A listing is never believed alone: each manifest is fetched, its signature checked and each of its
objects asked for by name; what the listing leaves out, but was seen before, is asked for too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.core.errors import (
    CipherError,
    DamageError,
    MentatError,
    ObjectMissing,
    UsageError,
)
from engine.core.report import Check, failed, passed, warning
from engine.core.sampling import Candidate, Picked, pick
from engine.core.snapshot import Manifest, SnapshotEntry, SnapshotId
from engine.core.verification import (
    judge_age,
    judge_coverage,
    judge_days,
    judge_retention,
    judge_size,
)
from engine.operations import verify_memory
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.recording import Recording
from engine.operations.verify_stream import Reading, prove_snapshot
from engine.repository import Repository
from engine.settings import SourceSettings, TierRetention

_AT_ONCE = 8
_HISTORY = 10  # snapshots that a size is held against
_UNFINISHED = timedelta(days=1)
_OTHER = "Take another snapshot, or a replica's copy: mentat-dr snapshots"


@dataclass
class Holding:
    """One snapshot of a source as the store has it. `problem` is the first thing wrong with it;
    `signed` says whether our key proves its manifest."""

    entry: SnapshotEntry
    manifest: Manifest | None = None
    problem: Check | None = None
    signed: bool = False


@dataclass
class StoreCheck:
    """The verification of one store under way. `repository` reads from that store alone."""

    recording: Recording
    repository: Repository
    passphrase: str | None
    memory: verify_memory.Memory
    now: datetime
    everything: bool = False  # read all, not a sample
    checks: list[Check] = field(default_factory=list)

    @property
    def ctx(self) -> Context:
        return replace(self.recording.ctx, repository=self.repository)

    @property
    def host(self) -> str:
        return self.recording.outer.host

    def tell(self, *checks: Check) -> None:
        self.recording.checks.extend(checks)


def check_keys(check: StoreCheck) -> Reading:
    """Whether new backups can be encrypted, and whether what is stored can be decrypted here."""
    cipher = check.repository.cipher
    try:
        found = cipher.recipients()
        words = f"{len(found)} recipients can be encrypted to" if found else "a passphrase"
        check.tell(passed("keys", "", words, recipients=len(found)))
    except CipherError as error:
        check.tell(failed("keys", "", error.message, error.remedy or "mentat-dr doctor"))
    try:
        cipher.check_secret(check.passphrase)
    except CipherError as error:
        check.tell(
            warning(
                "decryption",
                "",
                f"nothing can be decrypted on this host, so only stored bytes are proven: "
                f"{error.message}",
                "Give the passphrase (--passphrase-file), or let a recipient whose key is here "
                "read the backups.",
            )
        )
        return Reading(check.ctx, False, None)
    return Reading(check.ctx, True, check.passphrase)


def check_source(
    check: StoreCheck, source: SourceSettings, tier: TierRetention, minimum: int
) -> list[Holding]:
    """Everything about a source but reading to the end: the checks are told, and what is there
    is returned, newest first. StoreError when the store stops answering."""
    rows = check.repository.entries(check.host, source.name)
    committed = [row for row in rows if row.committed]
    hidden = list(_hidden(check, source, {row.id for row in rows if row.committed}))
    found = [row for _, row in hidden if row is not None]
    check.tell(*(_listing_lies(source.name, row.id) for row in found))
    committed = sorted([*committed, *found], key=lambda row: row.id, reverse=True)
    with (
        Phase(check.ctx.emit, f"look {source.name}", "Ask for each object", source.name),
        ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="verify") as pool,
    ):
        looked = list(pool.map(lambda row: _look(check.repository, row), committed))
    held = [holding for holding in looked if holding is not None]
    for holding in held:
        if holding.problem is not None:
            check.tell(holding.problem)
    whole = [h for h in held if h.problem is None]
    objects = sum(len(h.manifest.artifacts) for h in whole if h.manifest)
    if whole:
        check.tell(
            passed("signatures", source.name, f"{len(whole)} manifests are signed by our key"),
            passed("objects", source.name, f"{objects} objects are there, each of its size"),
        )
    gone = [snapshot.at for snapshot, row in hidden if row is None]
    for holding in held:
        if holding.signed:  # what somebody else put there is nothing to miss later
            check.memory.note(holding.entry.id)
    _history(check, source, held, gone, tier, minimum)
    old = [r for r in rows if not r.committed and check.now - r.id.at > _UNFINISHED]
    if old:
        stored = sum(row.stored_bytes for row in old)
        check.tell(
            warning(
                "debris",
                source.name,
                f"{len(old)} unfinished snapshots are left, {stored} bytes",
                "mentat-dr prune",
                unfinished=len(old),
                bytes=stored,
            )
        )
    return held


def _hidden(
    check: StoreCheck, source: SourceSettings, listed: set[SnapshotId]
) -> Iterator[tuple[SnapshotId, SnapshotEntry | None]]:
    """Snapshots seen before that the listing does not name: with their row where the store has
    them all the same."""
    for snapshot in check.memory.of(check.host, source.name):
        if snapshot in listed:
            continue
        try:
            size = check.repository.store.size(snapshot.manifest_key)
        except ObjectMissing:
            yield snapshot, None
        else:
            yield snapshot, SnapshotEntry(snapshot, size, committed=True, signed=True)


def _listing_lies(source: str, snapshot: SnapshotId) -> Check:
    return failed(
        "listing",
        source,
        f"the store does not list {snapshot.ref}, though it has it",
        "Its listings cannot be trusted: restore by full name, and ask its operator.",
        snapshot=snapshot.ref,
    )


def _look(repository: Repository, row: SnapshotEntry) -> Holding | None:
    """Fetch the manifest, check its signature, ask for each object's size. None for a snapshot
    that was removed since it was listed."""
    source, ref = row.id.source, row.id.ref
    try:
        opened = repository.open(row.id)
    except (UsageError, ObjectMissing):
        return _unless_removed(repository, row)
    except DamageError as error:
        return Holding(row, None, _bad("manifest", row.id, error))
    holding = Holding(row, opened.manifest, signed=opened.signature.good)
    if not opened.signature.good:
        said = f"the manifest of {ref} is not proven: {opened.signature.problem}"
        holding.problem = failed("signatures", source, said, _OTHER, snapshot=ref)
        return holding
    for artifact in opened.manifest.artifacts:
        key = row.id.artifact_key(artifact.name)
        try:
            size = repository.store.size(key)
        except ObjectMissing:
            said = f"{artifact.name} of {ref} is gone from the store"
            holding.problem = failed("objects", source, said, _OTHER, snapshot=ref)
            return holding
        if size != artifact.stored_bytes:
            said = f"{artifact.name} of {ref} has {size} bytes, not {artifact.stored_bytes}"
            holding.problem = failed("objects", source, said, _OTHER, snapshot=ref)
            return holding
    return holding


def _unless_removed(repository: Repository, row: SnapshotEntry) -> Holding | None:
    """The listing named a manifest that is not there: a lie, unless it was removed meanwhile."""
    again = repository.store.list(row.id.manifest_key)
    if not any(item.key == row.id.manifest_key for item in again):
        return None
    said = f"the store lists {row.id.ref}, but its manifest cannot be fetched"
    return Holding(row, None, failed("listing", row.id.source, said, _OTHER, snapshot=row.id.ref))


def _bad(name: str, snapshot: SnapshotId, error: MentatError) -> Check:
    return failed(
        name,
        snapshot.source,
        f"{snapshot.ref}: {error.message}",
        error.remedy or _OTHER,
        snapshot=snapshot.ref,
        code=error.code,
    )


def _history(
    check: StoreCheck,
    source: SourceSettings,
    held: Sequence[Holding],
    gone: Sequence[datetime],
    tier: TierRetention,
    minimum: int,
) -> None:
    """Age, size, days, coverage and retention of what can be used."""
    usable = [h for h in held if h.manifest is not None and not h.entry.aside]
    manifests = [h.manifest for h in usable if h.manifest is not None]
    now = check.now
    newest = manifests[0] if manifests else None
    check.tell(judge_age(source.name, newest.recoverable_to if newest else None, source.rpo, now))
    if newest is None:
        return
    before = [m.raw_bytes for m in manifests[1:] if m.id.method == newest.id.method][:_HISTORY]
    check.tell(judge_size(source.name, newest.raw_bytes, before))
    times = [m.id.at for m in manifests]
    window = timedelta(days=tier.days or tier.daily or 2)
    check.tell(judge_days(source.name, times, window, source.rpo, now))
    first = min((s.at for s in check.memory.of(check.host, source.name)), default=None)
    check.tell(judge_coverage(source.name, times, first, now))
    days = 0 if any((tier.daily, tier.weekly, tier.monthly, tier.yearly)) else tier.days
    check.tell(judge_retention(source.name, times, gone, days, minimum, now))


def read_sample(
    check: StoreCheck, reading: Reading, held: Sequence[Holding], cover: timedelta
) -> None:
    """Read to the end what is due, and remember what was whole."""
    usable = [h for h in held if h.manifest is not None and h.problem is None]
    for manifest, reason in _picked(check, usable, cover):
        source, ref = manifest.id.source, manifest.id.ref
        name = "decrypts" if reading.decrypt else "stored-bytes"
        try:
            prove_snapshot(reading, manifest)
        except (DamageError, CipherError, ObjectMissing) as error:
            if _removed(check, manifest.id):
                continue  # pruned while it was read
            known = "decrypts" if isinstance(error, CipherError) else "stored-bytes"
            check.tell(_bad(known, manifest.id, error))
            check.memory.note(manifest.id).proven = None
            continue
        check.memory.note(manifest.id).proven = check.now
        words = "decrypted to its end" if reading.decrypt else "stored bytes are whole"
        check.tell(
            passed(
                name,
                source,
                f"{ref}: {words} ({reason})",
                snapshot=ref,
                bytes=manifest.raw_bytes if reading.decrypt else manifest.stored_bytes,
            )
        )


def _removed(check: StoreCheck, snapshot: SnapshotId) -> bool:
    try:
        check.repository.store.size(snapshot.manifest_key)
    except ObjectMissing:
        return True
    return False


def _picked(
    check: StoreCheck, usable: Sequence[Holding], cover: timedelta
) -> list[tuple[Manifest, str]]:
    newest: dict[str, SnapshotId] = {}
    for holding in sorted(usable, key=lambda h: h.entry.id.at, reverse=True):
        if not holding.entry.aside:
            newest.setdefault(holding.entry.id.source, holding.entry.id)
    candidates = [
        Candidate(
            key=h.manifest,
            size=h.manifest.stored_bytes,
            made=h.entry.id.at,
            proven=check.memory.note(h.entry.id).proven,
            newest=newest.get(h.entry.id.source) == h.entry.id,
        )
        for h in usable
        if h.manifest is not None
    ]
    if check.everything:
        return [(c.key, "all were asked for") for c in candidates]
    chosen: list[Picked[Manifest]] = pick(
        candidates, cover=cover, now=check.now, last_run=check.memory.last_run
    )
    return [(c.key, c.reason) for c in chosen]
