"""Failover: which store is primary, and changing that."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.api.door import Door
from engine.core.errors import UsageError
from engine.core.replicas import FailoverPlan

if TYPE_CHECKING:
    from engine.repository.failover import Failover


class Failovers:
    """`engine.failover`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def state(self) -> Failover | None:
        """The failover in force on this host; None: the configured primary is primary."""
        return self._door.failover

    def plan(self, to: str, *, writing: bool = False, leave_behind: bool = False) -> FailoverPlan:
        """What going to this replica means, or back with to="". Both stores are listed."""
        from engine.operations import failover

        asked = failover.Asked(to, writing, leave_behind=leave_behind)
        return failover.plan(self._door.settings, self._door.repo(), asked)

    def start(
        self,
        to: str,
        *,
        confirm: str,
        writing: bool = False,
        reason: str = "",
        leave_behind: bool = False,
    ) -> str:
        """Start the job that goes there, or back with to="". UsageError when confirm is not the
        plan's name."""
        from engine.operations import failover

        asked = failover.Asked(to, writing, confirm, reason, leave_behind)
        if not confirm:
            raise UsageError("the store's name must be given to confirm it", "Add --confirm NAME")
        title = f"fail over to {to}" if to else "fail back"
        return self._door.launch("failover", {"failover": asdict(asked)}, title, [])
