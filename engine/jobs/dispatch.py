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
from engine.core.events import Emit, Result
from engine.core.recovery import RestoreRequest
from engine.jobs import debris
from engine.jobs.lease import Lease
from engine.operations.context import Context

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
    settings = replace(settings_file.load(config_file), state=state)

    def lease(source: str) -> AbstractContextManager[object]:
        return Lease.acquire(state, source, job_id, operation, emit=emit)

    def quiet(names: Sequence[str], how: str) -> AbstractContextManager[object]:
        from engine.jobs.quiesce import quiesced

        return quiesced(wiring.containers(settings.docker), names, how, state, job_id, emit)

    around = wiring.Surroundings(lease=lease, quiesced=quiet, emit=emit, job_id=job_id)
    ctx = wiring.context(settings, around)
    debris.clear(ctx)
    return known(ctx, request, secrets)


def _backup(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations.backup import backup

    names = request.get("sources") or [s.name for s in ctx.settings.sources]
    kind = request.get("kind", "")
    chosen = [ctx.settings.source(name) for name in names]
    return backup(ctx, [s for s in chosen if not kind or s.kind == kind])


def _restore(ctx: Context, request: Mapping[str, Any], secrets: Secrets) -> Result:
    from engine.operations.restore import restore

    asked = msgspec.convert(request["restore"], RestoreRequest)
    passphrase = secrets.get("passphrase")
    return restore(ctx, asked, passphrase.decode() if passphrase is not None else None)


def _release(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations.kept import release

    return release(ctx, str(request["kept"]), str(request["confirm"]))


# Each reads its request, as it was kept in the job's folder, and imports its operation.
OPERATIONS: Mapping[str, Callable[[Context, Mapping[str, Any], Secrets], Result]] = {
    "backup": _backup,
    "restore": _restore,
    "release": _release,
}
