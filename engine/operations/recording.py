"""Listening to what an operation tells, for its report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from engine.core.events import Event, PhaseEnded, PhaseStarted, Warned
from engine.core.report import Check, Report, ReportKind, RtoMeasured, TimedPhase
from engine.operations.backup import engine_version
from engine.operations.context import Context


@dataclass
class Recording:
    """One report in the making. `ctx` tells all it is told, and remembers phases and warnings."""

    outer: Context
    kind: ReportKind
    store: str
    started: datetime = field(init=False)
    checks: list[Check] = field(default_factory=list)
    phases: list[TimedPhase] = field(default_factory=list)
    rto: list[RtoMeasured] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    _open: dict[str, PhaseStarted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.outer.clock()

    @property
    def ctx(self) -> Context:
        return replace(self.outer, emit=self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._open[event.phase] = event
        elif isinstance(event, PhaseEnded):
            began = self._open.pop(event.phase, None)
            source = began.source if began else ""
            self.phases.append(TimedPhase(event.phase, source, round(event.seconds, 3), event.done))
        elif isinstance(event, Warned):
            self.warned.append(event)
        self.outer.emit(event)

    def report(self) -> Report:
        """What was found so far."""
        ctx = self.outer
        return Report(
            kind=self.kind,
            id=ctx.job_id,
            host=ctx.host,
            started=self.started,
            finished=ctx.clock(),
            checks=tuple(self.checks),
            phases=tuple(self.phases),
            rto=tuple(self.rto),
            store=self.store,
            environment=ctx.settings.environment,
            engine_version=engine_version(),
        )
