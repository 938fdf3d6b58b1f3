"""The plan of a snapshot's restore, from what the stores say of it."""

from __future__ import annotations

from dataclasses import replace

from engine.api.door import Door
from engine.core.recovery import RestorePlan, RestoreRequest


def plan(door: Door, request: RestoreRequest) -> RestorePlan:
    """What it will read, change, destroy and stop. UsageError when there is no such snapshot, or
    no way to the moment asked for."""
    if request.until is not None:
        from engine.api.binlogs import Binlogs

        return Binlogs(door).plan(request)
    return snapshot_alone(door, request)


def snapshot_alone(door: Door, request: RestoreRequest) -> RestorePlan:
    """The plan of the snapshot's restore, whatever comes after it."""
    from engine import wiring
    from engine.operations import restore_plan, thaw
    from engine.repository import chains, choose

    settings, repository = door.settings, door.repo()
    rows = repository.restorable(request.host or settings.host, request.source)
    entry = choose(rows, request.snapshot, request.source)
    opened = repository.open(entry.id)
    serving, lacking, whole = repository.whereabouts(opened.manifest)
    below, broken = chains.below(repository, opened.manifest)
    planning = restore_plan.Planning(
        settings=settings,
        store_name=serving or opened.store,
        state=settings.state,
        containers=lambda: wiring.containers(settings.docker),
        now=wiring.utc_now(),
        below=below,
        database=lambda source, where: wiring.database(settings, source, where, "mentat-dr-plan"),
    )
    made = restore_plan.plan(planning, request, entry, opened.manifest, opened.signature)
    told = tuple(dict.fromkeys(passed.words for passed in (*opened.passed, *lacking)))
    if not whole:
        broken = (*broken, "no store has all of this snapshot: choose another one")
    steps = made.steps
    cold = thaw.frozen(repository, (*below, opened.manifest))
    if cold:
        steps = (thaw.step(cold), *steps)
        told = (*told, "parts of it must be thawed first: a restore asks for them, and waits")
    return replace(
        made,
        steps=steps,
        warnings=(*made.warnings, *told),
        blockers=(*made.blockers, *broken),
    )
