"""Retention: what a prune would remove and why, and the prune itself."""

from __future__ import annotations

from dataclasses import asdict

from engine.api.door import Door
from engine.core.pruning import DESPITE, PrunePlan, PruneRequest


class Retention:
    """`engine.retention`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def plan(self, request: PruneRequest) -> PrunePlan:
        """Every snapshot's verdict with its reasons, now; touches nothing. UsageError for a
        source or an objection that is not known; StoreError when the store does not answer."""
        from engine import wiring
        from engine.jobs import reading
        from engine.operations import prune_plan

        self._check(request)
        settings = self._door.settings
        planning = prune_plan.Planning(
            settings=settings,
            repository=self._door.repo(),
            state=settings.state,
            now=wiring.utc_now(),
            failing=prune_plan.failing_sources(settings),
            in_use=reading.snapshots_in_use(settings.state, settings.host),
        )
        return prune_plan.plan(planning, request)[0]

    def start(self, request: PruneRequest) -> str:
        """Start a prune job; its id. It plans anew, under the store's lease."""
        self._check(request)
        words = ", ".join(request.sources) or ("all hosts" if request.all_hosts else "")
        title = f"prune {words}".strip()
        return self._door.launch("prune", {"prune": asdict(request)}, title, request.sources)

    def _check(self, request: PruneRequest) -> None:
        from engine.core.errors import UsageError

        for name in request.despite:
            if name not in DESPITE:
                raise UsageError(f"{name!r} is no objection", f"One of: {', '.join(DESPITE)}")
        if not request.all_hosts and request.sources:
            for name in request.sources:
                self._door.settings.source(name)
