"""From a job's specification to its operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from engine import settings_file, wiring
from engine.core.errors import UsageError
from engine.core.events import Emit, Result, Warned
from engine.core.recovery import RestoreRequest
from engine.jobs import aftermath, debris, incident_jobs, locks, procfs
from engine.jobs.identity import host_name, user_name
from engine.jobs.lease import Lease
from engine.operations.context import Context
from engine.repository import Repository, failover
from engine.repository.lease import StoreHolder
from engine.settings import Settings

Secrets = Mapping[str, bytes]


def run_operation(
    operation: str,
    request: Mapping[str, Any],
    *,
    config_file: Path,
    state: Path,
    job_id: str,
    secrets: Mapping[str, bytes],
    emit: Emit,
) -> Result:
    """Run one operation to its end and return what it achieved; errors are MentatError's.

    What dead jobs left behind (paused containers, half-made restores) is put right first."""
    known = OPERATIONS.get(operation)
    if known is None:
        raise UsageError(f"there is no operation {operation!r}", "`mentat-dr --help` lists them.")
    configured = replace(settings_file.load(config_file), state=state)
    settings = _labelled(failover.applied(configured, failover.load(state)), operation, emit)

    def lease(source: str) -> AbstractContextManager[object]:
        return Lease.acquire(state, source, job_id, operation, emit=emit)

    def quiet(names: Sequence[str], how: str) -> AbstractContextManager[object]:
        from engine.jobs.quiesce import quiesced

        return quiesced(wiring.containers(settings.docker), names, how, state, job_id, emit)

    around = wiring.Surroundings(
        lease=lease,
        quiesced=quiet,
        emit=emit,
        job_id=job_id,
        holder=_myself(job_id, operation),
        gone=_gone,
    )
    ctx = wiring.context(settings, around)
    debris.clear(ctx)
    try:
        result = known(ctx, request, secrets)
    except Exception as error:
        aftermath.tell(settings, job_id, emit, error)
        raise
    aftermath.tell(settings, job_id, emit, result)
    incident_jobs.copy_audit(ctx)
    return result


def _labelled(settings: Settings, operation: str, emit: Emit) -> Settings:
    """The settings with the sources that containers' labels ask for. Backups look for them; the
    others only where a backup found some."""
    from engine.operations import discovery

    if operation != "backup" and discovery.remembered(settings) == settings:
        return settings
    found, problems = discovery.with_labelled(settings, wiring.containers(settings.docker))
    for problem in problems:
        emit(Warned("label", problem))
    return found


def _myself(job_id: str, operation: str) -> StoreHolder:
    me = locks.myself(job_id, operation, user_name(), wiring.utc_now())
    return StoreHolder(me.host, me.user, me.job, me.operation, me.pid, me.started, me.boot)


def _gone(holder: StoreHolder) -> bool:
    """Known to be dead: only of this boot of this machine can that be said."""
    here = (holder.boot, holder.host) == (procfs.boot(), host_name()) and holder.boot != ""
    return here and not procfs.alive(holder.pid, holder.started)


def _backup(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations.backup import backup

    names = request.get("sources") or [s.name for s in ctx.settings.sources]
    kind = request.get("kind", "")
    chosen = [ctx.settings.source(name) for name in names]
    method = request.get("method") or None
    return backup(ctx, [s for s in chosen if not kind or s.kind == kind], method)


def _restore(ctx: Context, request: Mapping[str, Any], secrets: Secrets) -> Result:
    from engine.operations.restore import restore

    asked = msgspec.convert(request["restore"], RestoreRequest)
    passphrase = secrets.get("passphrase")
    return restore(ctx, asked, passphrase.decode() if passphrase is not None else None)


def _rebuild(ctx: Context, request: Mapping[str, Any], secrets: Secrets) -> Result:
    from engine.core.host_rebuild import RebuildRequest
    from engine.operations.host import rebuild

    asked = msgspec.convert(request["rebuild"], RebuildRequest)
    passphrase = secrets.get("passphrase")
    return rebuild(ctx, asked, passphrase.decode() if passphrase is not None else None)


def _release(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations.kept import release

    return release(ctx, str(request["kept"]), str(request["confirm"]))


def _verify(ctx: Context, request: Mapping[str, Any], secrets: Secrets) -> Result:
    from engine.operations import isolation, verify

    names = request.get("sources") or [s.name for s in ctx.settings.sources]
    passphrase = secrets.get("passphrase")
    asked = verify.Asked(
        what=request["what"],
        sources=tuple(ctx.settings.source(name) for name in names),
        passphrase=passphrase.decode() if passphrase is not None else None,
        everything=bool(request.get("everything")),
    )
    isolation.clear_leftovers(ctx, debris.runs)
    return verify.verify(ctx, asked)


def _prune(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.core.pruning import PruneRequest
    from engine.jobs import reading
    from engine.operations.prune import prune
    from engine.operations.prune_plan import failing_sources

    asked = msgspec.convert(request["prune"], PruneRequest)
    in_use = reading.snapshots_in_use(ctx.state, ctx.host)
    return prune(ctx, asked, failing_sources(ctx.settings), in_use)


def _replicate(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations.replicate import replicate

    return replicate(ctx, [str(name) for name in request.get("replicas") or ()])


def _failover(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations import failover as operation

    asked = msgspec.convert(request["failover"], operation.Asked)
    return operation.failover(ctx, asked, user_name())


def _drill(ctx: Context, request: Mapping[str, Any], secrets: Secrets) -> Result:
    from engine.operations import drill, isolation

    passphrase = secrets.get("passphrase")
    given = passphrase.decode() if passphrase is not None else None

    def fresh(state: Path) -> AbstractContextManager[Repository]:
        return wiring.bare_repository(ctx.settings, state, given)

    isolation.clear_leftovers(ctx, debris.runs)
    return drill.drill(ctx, request["kind"], given, fresh)


def _ship_binlogs(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations.ship_binlogs import chosen, ship

    names = request.get("sources") or []
    wanted = [ctx.settings.source(name) for name in names] or list(ctx.settings.sources)
    return ship(ctx, chosen(wanted, bool(names)), bool(request.get("follow")))


# Each reads its request, as it was kept in the job's folder, and imports its operation.
OPERATIONS: Mapping[str, Callable[[Context, Mapping[str, Any], Secrets], Result]] = {
    "backup": _backup,
    "restore": _restore,
    "rebuild": _rebuild,
    "release": _release,
    "ship-binlogs": _ship_binlogs,
    "prune": _prune,
    "verify": _verify,
    "drill": _drill,
    "replicate": _replicate,
    "failover": _failover,
    **incident_jobs.OPERATIONS,
}
