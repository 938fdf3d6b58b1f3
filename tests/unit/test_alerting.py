"""Alerts of two servers in one list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.core.alerting import HEARTBEAT, Alert, Silence, Watch, from_labels, gather
from engine.core.errors import MonitoringError, UsageError
from engine.operations.alerts import choose, silence

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROMETHEUS = Watch("Prometheus", "http://p", True)
MANAGER = Watch("Alertmanager", "http://a", True)


def alert(name: str = "BackupJobFailed", severity: str = "critical", source: str = "db") -> Alert:
    labels = {"alertname": name, "severity": severity, "host": "landsraad", "source": source}
    return replace(from_labels(labels, {"runbook": "pre-flight"}, "firing"), since=NOW - HOUR)


def test_the_same_alert_of_both_is_one_and_begins_with_the_earlier() -> None:
    manager = replace(alert(), told=True, since=NOW)
    board = gather(NOW, [(PROMETHEUS, [alert()]), (MANAGER, [manager])])
    (one,) = board.alerts
    assert one.told and one.since == NOW - HOUR and one.runbook == "pre-flight"


@pytest.mark.parametrize("first", [True, False])
def test_what_is_silenced_there_is_silenced_here(first: bool) -> None:
    by = Silence("id", "root", "known", NOW + HOUR)
    manager = replace(alert(), told=True, state="silenced", silence=by)
    told = [(PROMETHEUS, [alert()]), (MANAGER, [manager])]
    (one,) = gather(NOW, told if first else told[::-1]).alerts
    assert one.state == "silenced" and one.silence == by


def test_the_worst_comes_first_and_the_heartbeat_not_at_all() -> None:
    pending = replace(alert("A"), state="pending")
    rows = [alert("Z", "warning"), pending, alert("Y"), alert(HEARTBEAT, "info")]
    board = gather(NOW, [(PROMETHEUS, rows)])
    assert [a.name for a in board.alerts] == ["Y", "Z", "A"]
    assert [a.name for a in board.firing] == ["Y", "Z"]


def test_nobody_watches() -> None:
    away = replace(PROMETHEUS, reachable=False, problem="no route")
    assert gather(NOW, []).blind
    assert gather(NOW, [(away, [])]).blind
    assert not gather(NOW, [(away, []), (MANAGER, [])]).blind


def test_an_alert_is_chosen_by_name_and_where_it_is() -> None:
    board = gather(NOW, [(PROMETHEUS, [alert(), alert(source="etc"), alert("Other")])])
    assert choose(board, "other").name == "Other"
    assert choose(board, "BackupJobFailed", source="etc").source == "etc"
    with pytest.raises(UsageError, match="2 alerts are called"):
        choose(board, "BackupJobFailed")
    with pytest.raises(UsageError, match="no such alert"):
        choose(board, "Nothing")


class Kept:
    """A Silencer that remembers what it was asked for."""

    def __init__(self) -> None:
        self.made: list[tuple[tuple[str, str], ...]] = []

    def silence(self, matchers, reason, by, now, span):  # type: ignore[no-untyped-def]
        self.made.append(tuple(matchers))
        return "id"

    def silences(self) -> list[Silence]:
        return []

    def expire(self, silence: str) -> None:
        raise AssertionError


def test_a_silence_is_of_this_alert_alone_with_a_reason_and_an_end() -> None:
    silencer = Kept()
    done = silence(silencer, alert(), reason=" disk ", by="root", span=HOUR, now=NOW)
    assert (done.reason, done.until) == ("disk", NOW + HOUR)
    assert dict(silencer.made[0])["source"] == "db"
    with pytest.raises(UsageError, match="needs a reason"):
        silence(silencer, alert(), reason=" ", by="root", span=HOUR, now=NOW)
    with pytest.raises(UsageError, match="at most 30 days"):
        silence(silencer, alert(), reason="x", by="root", span=HOUR * 24 * 31, now=NOW)
    with pytest.raises(MonitoringError, match="no Alertmanager"):
        silence(None, alert(), reason="x", by="root", span=HOUR, now=NOW)
