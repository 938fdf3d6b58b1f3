"""failover: put a replica in the primary's place, for reading or for writing too, and back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec

from engine.core.errors import ObjectExists, StoreError, UsageError
from engine.core.events import Result
from engine.core.replicas import FailoverPlan
from engine.operations import durable
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.ports import ObjectStore
from engine.repository import ListingFile, Repository
from engine.repository import failover as records
from engine.repository.failover import Failover
from engine.repository.replication import held, lacking
from engine.settings import Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """`to` is a replica's shown name, empty to go back. `confirm` must be the plan's name."""

    to: str = ""
    writing: bool = False
    confirm: str = ""
    reason: str = ""
    leave_behind: bool = False  # go back although the primary lacks snapshots


def plan(settings: Settings, repository: Repository, asked: Asked) -> FailoverPlan:
    """What going there means, from listings made now. Settings are those in force. UsageError for
    a name that is no replica's, or to go back from nowhere. Touches nothing."""
    now = records.load(settings.state)
    if not asked.to:
        return _back(settings, repository, now)
    if now is not None and now.writing:
        raise UsageError(
            f"this host has failed over to {now.store} already", "Go back first: failover --back"
        )
    place = next((n for n, s in enumerate(settings.replicas) if s.shown == asked.to), None)
    if place is None:
        names = ", ".join(store.shown for store in settings.replicas) or "none is configured"
        raise UsageError(f"no replica is called {asked.to!r}", f"Replicas: {names}")
    missing, size, problem = _missing(repository.store, repository.replicas[place])
    warnings = [f"the present primary does not answer: {problem}"] if problem else []
    if missing:
        warnings.append(
            f"{missing} snapshots are in the primary only; they are still read from there while "
            "it answers"
        )
    providers = (settings.repository.provider, settings.replicas[place].provider)
    if providers[0] != "directory" and providers[1] == "directory":
        warnings.append("the replica is a directory on this machine: NOTHING WILL BE OFFSITE")
    return FailoverPlan(asked.to, asked.writing, missing, size, asked.to, tuple(warnings))


def _back(settings: Settings, repository: Repository, now: Failover | None) -> FailoverPlan:
    if now is None:
        raise UsageError("this host has not failed over", "mentat-dr failover shows the state.")
    if not now.writing:
        name = settings.repository.shown
        return FailoverPlan(name, False, 0, 0, name, back=True)
    name = settings.replicas[0].shown
    missing, size, problem = _missing(repository.store, repository.replicas[0])
    blockers = []
    if problem:
        blockers.append(f"{name} cannot be listed: {problem}")
    elif missing:
        blockers.append(
            f"{missing} snapshots would be left behind in {now.store}: run mentat-dr replicate "
            "first, or add --leave-behind"
        )
    return FailoverPlan(name, False, missing, size, name, blockers=tuple(blockers), back=True)


def _missing(source: ObjectStore, target: ObjectStore) -> tuple[int, int, str]:
    """Snapshots of the source that the target lacks, and their bytes; why the source cannot be
    listed, or the target's StoreError."""
    there = held(target)
    try:
        here = held(source)
    except StoreError as error:
        return 0, 0, error.message
    wanted = lacking(here, there)
    return len(wanted.snapshots), sum(size for _, size in wanted.snapshots), ""


def failover(ctx: Context, asked: Asked, user: str) -> Result:
    """Go there, or back. UsageError when the name was not typed or a blocker stands; StoreError
    when the store that is to be primary does not answer or, for writing, takes nothing."""
    found = plan(ctx.settings, ctx.repository, asked)
    if asked.confirm != found.confirm_name:
        raise UsageError(
            f"to go on, the name must be given: {found.confirm_name}",
            f"Add --confirm {found.confirm_name}",
        )
    if found.blockers and not (asked.leave_behind and found.missing):
        raise UsageError("; ".join(found.blockers), "Nothing was changed.")
    target = _store(ctx, found.target)
    if found.writing or found.back:
        with Phase(ctx.emit, "probe", f"Prove that {found.target} takes writes"):
            _prove_writable(target)
    file = records.file_of(ctx.state)
    if found.back:
        durable.remove(file)
        ListingFile(ctx.state).forget(found.target)
        return Result("done", f"back to {found.target} for reading and writing")
    record = Failover(found.target, found.writing, ctx.clock(), user, asked.reason)
    durable.write(file, msgspec.json.encode(record))
    for line in found.warnings:
        ctx.warn("failover", line)
    return Result("warnings" if found.warnings else "done", record.words, {"store": found.target})


def _store(ctx: Context, name: str) -> ObjectStore:
    for settings, store in zip(ctx.settings.replicas, ctx.repository.replicas, strict=True):
        if settings.shown == name:
            return store
    return ctx.repository.store


def _prove_writable(store: ObjectStore) -> None:
    key = f"probe/failover-{secrets.token_hex(8)}"
    body = secrets.token_bytes(256)
    store.put(key, body, if_absent=True)
    try:
        if store.get(key) != body:
            raise StoreError(
                f"{store.name} gives back other bytes than were written",
                "It cannot be primary. mentat-dr doctor looks closer.",
            )
        try:
            store.put(key, b"second", if_absent=True)
        except ObjectExists:
            return
    finally:
        store.delete(key)
