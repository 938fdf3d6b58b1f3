"""For the worst hour: runbooks, incidents, health checks, cards, the audit trail."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from engine.api.audit import Audit
from engine.api.door import Door
from engine.api.incidents import Incidents, Situation
from engine.api.readiness import Cards, HealthChecks
from engine.api.runbooks import Runbooks

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.api.incident_steps import Steps

__all__ = ["Response", "Situation"]


class Response:
    """Areas of Engine, made when they are first used."""

    door: Door

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.door)

    @cached_property
    def runbooks(self) -> Runbooks:
        return Runbooks(self.door, self._engine)

    @cached_property
    def incidents(self) -> Incidents:
        return Incidents(self.door, self._engine)

    @cached_property
    def steps(self) -> Steps:
        from engine.api.incident_steps import Steps

        return Steps(self._engine)

    @cached_property
    def health(self) -> HealthChecks:
        return HealthChecks(self.door)

    @cached_property
    def cards(self) -> Cards:
        return Cards(self.door, self._engine)

    @property
    def _engine(self) -> Engine:
        return cast("Engine", self)
