"""Monitoring: metrics published, people told, alerts read, and what others are configured with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from engine.api.door import Door
from engine.core.alerting import Alert, Board, Silence, Watch
from engine.core.errors import ConfigurationError, MentatError, UsageError
from engine.core.metrics import Family
from engine.core.objectives import Level

if TYPE_CHECKING:
    from engine.jobs.aftermath import Swept

_JOBS = 60


class Monitoring:
    """`engine.monitoring`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    # metrics and notices

    def publish(self, *, refresh: bool | None = None) -> Swept:
        """Publish this host's metrics and tell what is news. refresh: None asks the store when
        the kept listing is older than 15 minutes, False never. What fails is in the answer.
        ConfigurationError when the state directory cannot be written."""
        from engine.jobs import aftermath, board

        settings = self._door.settings
        try:
            jobs = board.jobs(settings.state, _JOBS)
            return aftermath.sweep(settings, jobs, refresh=refresh)
        except OSError as error:
            raise self._unwritable(error) from error

    def metrics(self, *, refresh: bool | None = None) -> Sequence[Family]:
        """The metrics as they would be published now; nothing is sent."""
        from engine.core import metrics_facts
        from engine.jobs import aftermath, board
        from engine.operations import publish

        settings = self._door.settings
        try:
            jobs = board.jobs(settings.state, _JOBS)
            facts, _ = publish.gather(aftermath.gathering(settings, jobs), refresh=refresh)
        except OSError as error:
            raise self._unwritable(error) from error
        return metrics_facts.families(facts)

    def text(self, families: Sequence[Family]) -> str:
        """Families in Prometheus' exposition format."""
        from engine import wiring

        return wiring.exposition(families)

    def say(self, title: str, body: str, level: str = "warning") -> Sequence[str]:
        """Send this to everybody who is configured; one line for each notifier that failed.
        ConfigurationError when nobody is."""
        from engine import wiring

        notifiers = wiring.notifiers(self._door.settings)
        if not notifiers:
            raise ConfigurationError(
                "nobody is configured to be told", "Add `urls` under [notify]."
            )
        problems = []
        for notifier in notifiers:
            try:
                notifier.notify(title, body, level)
            except MentatError as error:
                problems.append(error.message)
        return problems

    def troubles(self) -> Sequence[str]:
        """What failed when metrics were last published and people last told; from this host's
        disk."""
        from engine.operations.telling_state import Memory

        memory = Memory(self._door.settings.state)
        last = memory.published()
        return (*memory.notified().problems, *(last.problems if last else ()))

    def notices(self, now: datetime) -> Sequence[tuple[Level, str]]:
        """The same, and keys that end soon, as lines of the posture. Only this host's disk is
        asked."""
        from engine.core.key_findings import EXPIRY_WARNING
        from engine.operations.telling_state import Memory

        found: list[tuple[Level, str]] = [
            ("warning", f"not published or told: {problem}") for problem in self.troubles()
        ]
        for key in Memory(self._door.settings.state).keys().keys:
            if key.expires is not None and key.expires - now < EXPIRY_WARNING:
                ends = f"{key.expires:%Y-%m-%d}: mentat-dr key check"
                if key.expires <= now:
                    found.append(("critical", f"the {key.role} key {key.name} expired {ends}"))
                else:
                    found.append(("warning", f"the {key.role} key {key.name} expires {ends}"))
        return found

    def _unwritable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"{error.filename or self._door.settings.state} cannot be written: {error.strerror}",
            "Run as the user that owns the state directory (root).",
        )

    # alerts

    def alerts(self) -> Board:
        """What fires, is about to, or is silenced, and whether those who watch can be relied on.
        Never raises for an unreachable server. Takes some seconds when one does not answer."""
        from engine import wiring
        from engine.operations import alerts

        settings = self._door.settings
        missing = [
            Watch(name, "", False, f"{name} is not configured", f"Set `{key}` under [monitoring].")
            for name, key in (("Prometheus", "prometheus"), ("Alertmanager", "alertmanager"))
            if not getattr(settings.monitoring, key)
        ]
        return alerts.look(wiring.alert_sources(settings), missing, wiring.utc_now())

    def find_alert(self, name: str, host: str = "", source: str = "") -> Alert:
        """UsageError when none or several are meant."""
        from engine.operations import alerts

        return alerts.choose(self.alerts(), name, host, source)

    def silence(self, alert: Alert, reason: str, span: timedelta, by: str = "") -> Silence:
        """Acknowledge an alert: silence it, and no other, with a reason. UsageError,
        MonitoringError."""
        from engine import wiring
        from engine.jobs.identity import user_name
        from engine.operations import alerts

        settings = self._door.settings
        return alerts.silence(
            wiring.silencer(settings),
            alert,
            reason=reason,
            by=by or f"{user_name()}@{settings.host}",
            span=span,
            now=wiring.utc_now(),
        )

    def silences(self) -> Sequence[Silence]:
        """Those in force. MonitoringError."""
        from engine import wiring
        from engine.operations import alerts

        return alerts.configured(wiring.silencer(self._door.settings)).silences()

    def unsilence(self, silence: str) -> None:
        """End a silence. MonitoringError."""
        from engine import wiring
        from engine.operations import alerts

        alerts.configured(wiring.silencer(self._door.settings)).expire(silence)

    # what others are configured with

    def rules(self) -> str:
        """`alerts.yml` for Prometheus."""
        from engine import monitoring

        return monitoring.alerts_yml()

    def dashboard(self) -> str:
        """`dashboard.json` for Grafana."""
        from engine import monitoring

        return monitoring.dashboard_json()

    def crontab(self, program: str, passphrase_file: str = "") -> str:
        """A file for /etc/cron.d."""
        from engine.monitoring import schedule, schedule_files

        settings = self._door.settings
        entries = schedule.entries(settings, passphrase_file)
        notes = (*schedule.notes(settings), *self._unattended(passphrase_file))
        return schedule_files.crontab(entries, program, str(settings.file), settings.host, notes)

    def units(self, program: str, passphrase_file: str = "") -> Mapping[str, str]:
        """systemd services and timers by file name."""
        from engine.monitoring import schedule, schedule_files

        settings = self._door.settings
        entries = schedule.entries(settings, passphrase_file)
        return schedule_files.units(entries, program, str(settings.file))

    def schedule_notes(self, passphrase_file: str = "") -> Sequence[str]:
        """What a schedule cannot reach here, for people."""
        from engine.monitoring import schedule

        return (*schedule.notes(self._door.settings), *self._unattended(passphrase_file))

    def _unattended(self, passphrase_file: str) -> Sequence[str]:
        """Restore tests and drills must decrypt with nobody there."""
        if passphrase_file:
            if not Path(passphrase_file).is_absolute():
                raise UsageError("the passphrase file needs an absolute path", "Give it in full.")
            return ()
        try:
            if not self._door.repo().cipher.needs_passphrase():
                return ()
        except MentatError as error:
            return (f"restore tests and drills will fail here: {error.message}",)
        return (
            "restore tests and drills will fail here: the key needs its passphrase; give "
            "--passphrase-file FILE, or add a verifier's key without one to the recipients",
        )
