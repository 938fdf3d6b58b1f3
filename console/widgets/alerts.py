"""Alerts in a line or two, for the Overview: the worst that fires, and whether anybody watches."""

from __future__ import annotations

from datetime import datetime

from console.formatting import brief_age
from console.ink import Ink
from console.model import Model
from console.widgets.facts import Fact, Row

_ROLE = {"critical": "critical", "warning": "warning"}


def alert_rows(ink: Ink, model: Model, now: datetime) -> list[Row]:
    """Nothing when no monitoring is configured, or when it says that all is well."""
    board = model.alerts
    if board is None or not any(watch.url for watch in board.watches):
        return []
    rows: list[Row] = []
    firing = board.firing
    if firing:
        worst = firing[0]
        since = f", {brief_age(worst.since, now)}" if worst.since else ""
        more = f" and {len(firing) - 1} more" if len(firing) > 1 else ""
        said = f"{worst.name} {worst.source} ({worst.severity}{since}){more}"
        role = _ROLE.get(worst.severity, "")
        rows.append(Fact("ALERTS", ink.say((said, role), ("   a shows them", "muted"))))
    if board.blind:
        said = "nobody watches: Prometheus and the Alertmanager cannot be relied on"
        rows.append(Fact("" if firing else "ALERTS", ink.say((said, "warning"))))
    elif board.troubles and not firing:
        said = f"{board.troubles[0].name}: {board.troubles[0].problem}"
        rows.append(Fact("ALERTS", ink.say((said, "warning"))))
    return rows
