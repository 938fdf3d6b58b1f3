"""The Alertmanager, by its API v2: what people were told of, and silences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from engine.adapters.prometheus_http import Http, moment, rows, table, texts
from engine.core.alerting import HEARTBEAT, Alert, Silence, Watch, from_labels
from engine.core.errors import MonitoringError

OURS = 'app="mentat-dr"'


class Alertmanager:
    """One Alertmanager, or any of a cluster."""

    def __init__(self, url: str) -> None:
        self._http = Http(url, "the Alertmanager", "alertmanager")

    @property
    def name(self) -> str:
        return "Alertmanager"

    def read(self, now: datetime) -> tuple[Watch, Sequence[Alert]]:
        """As AlertSource promises. Without our heartbeat among its alerts, Prometheus does not
        reach it, and its silence means nothing."""
        try:
            found = rows(self._http.get("/api/v2/alerts", filter=OURS))
            known = {silence.id: silence for silence in self.silences()}
        except MonitoringError as error:
            return Watch(self.name, self._http.url, False, error.message, error.remedy), ()
        alerts = [_alert(item, known) for item in found]
        updated = [moment(item.get("updatedAt")) for item in found]
        as_of = max((at for at in updated if at), default=None)
        problem = remedy = ""
        if not any(alert.name == HEARTBEAT for alert in alerts):
            problem = "our heartbeat does not reach it: Prometheus tells it nothing"
            remedy = "Check `alerting:` in prometheus.yml, and that our rules are loaded."
        return Watch(self.name, self._http.url, True, problem, remedy, as_of), alerts

    def silences(self) -> Sequence[Silence]:
        """Those in force."""
        return [
            _silence(item)
            for item in rows(self._http.get("/api/v2/silences"))
            if table(item.get("status")).get("state") == "active"
        ]

    def silence(
        self,
        matchers: Sequence[tuple[str, str]],
        reason: str,
        by: str,
        now: datetime,
        span: timedelta,
    ) -> str:
        answer = self._http.post(
            "/api/v2/silences",
            {
                "matchers": [
                    {"name": name, "value": value, "isRegex": False, "isEqual": True}
                    for name, value in matchers
                ],
                "startsAt": now.isoformat(),
                "endsAt": (now + span).isoformat(),
                "createdBy": by,
                "comment": reason,
            },
        )
        made = table(answer).get("silenceID")
        if not isinstance(made, str) or not made:
            raise self._http.error("it did not say which silence it made")
        return made

    def expire(self, silence: str) -> None:
        self._http.delete(f"/api/v2/silence/{quote(silence, safe='')}")


def _silence(item: dict[str, Any]) -> Silence:
    return Silence(
        id=str(item.get("id", "")),
        by=str(item.get("createdBy", "")),
        reason=str(item.get("comment", "")),
        until=moment(item.get("endsAt")) or datetime.fromtimestamp(0, UTC),
        matchers=tuple(
            (str(match.get("name", "")), str(match.get("value", "")))
            for match in rows(item.get("matchers"))
        ),
    )


def _alert(item: dict[str, Any], known: dict[str, Silence]) -> Alert:
    status = table(item.get("status"))
    by = status.get("silencedBy")
    silences = [known[name] for name in by if name in known] if isinstance(by, list) else []
    found = from_labels(
        texts(item.get("labels")),
        texts(item.get("annotations")),
        "silenced" if status.get("state") == "suppressed" else "firing",
    )
    return replace(
        found,
        since=moment(item.get("startsAt")),
        told=True,
        silence=max(silences, key=lambda s: s.until) if silences else None,
    )
