"""Alerts as Prometheus and the Alertmanager tell of them, brought together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

AlertState = Literal["firing", "silenced", "pending"]
Severity = Literal["critical", "warning", "info"]
STATE_ORDER: dict[AlertState, int] = {"firing": 0, "pending": 1, "silenced": 2}
SEVERITY_ORDER: dict[str, int] = {"critical": 0, "warning": 1, "info": 2}
HEARTBEAT = "MentatHeartbeat"
"""Fires always: it proves that the chain works, and is no alert."""
STALE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Silence:
    """An acknowledgement: who silenced what until when, and why."""

    id: str
    by: str
    reason: str
    until: datetime
    matchers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert now. runbook names the runbook to open, command what to run first.

    since     when it began (pending: when its condition did)
    told      the Alertmanager knows of it, so that people were told
    """

    name: str
    state: AlertState
    severity: str
    host: str = ""
    source: str = ""
    since: datetime | None = None
    summary: str = ""
    description: str = ""
    runbook: str = ""
    command: str = ""
    category: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    told: bool = False
    silence: Silence | None = None

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What makes it this alert: its labels."""
        return tuple(sorted(self.labels.items()))


@dataclass(frozen=True, slots=True)
class Watch:
    """One watcher: Prometheus or the Alertmanager. as_of: when what it says was worked out.

    problem is empty when it answered and can be relied on."""

    name: str
    url: str
    reachable: bool
    problem: str = ""
    remedy: str = ""
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """All alerts at a moment, and whether those who watch can be relied on."""

    at: datetime
    alerts: tuple[Alert, ...]
    watches: tuple[Watch, ...]

    @property
    def firing(self) -> tuple[Alert, ...]:
        return tuple(alert for alert in self.alerts if alert.state == "firing")

    @property
    def blind(self) -> bool:
        """Nobody watches: no alert here does not mean that all is well."""
        return not any(watch.reachable and not watch.problem for watch in self.watches)

    @property
    def troubles(self) -> tuple[Watch, ...]:
        return tuple(watch for watch in self.watches if watch.problem)


def from_labels(
    labels: Mapping[str, str], annotations: Mapping[str, str], state: AlertState
) -> Alert:
    """An alert from what both servers give: labels and annotations."""
    return Alert(
        name=labels.get("alertname", ""),
        state=state,
        severity=labels.get("severity", ""),
        host=labels.get("host", ""),
        source=labels.get("source", ""),
        summary=annotations.get("summary", ""),
        description=annotations.get("description", ""),
        runbook=annotations.get("runbook", ""),
        command=annotations.get("command", ""),
        category=labels.get("category", ""),
        labels=dict(labels),
    )


def gather(at: datetime, told: Sequence[tuple[Watch, Sequence[Alert]]]) -> Board:
    """One list out of all watchers' lists, the worst first. What the Alertmanager says of an alert
    (that it is silenced, that people were told) goes before what Prometheus says."""
    found: dict[tuple[tuple[str, str], ...], Alert] = {}
    for _, alerts in told:
        for alert in alerts:
            if alert.name == HEARTBEAT:
                continue
            known = found.get(alert.key)
            found[alert.key] = alert if known is None else _merged(known, alert)
    ordered = sorted(
        found.values(),
        key=lambda a: (
            STATE_ORDER[a.state],
            SEVERITY_ORDER.get(a.severity, 3),
            a.name,
            a.host,
            a.source,
            a.key,
        ),
    )
    return Board(at, tuple(ordered), tuple(watch for watch, _ in told))


def _merged(one: Alert, other: Alert) -> Alert:
    manager, prometheus = (one, other) if one.told else (other, one)
    begun = [moment for moment in (one.since, other.since) if moment is not None]
    return replace(
        manager,
        since=min(begun) if begun else None,
        state="pending" if prometheus.state == "pending" and not manager.told else manager.state,
    )


def matchers(alert: Alert) -> tuple[tuple[str, str], ...]:
    """The labels that a silence of this alert goes by: all it has, so that nothing else is
    silenced with it."""
    return alert.key
