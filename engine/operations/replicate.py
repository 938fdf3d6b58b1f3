"""replicate: copy what a replica lacks, proven, the manifest last; interrupted it goes on later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from engine.core.errors import (
    BucketMissing,
    DamageError,
    MentatError,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreUnreachable,
    UsageError,
)
from engine.core.events import Result
from engine.core.kit import newest_kits
from engine.core.snapshot import SnapshotId, parse_ref
from engine.operations import recovery_text
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.ports import ObjectStore, StoredObject
from engine.repository import Listing, ListingFile, Repository
from engine.repository.inventory import entries
from engine.repository.lease import BUCKET_WORK, StoreLease
from engine.repository.replication import (
    RECOVERY,
    Copier,
    Held,
    Lacking,
    gone_meanwhile,
    held,
    is_set,
    lacking,
)
from engine.settings import StoreSettings

_ONE_ONLY = (StoreError, DamageError, UsageError)  # what one snapshot may fail with


@dataclass(slots=True)
class Done:
    """What a run did for one replica."""

    store: str
    snapshots: int = 0
    objects: int = 0
    copied_bytes: int = 0
    failures: list[tuple[str, MentatError]] = field(default_factory=list)


def replicate(ctx: Context, names: Sequence[str] = ()) -> Result:
    """Bring every replica, or those named, up to what the primary holds. One replica's failure
    never stops the others, nor one snapshot's the rest. The worst error when anything failed."""
    chosen = choose(ctx.settings.replicas, names)
    source = held(ctx.repository.store)
    outcomes = []
    for settings in chosen:
        place = ctx.settings.replicas.index(settings)
        outcomes.append(_bring_up(ctx, source, ctx.repository.replicas[place], settings))
    failures = [pair for outcome in outcomes for pair in outcome.failures]
    summary = "; ".join(_words(outcome) for outcome in outcomes)
    if failures:
        what, error = max(failures, key=lambda pair: pair[1].exit_code)
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        error.message = f"{what}: {error.message}{more}; {summary}"
        error.args = (error.message,)
        raise error
    facts = [
        {"store": o.store, "snapshots": o.snapshots, "objects": o.objects, "bytes": o.copied_bytes}
        for o in outcomes
    ]
    return Result("done", summary, {"replicas": facts})


def choose(replicas: Sequence[StoreSettings], names: Sequence[str]) -> list[StoreSettings]:
    """The replicas of these names, all when none is given. UsageError naming those there are."""
    if not replicas:
        raise UsageError(
            "no replica is configured", "Add a [[repository.replica]] to the configuration."
        )
    known = {store.shown: store for store in replicas}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"no replica is called {unknown[0]!r}", f"There is: {', '.join(known)}")
    return [known[name] for name in names] or list(replicas)


def _words(done: Done) -> str:
    told = f"{done.store}: {done.snapshots} snapshots and {done.objects} other objects copied"
    return f"{told}, {len(done.failures)} failed" if done.failures else told


def _bring_up(ctx: Context, source: Held, target: ObjectStore, settings: StoreSettings) -> Done:
    done = Done(settings.shown)
    try:
        with ctx.store_lease(target, BUCKET_WORK) as lease:
            there = held(target)
            wanted = lacking(source, there)
            run = _Run(ctx, target, lease, there, done)
            with Phase(
                ctx.emit, f"replicate {done.store}", f"Copy to {done.store}", "", wanted.bytes
            ) as phase:
                phase.watch(lambda: run.seen)
                run.copy(wanted)
            _finish(ctx, target, settings, done)
    except MentatError as error:
        if error.exit_code == 130:
            raise
        ctx.warn(error.code, f"{done.store}: {error.message}")
        done.failures.append((done.store, error))
    return done


def _finish(ctx: Context, target: ObjectStore, settings: StoreSettings, done: Done) -> None:
    """Keep its listing, for `status` to know at once, and write its own RECOVERY.md: it must lead
    to the replica when the primary is gone."""
    now = ctx.clock()
    rows = entries(target.list("v1/"))
    ListingFile(ctx.state).save(Listing(now, settings.shown, tuple(rows)))
    if not done.snapshots and not done.objects and any(target.list(RECOVERY)):
        return
    own = replace(ctx.settings, repository=settings)
    kits = list(newest_kits(item.key for item in target.list("kit/")).values())
    target.put(RECOVERY, recovery_text.render(own, rows, ctx.clock(), kits).encode())


class _Run:
    """One replica being brought up."""

    def __init__(
        self, ctx: Context, target: ObjectStore, lease: StoreLease, there: Held, done: Done
    ) -> None:
        self._ctx, self._target, self._there, self._done = ctx, target, there, done
        self.seen = 0
        near = Repository(ctx.repository.store, ctx.repository.cipher, ctx.repository.local)
        self._copier = Copier(near, target, lease.check, self._count)
        self._copied: set[SnapshotId] = set()

    def _count(self, size: int) -> None:
        self.seen += size
        self._done.copied_bytes += size

    def copy(self, wanted: Lacking) -> None:
        """The newest snapshots, the binlogs and journals, older snapshots, the hosts' sets."""
        newest = len({(snapshot.host, snapshot.source) for snapshot, _ in wanted.snapshots})
        ids = [snapshot for snapshot, _ in wanted.snapshots]
        for snapshot in ids[:newest]:
            self._snapshot(snapshot)
        for item in wanted.loose:
            if not is_set(item.key):
                self._loose(item)
        for snapshot in ids[newest:]:
            self._snapshot(snapshot)
        for item in wanted.loose:
            if is_set(item.key):
                self._loose(item)

    def _snapshot(self, snapshot: SnapshotId) -> None:
        """Copy it and what it builds on. One pruned meanwhile is no failure."""
        if snapshot in self._copied:
            return
        self._copied.add(snapshot)
        try:
            opened = self._copier.snapshot(snapshot, self._there.snapshots.get(snapshot, {}))
        except _ONE_ONLY as error:
            if not gone_meanwhile(self._ctx.repository.store, snapshot):
                self._failed(f"{snapshot.host}/{snapshot.source} {snapshot.ref}", error)
            return
        self._done.snapshots += 1
        if not opened.signature.good:
            self._ctx.warn(
                "unproven",
                f"{snapshot.ref} of {snapshot.host}/{snapshot.source} was copied as it is, though "
                f"its signature proves nothing here: {opened.signature.problem}",
            )
        base = parse_ref(snapshot.host, snapshot.source, opened.manifest.base)
        if base is not None and not self._there.committed(base):
            self._snapshot(base)

    def _loose(self, item: StoredObject) -> None:
        try:
            self._copier.loose(item)
        except ObjectMissing:
            return  # pruned meanwhile
        except _ONE_ONLY as error:
            self._failed(item.key, error)
            return
        self._done.objects += 1

    def _failed(self, what: str, error: MentatError) -> None:
        if isinstance(error, StoreUnreachable | StoreDenied | BucketMissing):
            raise error  # it would be the same for all that follow
        self._ctx.warn(error.code, f"{what} was not copied: {error.message}")
        self._done.failures.append((what, error))
