"""prune: remove the snapshots that the retention lets go, and what crashes left half-made.

A snapshot's manifest goes first: from then on it does not exist, and what a crash leaves of it
is debris for the next prune. What it builds on goes after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from engine.core.errors import HeldError, ObjectMissing, StoreDenied, StoreError
from engine.core.events import Output, Result
from engine.core.pruning import Debris, PrunePlan, PruneRequest, TierPlan, removal_order
from engine.core.snapshot import SnapshotId, parse_key
from engine.operations import prune_plan, prune_record
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.prune_plan import Looked, Planning
from engine.ports import Locking, ObjectStore, PendingUpload, Thawing
from engine.repository import ListingFile
from engine.repository.inventory import parse_proof
from engine.repository.lease import StoreLease

CLOCKS_APART = timedelta(minutes=10)  # more between this host and the store: nothing is removed


@dataclass(slots=True)
class _Done:
    """What was removed so far."""

    snapshots: list[SnapshotId] = field(default_factory=list)
    debris: int = 0
    locked: int = 0
    freed: int = 0
    objections: list[str] = field(default_factory=list)


def prune(
    ctx: Context,
    request: PruneRequest,
    failing: Mapping[str, str],
    in_use: Mapping[SnapshotId, str],
) -> Result:
    """Plan anew under the store's lease, then remove. HeldError when another prunes; sources that
    a job of this host holds are left for the next time, with a warning."""
    done = _Done()
    with ctx.store_lease(ctx.repository.store, "prune") as lease:
        with Phase(ctx.emit, "plan", "List and judge"):
            planning = Planning(
                settings=ctx.settings,
                repository=ctx.repository,
                state=ctx.state,
                now=ctx.clock(),
                failing=failing,
                in_use=in_use,
                wrong=_clocks_apart(ctx),
            )
            plan, looked = prune_plan.plan(planning, request)
        _arrange(ctx, done)
        for found in looked:
            before = len(done.snapshots)
            _tell(ctx, found.plan, done)
            _carry_out(ctx, found, lease, done)
            gone = frozenset(done.snapshots[before:])
            _extend(ctx, found, plan, lease, done)
            _remember(ctx, request, found, plan, gone)
            if found.plan.tier == "offsite":
                _forget(ctx, gone)
    return _result(plan, done)


def _arrange(ctx: Context, done: _Done) -> None:
    """See that the bucket moves old artifacts to colder classes as configured, and no more."""
    store = ctx.repository.store
    if ctx.settings.repository.transition is None or not isinstance(store, Thawing):
        return
    try:
        if store.arrange_lifecycle():
            ctx.emit(Output("the bucket's lifecycle rule was written"))
    except StoreError as error:
        done.objections.append(error.message)
        ctx.warn("lifecycle", f"old artifacts are not moved to a colder class: {error.message}")


def _clocks_apart(ctx: Context) -> tuple[str, ...]:
    """The store has just dated the lease's object; that must be our time, too."""
    now = ctx.clock()
    dated = [item.modified for item in ctx.repository.store.list("lease/prune/")]
    if not dated or abs(max(dated) - now) <= CLOCKS_APART:
        return ()
    return (
        f"the store's clock says {max(dated):%Y-%m-%d %H:%M} UTC, this host's {now:%Y-%m-%d %H:%M}",
    )


def _tell(ctx: Context, tier: TierPlan, done: _Done) -> None:
    for line in tier.warnings:
        ctx.warn("prune", line)
    for why in tier.decision.refusals:
        done.objections.append(f"{tier.store}: {why}")
        ctx.warn("prune-refused", f"nothing of {tier.store} is removed: {why}")
    told = set()
    for verdict in tier.decision.verdicts:
        for reason in verdict.reasons:
            objected = "verification of this" in reason or "lie in the future" in reason
            if objected and (verdict.snapshot.source, reason) not in told:
                told.add((verdict.snapshot.source, reason))
                done.objections.append(f"{verdict.snapshot.source}: {reason}")
                ctx.warn("prune-refused", reason, verdict.snapshot.source)


def _carry_out(ctx: Context, found: Looked, lease: StoreLease, done: _Done) -> None:
    tier = found.plan
    sources = {(v.snapshot.host, v.snapshot.source) for v in tier.removed}
    sources |= {(d.host, d.source) for d in tier.debris}
    if not sources:
        return
    with Phase(
        ctx.emit, f"prune {tier.tier}", f"Remove from {tier.store}", "", tier.freed_bytes or None
    ) as phase:
        freed = done.freed
        phase.watch(lambda: done.freed - freed)
        keys = _keys(found)
        for host, source in sorted(sources):
            with _source_held(ctx, host, source, done) as ours:
                if ours:
                    _of_source(ctx, found, (host, source), keys, lease, done)


@contextlib.contextmanager
def _source_held(ctx: Context, host: str, source: str, done: _Done) -> Iterator[bool]:
    """No job of this host writes the source meanwhile. False when one does now."""
    if host != ctx.host or not source:
        yield True
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(ctx.lease(source))
        except HeldError as error:
            done.objections.append(f"{source}: {error.message}")
            ctx.warn("prune-held", f"left for the next time: {error.message}", source)
            yield False
            return
        yield True


def _of_source(
    ctx: Context,
    found: Looked,
    source: tuple[str, str],
    keys: Mapping[SnapshotId, Sequence[str]],
    lease: StoreLease,
    done: _Done,
) -> None:
    tier = found.plan
    removed = [v for v in tier.removed if (v.snapshot.host, v.snapshot.source) == source]
    sizes = {v.snapshot: v.stored_bytes for v in removed}
    for snapshot in removal_order(removed, found.rows):
        lease.check()
        if _remove(ctx, found.store, snapshot, keys.get(snapshot, ())):
            done.snapshots.append(snapshot)
            done.freed += sizes[snapshot]
            ctx.emit(Output(f"removed {snapshot.source} {snapshot.ref} from {found.store.name}"))
    for debris in tier.debris:
        if (debris.host, debris.source) == source:
            lease.check()
            if _clear(ctx, found.store, debris, keys):
                done.debris += 1
                done.freed += debris.size
                ctx.emit(Output(f"removed {debris.why}: {debris.key}"))


def _keys(found: Looked) -> dict[SnapshotId, list[str]]:
    """Every key of each snapshot, its proofs included; the manifest first, the signature next."""
    keys: dict[SnapshotId, list[str]] = {}
    for item in found.objects:
        snapshot = (parse_key(item.key) or parse_proof(item.key) or (None,))[0]
        if snapshot is not None:
            keys.setdefault(snapshot, []).append(item.key)
    for snapshot, names in keys.items():
        first = {snapshot.manifest_key: 0, snapshot.signature_key: 1}
        names.sort(key=lambda key: first.get(key, 2))
    return keys


def _remove(ctx: Context, store: ObjectStore, snapshot: SnapshotId, keys: Sequence[str]) -> bool:
    """False when the store has it locked: it stays whole."""
    try:
        store.delete(snapshot.manifest_key)
    except StoreDenied as error:
        if not _locks(ctx):
            raise
        ctx.warn("prune-locked", f"{snapshot.ref} stays: {error.message}", snapshot.source)
        return False
    for key in keys:
        if key != snapshot.manifest_key:
            _delete(ctx, store, key)
    return True


def _delete(ctx: Context, store: ObjectStore, key: str) -> None:
    """What is locked longer than its manifest was is left: it is debris from now on."""
    try:
        store.delete(key)
    except StoreDenied:
        if not _locks(ctx):
            raise


def _locks(ctx: Context) -> bool:
    return ctx.settings.repository.lock is not None


def _clear(
    ctx: Context, store: ObjectStore, debris: Debris, keys: Mapping[SnapshotId, Sequence[str]]
) -> bool:
    """Remove debris, after one more look that it is none of a whole snapshot."""
    if debris.upload:
        store.abort_upload(PendingUpload(debris.key, debris.upload, debris.since))
        return True
    snapshot = debris.snapshot
    if snapshot is None:
        _delete(ctx, store, debris.key)
        return True
    try:
        store.size(snapshot.manifest_key)
    except ObjectMissing:
        pass
    except StoreError as error:
        ctx.warn("debris", f"{debris.key} is left: {error.message}", snapshot.source)
        return False
    else:
        ctx.warn("debris", f"{debris.key} has a manifest that the listing lacks", snapshot.source)
        return False
    for key in keys.get(snapshot, ()) if debris.key == snapshot.prefix else (debris.key,):
        _delete(ctx, store, key)
    return True


def _extend(ctx: Context, found: Looked, plan: PrunePlan, lease: StoreLease, done: _Done) -> None:
    """Lock what stays for a whole term more, once three quarters of its lock are over."""
    lock = ctx.settings.repository.lock
    if lock is None or found.plan.tier != "offsite" or not isinstance(found.store, Locking):
        return
    term = timedelta(days=lock.days)
    keys = _keys(found)
    for verdict in found.plan.decision.verdicts:
        ending = plan.at > verdict.snapshot.at + term * 3 / 4
        if not ending or not verdict.keep or all(r.startswith("locked") for r in verdict.reasons):
            continue
        lease.check()
        try:
            done.locked += sum(
                [found.store.keep_until(key, plan.at + term) for key in keys[verdict.snapshot]]
            )
        except StoreError as error:
            said = f"{verdict.snapshot.ref} is not locked any longer: {error.message}"
            done.objections.append(said)
            ctx.warn("lock", said, verdict.snapshot.source)


def _remember(
    ctx: Context,
    request: PruneRequest,
    found: Looked,
    plan: PrunePlan,
    gone: frozenset[SnapshotId],
) -> None:
    """Let the next prune know what is there now; not when this one would not believe it."""
    if found.plan.decision.refusals:
        return
    prune_record.save(
        ctx.state,
        found.plan.store,
        plan.at,
        [row for row in found.rows if row.id not in gone],
        lambda row: prune_plan.concerns(ctx.settings, request, row),
    )


def _forget(ctx: Context, gone: frozenset[SnapshotId]) -> None:
    """Take what is gone out of the listing on disk, so that nobody is shown it."""
    file = ListingFile(ctx.state)
    listing = file.load(ctx.settings.repository.shown)
    if listing is not None and gone:
        file.save(replace(listing, rows=tuple(r for r in listing.rows if r.id not in gone)))


def _result(plan: PrunePlan, done: _Done) -> Result:
    kept = sum(v.keep for tier in plan.tiers for v in tier.decision.verdicts)
    summary = f"{len(done.snapshots)} snapshots and {done.debris} leftovers removed, {kept} kept"
    if done.locked:
        summary += f"; {done.locked} objects locked for longer"
    if done.objections:
        summary += f"; {len(done.objections)} objections: {done.objections[0]}"
    facts = {
        "removed": [f"{s.host}/{s.source}/{s.ref}" for s in done.snapshots],
        "debris": done.debris,
        "freed_bytes": done.freed,
        "locked": done.locked,
        "kept": kept,
        "objections": done.objections,
    }
    return Result("warnings" if done.objections else "done", summary, facts)
