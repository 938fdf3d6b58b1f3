"""Alerts: what fires now, who was told, and the runbook each leads to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.formatting import age, brief_age, utc
from console.screens.alerts_acts import AlertActs
from console.screens.base import MentatScreen
from console.screens.text import TextScreen
from console.widgets.columns import Cell, Column
from console.widgets.facts import Fact, Facts, Row
from console.widgets.panels import moment, shell_rows, trouble_rows
from console.widgets.table import VirtualTable
from engine.api import Alert, Board, Watch

SEVERITY_ROLE = {"critical": "critical", "warning": "warning"}


class AlertsScreen(MentatScreen[None]):
    heading = "alerts"
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "its runbook", "screen.open", "The runbook that this alert leads to."),
        Act("k", "acknowledge", "screen.acknowledge", "Silence it for a while, with a reason."),
        Act("x", "end the silence", "screen.end", "Let it alarm again."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", show=False),
        Binding("k", "acknowledge", show=False),
        Binding("x", "end", show=False),
    ]
    AUTO_FOCUS = "#alerts"

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            with Vertical(id="main"):
                yield Facts(self.ink, id="watches")
                yield VirtualTable[Alert](
                    self._columns(),
                    identity=lambda alert: alert.key,
                    search=lambda a: f"{a.name} {a.host} {a.source} {a.severity} {a.state}",
                    ink=self.ink,
                    empty="asking Prometheus and the Alertmanager",
                    id="alerts",
                )
                with VerticalScroll(id="below", can_focus=False):
                    yield Facts(self.ink, id="facts")
            with VerticalScroll(id="side", can_focus=False):
                yield Facts(self.ink, id="side-facts")

    def _columns(self) -> list[Column[Alert]]:
        return [
            Column("state", "STATE", self._state, 10, 11),
            Column("severity", "SEVERITY", self._severity, 8),
            Column("name", "ALERT", lambda a: Cell(a.name, "strong"), 24, 36),
            Column("source", "SOURCE", lambda a: Cell(a.source), 8, 24, drop=1),
            Column("host", "HOST", lambda a: Cell(a.host, "muted"), 8, 16, drop=2),
            Column("since", "SINCE", self._since, 12, drop=3),
        ]

    def _state(self, alert: Alert) -> Cell:
        glyphs = self.ink.glyphs
        sign = {"firing": glyphs.failed, "pending": glyphs.waiting, "silenced": glyphs.cancelled}
        role = SEVERITY_ROLE.get(alert.severity, "") if alert.state == "firing" else "muted"
        return Cell(f"{sign[alert.state]} {alert.state}", role)

    def _severity(self, alert: Alert) -> Cell:
        role = SEVERITY_ROLE.get(alert.severity, "muted") if alert.state == "firing" else "muted"
        return Cell(alert.severity, role)

    def _since(self, alert: Alert) -> Cell:
        return Cell(brief_age(alert.since, self.now) if alert.since else "", "muted")

    # ------------------------------------------------------------ drawing

    @property
    def table(self) -> VirtualTable[Alert]:
        return self.query_one("#alerts", VirtualTable)

    @property
    def board(self) -> Board | None:
        return self.model.alerts

    def on_screen_resume(self) -> None:
        """Textual calls the base class's own besides this one."""
        self.desk.ask_alerts()

    def paint(self) -> None:
        board = self.board
        table = self.table
        if board is None:
            trouble = self.model.alerts_trouble
            table.empty = "nothing is known of alerts" if trouble else table.empty
        else:
            table.empty = (
                "NOBODY WATCHES: that no alert is shown does not mean that all is well"
                if board.blind
                else "no alert fires or is about to"
            )
            table.set_rows(board.alerts)
        watches = self._watches(board)
        self.query_one("#watches", Facts).show(watches)
        self.query_one("#side").display = self.wide
        self.query_one("#below").display = not self.wide
        if not self.wide:
            room = max(4, self.size.height - 5 - len(watches))
            table.styles.height = max(3, min(table.total + 1, room - 9))
        self._paint_facts()

    def _watches(self, board: Board | None) -> list[Row]:
        """Who watches: in one line when all is well, else each trouble with what to do."""
        ink = self.ink
        if board is None:
            trouble = self.model.alerts_trouble
            return trouble_rows(ink, trouble) if trouble else []
        rows: list[Row] = []
        if board.blind:
            rows.append(ink.say((" NOBODY WATCHES ", "alarm"), " alerts cannot be relied on"))
        for watch in board.watches:
            if watch.problem:
                rows += self._trouble(watch)
        told = age(board.at, self.now)
        fine = [watch.name for watch in board.watches if not watch.problem]
        if fine:
            rows.append(ink.say((f"as {' and '.join(fine)} told {told}", "muted")))
        if self.model.alerts_trouble:
            rows.append(ink.say((self.model.alerts_trouble.message, "critical")))
        return rows

    def _trouble(self, watch: Watch) -> list[Row]:
        ink = self.ink
        said: list[Row] = [
            Fact(
                ink.glyphs.unknown,
                ink.say((f"{watch.name}: {watch.problem}", "warning")),
                "unknown",
                2,
            )
        ]
        if watch.remedy:
            said.append(Fact("", ink.say((f"{ink.glyphs.arrow} {watch.remedy}", "muted")), "", 2))
        return said

    @on(VirtualTable.Moved)
    def _paint_facts(self) -> None:
        alert = self.table.row
        rows = self._facts(alert) if alert is not None else []
        self.query_one("#side-facts" if self.wide else "#facts", Facts).show(rows)

    def _facts(self, alert: Alert) -> list[Row]:
        ink, now = self.ink, self.now
        rows: list[Row] = [
            ink.say((alert.summary or alert.name, "title")),
            ink.say((alert.description, "muted")),
            ink.say(""),
            Fact("since", moment(ink, alert.since, now)),
            Fact("told", ink.say("by the Alertmanager" if alert.told else "nobody yet")),
        ]
        silence = alert.silence
        if silence:
            rows.append(Fact("silenced", ink.say(f"by {silence.by} until {utc(silence.until)}")))
            rows.append(Fact("", ink.say((silence.reason, "strong"))))
        if alert.runbook:
            rows.append(Fact("runbook", ink.say(alert.runbook, ("   enter reads it", "muted"))))
        if alert.command:
            rows += shell_rows(ink, alert.command)
        return rows

    # ------------------------------------------------------------ acts

    def current_acts(self) -> tuple[Act, ...]:
        alert = self.table.row if self.is_mounted else None
        hidden = set()
        if alert is None or not alert.runbook:
            hidden.add("enter")
        if alert is None or alert.silence is not None:
            hidden.add("k")
        if alert is None or alert.silence is None:
            hidden.add("x")
        return tuple(act for act in self.acts if act.key not in hidden)

    @on(VirtualTable.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        alert = self.table.row
        if alert is not None and alert.runbook:
            engine, name = self.desk.engine, alert.runbook
            self.desk.push_screen(
                TextScreen(f"runbook {name}", lambda: engine.runbooks.export(name, "text"))
            )

    def action_acknowledge(self) -> None:
        alert = self.table.row
        if alert is not None and alert.silence is None:
            AlertActs(self.desk).acknowledge(alert)

    def action_end(self) -> None:
        alert = self.table.row
        if alert is not None and alert.silence is not None:
            AlertActs(self.desk).end(alert)
