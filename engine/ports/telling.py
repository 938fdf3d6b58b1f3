"""Metrics, notices, alerts and the clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from engine.core.alerting import Alert, Silence, Watch
from engine.core.metrics import Family


class Metrics(Protocol):
    """One place where metrics are published."""

    @property
    def name(self) -> str:
        """For people: where it is."""

    def publish(self, families: Sequence[Family], host: str) -> None:
        """Replace everything that this host published there before. MonitoringError."""


class Notifier(Protocol):
    """One way to reach somebody."""

    @property
    def name(self) -> str:
        """For people: which of the configured ones, without what is secret in it."""

    def notify(self, title: str, body: str, level: str) -> None:
        """level: ok, warning or critical. NotifyError."""


class AlertSource(Protocol):
    """Prometheus' rules, or the Alertmanager's alerts."""

    @property
    def name(self) -> str: ...

    def read(self, now: datetime) -> tuple[Watch, Sequence[Alert]]:
        """Its state and its alerts of ours. Never raises for an unreachable server: says it in
        the Watch."""


class Silencer(Protocol):
    def silence(
        self,
        matchers: Sequence[tuple[str, str]],
        reason: str,
        by: str,
        now: datetime,
        span: timedelta,
    ) -> str:
        """Silence alerts whose labels are these; the silence's id. MonitoringError."""

    def silences(self) -> Sequence[Silence]:
        """Those in force. MonitoringError."""

    def expire(self, silence: str) -> None:
        """End a silence. MonitoringError."""


Clock = Callable[[], datetime]
