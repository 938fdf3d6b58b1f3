"""Prometheus' own view of our alert rules: what fires and what is about to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from engine.adapters.prometheus_http import TIMEOUT, Http, moment, reason, rows, table, texts
from engine.core.alerting import STALE, Alert, AlertState, Watch, from_labels
from engine.core.errors import MonitoringError

GROUPS = "mentat-dr"  # our groups' names begin so
_STATES: dict[str, AlertState] = {"firing": "firing", "pending": "pending"}


class PrometheusRules:
    """Rules and metrics of ours at one Prometheus."""

    def __init__(self, url: str) -> None:
        self._http = Http(url, "Prometheus", "prometheus")

    @property
    def name(self) -> str:
        return "Prometheus"

    def read(self, now: datetime) -> tuple[Watch, Sequence[Alert]]:
        """As AlertSource promises. A server without our rules or metrics, or one that evaluates
        none of them, is a trouble: its silence means nothing."""
        try:
            answer = table(self._http.get("/api/v1/rules", type="alert"))
            groups = [
                group
                for group in rows(table(answer.get("data")).get("groups"))
                if str(group.get("name", "")).startswith(GROUPS)
            ]
            published = self._published()
        except MonitoringError as error:
            return Watch(self.name, self._http.url, False, error.message, error.remedy), ()
        rules = [rule for group in groups for rule in rows(group.get("rules"))]
        problem, remedy, as_of = _state(rules, published, now)
        return Watch(self.name, self._http.url, True, problem, remedy, as_of), list(_alerts(rules))

    def _published(self) -> list[dict[str, Any]]:
        """Hosts whose metrics it has now. MonitoringError."""
        import requests
        from prometheus_api_client import PrometheusConnect
        from prometheus_api_client.exceptions import PrometheusApiClientException

        client = PrometheusConnect(
            self._http.url, session=self._http.session, timeout=int(TIMEOUT[1])
        )
        try:
            return rows(client.custom_query("backup_publish_timestamp"))
        except requests.RequestException as error:
            raise self._http.error(reason(error)) from error
        except (PrometheusApiClientException, KeyError, TypeError, ValueError) as error:
            raise self._http.error(str(error)[:200]) from error


def _state(
    rules: Sequence[dict[str, Any]], published: Sequence[dict[str, Any]], now: datetime
) -> tuple[str, str, datetime | None]:
    """What is wrong, what to do, and when the rules were last evaluated."""
    if not rules:
        return (
            "it has no alert rules of mentat-dr: nothing can fire",
            "mentat-dr export rules > /etc/prometheus/rules/mentat-dr.yml, then reload it",
            None,
        )
    evaluated = [moment(rule.get("lastEvaluation")) for rule in rules]
    as_of = min((at for at in evaluated if at), default=None)
    broken = [rule for rule in rules if rule.get("health") == "err"]
    if broken:
        said = f"{broken[0].get('name')}: {str(broken[0].get('lastError'))[:160]}"
        return f"a rule cannot be evaluated: {said}", "Export the rules again.", as_of
    if as_of is None or now - as_of > STALE:
        return (
            "it does not evaluate our rules: what it shows is old",
            "Look at its log and its load.",
            as_of,
        )
    if not published:
        return (
            "it has no metrics of mentat-dr: no host publishes, or it scrapes none",
            "mentat-dr publish, and let Prometheus scrape the Pushgateway or node_exporter",
            as_of,
        )
    return "", "", as_of


def _alerts(rules: Sequence[dict[str, Any]]) -> Iterator[Alert]:
    from dataclasses import replace

    for rule in rules:
        for item in rows(rule.get("alerts")):
            state = _STATES.get(str(item.get("state")))
            if state is None:
                continue
            labels = {"alertname": str(rule.get("name", "")), **texts(item.get("labels"))}
            found = from_labels(labels, texts(item.get("annotations")), state)
            yield replace(found, since=moment(item.get("activeAt")))
