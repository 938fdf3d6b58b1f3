"""For the worst hour: runbooks, incidents, health checks, cards, the audit trail."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, cast

from engine.api.door import Door

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.api.audit import Audit
    from engine.api.incident_steps import Steps
    from engine.api.incidents import Incidents
    from engine.api.readiness import Cards, HealthChecks
    from engine.api.runbooks import Runbooks


def late(name: str) -> object:
    """Words of incidents: many small types, imported when somebody asks for one."""
    if name == "incident_words":
        return import_module("engine.core.incident_words")
    if name == "Situation":
        return import_module("engine.api.incidents").Situation
    raise AttributeError(name)


class Response:
    """Areas of Engine, imported and made when they are first used."""

    door: Door

    @cached_property
    def audit(self) -> Audit:
        from engine.api.audit import Audit

        return Audit(self.door)

    @cached_property
    def runbooks(self) -> Runbooks:
        from engine.api.runbooks import Runbooks

        return Runbooks(self.door, self._engine)

    @cached_property
    def incidents(self) -> Incidents:
        from engine.api.incidents import Incidents

        return Incidents(self.door, self._engine)

    @cached_property
    def steps(self) -> Steps:
        from engine.api.incident_steps import Steps

        return Steps(self._engine)

    @cached_property
    def health(self) -> HealthChecks:
        from engine.api.readiness import HealthChecks

        return HealthChecks(self.door)

    @cached_property
    def cards(self) -> Cards:
        from engine.api.readiness import Cards

        return Cards(self.door, self._engine)

    def cancel(self, job_id: str) -> bool:
        """Ask the job's process to stop and clean up; False when it has ended already."""
        from engine.jobs import board

        self.audit.record("cancel job", {"job": job_id})
        return board.cancel(self.door.settings.state, job_id)

    @property
    def _engine(self) -> Engine:
        return cast("Engine", self)
