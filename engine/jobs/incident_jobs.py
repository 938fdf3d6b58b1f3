"""Jobs that are steps of incidents, and the copy of the audit trail after every job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.core.errors import MentatError
from engine.core.events import Result
from engine.operations.context import Context

Secrets = Mapping[str, bytes]


def _names(request: Mapping[str, Any], key: str) -> list[str]:
    return [str(name) for name in request.get(key) or ()]


def _stop(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations import incident_containers

    return incident_containers.stop(ctx, _names(request, "containers"))


def _start(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations import incident_containers

    return incident_containers.start(ctx, _names(request, "containers"))


def _evidence(ctx: Context, request: Mapping[str, Any], _secrets: Secrets) -> Result:
    from engine.operations.incident_evidence import keep

    paths, containers = _names(request, "paths"), _names(request, "containers")
    return keep(ctx, str(request.get("incident", "")), paths, containers)


OPERATIONS: Mapping[str, Callable[[Context, Mapping[str, Any], Secrets], Result]] = {
    "stop-containers": _stop,
    "start-containers": _start,
    "evidence": _evidence,
}


def copy_audit(ctx: Context) -> None:
    """Bring the store's copy of the audit trail up to date; a failure is a warning of the job."""
    from engine.operations import audit

    try:
        audit.copy(ctx.repository.store, ctx.state, ctx.host)
    except MentatError as error:
        ctx.warn("audit", f"the audit trail was not copied to the store: {error.message}")
