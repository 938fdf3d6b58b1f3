"""The Alerts screen: what fires and where it leads, acknowledged with a reason; and what it says
when nobody watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from engine.api import Alert, Board, Silence, Watch
from engine.api.monitoring import Monitoring
from engine.core.errors import MonitoringError
from tests.console.driving import drive
from tests.console.fake_engine import HOSTILE, NOW, FakeEngine

HOUR = timedelta(hours=1)
PROMETHEUS = Watch("Prometheus", "http://mentat:9090", True, as_of=NOW)
MANAGER = Watch("Alertmanager", "http://mentat:9093", True, as_of=NOW)


def alert(name: str = "BackupSizeAbnormal", **more: object) -> Alert:
    made = Alert(
        name,
        "firing",
        "warning",
        "landsraad",
        "media",
        NOW - 2 * HOUR,
        f"{name} of media",
        "Data may be missing at its source.",
        "application-data-loss",
        "mentat-dr snapshots --source media",
        labels={"alertname": name, "source": "media"},
        told=True,
    )
    return replace(made, **more)  # type: ignore[arg-type]


class FakeMonitoring(Monitoring):
    """Answers from memory, and remembers what was silenced."""

    def __init__(self, *alerts: Alert, watches: Sequence[Watch] = (PROMETHEUS, MANAGER)) -> None:
        self.board = Board(NOW, alerts, tuple(watches))
        self.silenced: list[tuple[str, str, timedelta]] = []
        self.ended: list[str] = []
        self.trouble = ""

    def alerts(self) -> Board:
        return self.board

    def silence(self, alert: Alert, reason: str, span: timedelta, by: str = "") -> Silence:
        if self.trouble:
            raise MonitoringError(self.trouble, "Mend it.")
        self.silenced.append((alert.name, reason, span))
        made = Silence("id-1", "root", reason, NOW + span)
        quiet = replace(alert, state="silenced", silence=made)
        self.board = replace(self.board, alerts=(quiet,))
        return made

    def unsilence(self, silence: str) -> None:
        self.ended.append(silence)


def watched(*alerts: Alert, watches: Sequence[Watch] = (PROMETHEUS, MANAGER)) -> FakeEngine:
    engine = FakeEngine()
    engine.monitoring = FakeMonitoring(*alerts, watches=watches)
    return engine


async def test_what_fires_is_shown_and_leads_to_its_runbook() -> None:
    async with drive(watched(alert())) as d:
        await d.settled()
        await d.until("BackupSizeAbnormal media (warning, 2h00 ago)")
        await d.press("a")
        await d.arrive("AlertsScreen")
        await d.until("BackupSizeAbnormal of media")
        assert "firing" in d.text and "media" in d.text
        assert "as Prometheus and Alertmanager told" in d.flat
        assert "mentat-dr snapshots --source media" in d.flat
        await d.press("enter")
        await d.arrive("TextScreen")
        await d.until("Application data loss")


async def test_it_is_acknowledged_with_a_reason_and_let_alarm_again() -> None:
    engine = watched(alert())
    monitoring = engine.monitoring
    assert isinstance(monitoring, FakeMonitoring)
    async with drive(engine) as d:
        await d.settled()
        await d.press("a")
        await d.arrive("AlertsScreen")
        await d.until("of media")
        await d.press("k")
        await d.arrive("TextDialog")
        await d.press("enter")
        assert d.at == "TextDialog", "without a reason it stays"
        await d.write("disk is replaced")
        await d.press("enter")
        await d.until(lambda: monitoring.silenced)
        assert monitoring.silenced == [("BackupSizeAbnormal", "disk is replaced", 2 * HOUR)]
        await d.arrive("AlertsScreen")
        await d.until("silenced")
        await d.until("disk is replaced")
        await d.press("x")
        await d.arrive("ConfirmDialog")
        await d.press("tab", "enter")
        await d.until(lambda: monitoring.ended == ["id-1"])


async def test_what_keeps_a_silence_from_being_made_is_said() -> None:
    engine = watched(alert())
    assert isinstance(engine.monitoring, FakeMonitoring)
    engine.monitoring.trouble = "the Alertmanager is away"
    async with drive(engine) as d:
        await d.settled()
        await d.press("a")
        await d.arrive("AlertsScreen")
        await d.until("of media")
        await d.press("k")
        await d.arrive("TextDialog")
        await d.write("why")
        await d.press("enter")
        said = d.app._notifications
        await d.until(lambda: any("the Alertmanager is away" in n.message for n in said))


async def test_nobody_watches_and_no_alert_does_not_look_like_all_is_well() -> None:
    away = replace(PROMETHEUS, reachable=False, problem="no route to host", remedy="Start it.")
    old = replace(MANAGER, problem="our heartbeat does not reach it", remedy="Check it.")
    async with drive(watched(watches=(away, old))) as d:
        await d.settled()
        await d.until("nobody watches")
        await d.press("a")
        await d.arrive("AlertsScreen")
        await d.until("NOBODY WATCHES")
        for said in ("no route to host", "Start it.", "our heartbeat does not reach it"):
            assert said in d.flat
        assert "no alert fires or is about to" not in d.flat


async def test_all_is_well_only_when_somebody_watches() -> None:
    async with drive(watched()) as d:
        await d.settled()
        assert "ALERTS" not in d.text
        await d.press("a")
        await d.arrive("AlertsScreen")
        await d.until("no alert fires or is about to")


async def test_without_any_monitoring_it_says_how_to_get_it() -> None:
    async with drive() as d:
        await d.settled()
        assert "ALERTS" not in d.text
        await d.press("a")
        await d.arrive("AlertsScreen")
        await d.until("Prometheus is not configured")
        assert "under [monitoring]" in d.flat


async def test_text_from_outside_is_inert_at_any_width() -> None:
    bad = alert(HOSTILE, summary=HOSTILE, description=HOSTILE, command=HOSTILE, source=HOSTILE)
    for size in ((80, 24), (140, 45)):
        async with drive(watched(bad), size=size, ascii_only=True) as d:
            await d.settled()
            await d.press("a")
            await d.arrive("AlertsScreen")
            await d.until("\\x1b[31mred")
            assert "\x1b" not in d.text and "\u202e" not in d.text
