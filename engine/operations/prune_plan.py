"""What a prune finds and decides: listings, kinds and circumstances brought to core.retention."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from engine.core.errors import MentatError
from engine.core.pruning import Debris, PrunePlan, PruneRequest, Tier, TierPlan, failing
from engine.core.report import VERIFICATIONS
from engine.core.retention import (
    CLOCKS,
    Circumstances,
    Policy,
    Rules,
    Source,
    decide,
    missing,
)
from engine.core.snapshot import ROOT, Kind, SnapshotEntry, SnapshotId
from engine.operations import prune_debris, prune_record, reports
from engine.ports import ObjectStore, StoredObject
from engine.repository import Repository
from engine.repository.inventory import entries
from engine.settings import RetentionSettings, Settings, StoreSettings, TierRetention


@dataclass(frozen=True, slots=True)
class Planning:
    """What a plan is made from. `failing` sources of this host, `in_use` snapshots: as the jobs
    of this host tell. `wrong`: why nothing may be removed."""

    settings: Settings
    repository: Repository
    state: Path
    now: datetime
    failing: Mapping[str, str] = field(default_factory=dict)
    in_use: Mapping[SnapshotId, str] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """One store's listing within the scope of a prune."""

    store: ObjectStore
    objects: Sequence[StoredObject]
    rows: tuple[SnapshotEntry, ...]
    plan: TierPlan


def plan(planning: Planning, request: PruneRequest) -> tuple[PrunePlan, list[Looked]]:
    """Look at the store and at the local tier, and judge every snapshot; touches nothing.

    StoreError when the store does not answer: then the local tier's copies may be the only ones,
    and nothing of it is judged either."""
    offsite = _tier(planning, request, "offsite", planning.repository.store)
    looked = [offsite]
    if planning.repository.local is not None:
        looked.append(_tier(planning, request, "local", planning.repository.local, offsite.rows))
    tiers = tuple(found.plan for found in looked)
    return PrunePlan(planning.now, request, tiers, shell_command(request)), looked


def failing_sources(settings: Settings) -> dict[str, str]:
    """Sources of this host whose verification fails, as the reports kept here tell."""
    names = [source.name for source in settings.sources]
    return failing(reports.history(settings.state, VERIFICATIONS), names)


def shell_command(request: PruneRequest) -> str:
    words = ["mentat-dr", "prune"]
    for source in request.sources:
        words += ["--source", source]
    words += ["--all-hosts"] if request.all_hosts else []
    for objection in request.despite:
        words += ["--despite", objection]
    return shlex.join(words)


def rules(retention: RetentionSettings, tier: Tier, store: StoreSettings | None) -> Rules:
    """The rules of a tier. The long retention of configuration is the store's, not the local
    tier's, which is for quick recovery."""
    lock = store.lock.days if store is not None and store.lock is not None else 0
    if tier == "local":
        return Rules(_policy(retention.local), None, retention.minimum_snapshots, lock)
    return Rules(
        _policy(retention.offsite), _policy(retention.config), retention.minimum_snapshots, lock
    )


def _policy(tier: TierRetention) -> Policy:
    return Policy(tier.days, tier.daily, tier.weekly, tier.monthly, tier.yearly)


def _tier(
    planning: Planning,
    request: PruneRequest,
    tier: Tier,
    store: ObjectStore,
    offsite: Sequence[SnapshotEntry] = (),
) -> Looked:
    settings = planning.settings
    objects = [item for item in store.list(_scope(settings, request)) if _within(request, item.key)]
    rows = entries(objects)
    rows = [_with_base(planning, row) for row in rows]
    if tier == "local":
        rows = _with_proofs(rows, offsite)
    warnings: list[str] = []
    kinds = _kinds(planning, rows, warnings)
    kept = prune_record.load(planning.state, store.name)
    around = Circumstances(
        now=planning.now,
        kinds=kinds,
        failing={(settings.host, name): why for name, why in planning.failing.items()},
        in_use=planning.in_use,
        wrong=planning.wrong + _clock_went_back(kept, planning.now),
        expected=[row for row in kept.rows if concerns(settings, request, row)] if kept else (),
        despite=frozenset(request.despite),
    )
    if tier == "local":
        alone = _only_here(around, rows, offsite, settings)
        around = replace(around, in_use={**alone, **planning.in_use})
    chosen = settings.local if tier == "local" else settings.repository
    decision = decide(rows, rules(settings.retention, tier, chosen), around)
    debris: tuple[Debris, ...] = ()
    if not decision.refusals:
        debris = prune_debris.find(
            store, objects, rows, settings.host, planning.now, _scope(settings, request)
        )
        debris = tuple(d for d in debris if not request.sources or d.source in request.sources)
        debris += tuple(prune_debris.logs(objects, decision, request.sources))
    found = TierPlan(tier, store.name, decision, debris, tuple(warnings))
    return Looked(store, objects, tuple(rows), found)


def _scope(settings: Settings, request: PruneRequest) -> str:
    return f"{ROOT}/" if request.all_hosts else f"{ROOT}/{settings.host}/"


def _within(request: PruneRequest, key: str) -> bool:
    if not request.sources:
        return True
    parts = key.split("/")
    return len(parts) > 3 and (parts[2] in request.sources or parts[4:5] == list(request.sources))


def concerns(settings: Settings, request: PruneRequest, row: SnapshotEntry) -> bool:
    """Whether a prune asked for so judges this row."""
    if not request.all_hosts and row.id.host != settings.host:
        return False
    return not request.sources or row.id.source in request.sources


def _clock_went_back(kept: prune_record.Record | None, now: datetime) -> tuple[str, ...]:
    if kept is None or kept.at <= now + CLOCKS:
        return ()
    return (f"the clock says {now:%Y-%m-%d %H:%M} UTC, and the last prune was after that",)


def _with_base(planning: Planning, row: SnapshotEntry) -> SnapshotEntry:
    """An incremental whose base the listing does not name: its manifest does."""
    if row.id.method != "incremental" or row.base or not row.committed:
        return row
    try:
        return replace(row, base=planning.repository.open(row.id).manifest.base)
    except MentatError:
        return row  # unknown: then everything it may build on stays


def _with_proofs(
    rows: Sequence[SnapshotEntry], offsite: Sequence[SnapshotEntry]
) -> list[SnapshotEntry]:
    """Proofs are kept in the store only."""
    proven = {row.id: row.proven_at for row in offsite}
    return [replace(row, proven_at=row.proven_at or proven.get(row.id)) for row in rows]


def _only_here(
    around: Circumstances,
    rows: Sequence[SnapshotEntry],
    offsite: Sequence[SnapshotEntry],
    settings: Settings,
) -> dict[SnapshotId, str]:
    """Local copies of what the store should have and has not."""
    kept = rules(settings.retention, "offsite", settings.repository)
    lost = missing(offsite, kept, replace(around, expected=rows))
    return dict.fromkeys(lost, "the only copy: the store should have it and has not")


def _kinds(
    planning: Planning, rows: Iterable[SnapshotEntry], warnings: list[str]
) -> dict[Source, Kind]:
    """The kind of each source: from the configuration, from the method, or from a manifest."""
    settings = planning.settings
    kinds: dict[Source, Kind] = {(settings.host, s.name): s.kind for s in settings.sources}
    for row in rows:
        source = (row.id.host, row.id.source)
        if source in kinds or not row.committed:
            continue
        if row.id.method in ("logical", "physical"):
            kinds[source] = "database"
            continue
        try:
            kinds[source] = planning.repository.open(row.id).manifest.kind
        except MentatError as error:
            warnings.append(f"the kind of {source[1]} of {source[0]} is not known: {error.message}")
    return kinds
