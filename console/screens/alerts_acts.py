"""Acknowledging an alert, and taking that back. Both are asked about first."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from console.screens.confirm import ConfirmDialog
from console.screens.incident_dialogs import TextDialog
from console.widgets.facts import Row
from console.widgets.panels import shell_rows
from engine.api import Alert

if TYPE_CHECKING:
    from console.app import MentatApp

SPAN = timedelta(hours=2)


class AlertActs:
    def __init__(self, desk: MentatApp) -> None:
        self._desk = desk

    def acknowledge(self, alert: Alert) -> None:
        """Ask why; the alert is then silent for two hours, and no other is."""
        ink = self._desk.ink
        where = "/".join(part for part in (alert.host, alert.source) if part)
        said = ["mentat-dr", "alerts", "silence", alert.name, "--for", "2h", "--reason", "WHY"]
        for option, value in (("--host", alert.host), ("--source", alert.source)):
            said += [option, value] if value else []
        rows: list[Row] = [
            ink.say(
                (alert.name, "strong"), f" {where} is silent for two hours; no other alert is."
            ),
            ink.say(("Why, and who looks after it? Whoever comes next reads this.", "muted")),
            ink.say(""),
            *shell_rows(ink, shlex.join(said)),
        ]
        dialog = TextDialog("Acknowledge this alert?", rows, yes="Silence for 2 h", need=True)
        engine = self._desk.engine

        def answered(reason: str | None) -> None:
            if reason and reason.strip():
                self._do("silence", lambda: engine.monitoring.silence(alert, reason, SPAN))

        self._desk.push_screen(dialog, answered)

    def end(self, alert: Alert) -> None:
        """Ask, then let it alarm again."""
        silence = alert.silence
        assert silence is not None
        ink, engine = self._desk.ink, self._desk.engine
        rows: list[Row] = [
            ink.say(f"{silence.by} silenced {alert.name}:"),
            ink.say((silence.reason, "strong")),
        ]
        dialog = ConfirmDialog(
            "Let it alarm again?",
            rows,
            command=shlex.join(["mentat-dr", "alerts", "unsilence", silence.id]),
            yes="End the silence",
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self._do("unsilence", lambda: engine.monitoring.unsilence(silence.id))

        self._desk.push_screen(dialog, answered)

    def _do(self, what: str, call: Callable[[], object]) -> None:
        async def work() -> None:
            answer = await self._desk.door.ask(what, call)
            if answer.trouble:
                self._desk.complain(answer.trouble.message, answer.trouble.remedy)
            self._desk.ask_alerts()

        self._desk.run_worker(work(), exit_on_error=False)
