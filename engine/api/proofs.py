"""Proofs: verifications, restore tests, drills and their reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from engine.api.door import Door
from engine.core.errors import StoreError, UsageError
from engine.core.report import DRILLS, REPORT_KINDS, VERIFICATIONS, Report, ReportKind

if TYPE_CHECKING:
    from engine.core.compliance import Compliance
    from engine.core.forecast import Forecast
    from engine.core.objectives import Posture
    from engine.operations.drill import Kind as DrillKind
    from engine.operations.verify import What

_DRILL_KINDS = ("quick", "database", "volumes", "config", "full")
_WHATS = ("local", "offsite", "restore", "all")


class Proofs:
    """`engine.proofs`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    # acting

    def start_verify(
        self,
        what: What,
        sources: Sequence[str] = (),
        *,
        everything: bool = False,
        passphrase: str | None = None,
    ) -> str:
        """Start a verification job; no sources means all. `everything` reads all that is stored
        instead of today's sample. Returns the job's id."""
        if what not in _WHATS:
            raise UsageError(f"{what!r} cannot be verified", f"Give one of {', '.join(_WHATS)}.")
        names = self._names(sources)
        request = {"what": what, "sources": names, "everything": everything}
        title = f"verify {what}" + (f" {', '.join(names)}" if sources else "")
        return self._door.launch("verify", request, title, names, _secrets(passphrase))

    def start_drill(self, kind: DrillKind, *, passphrase: str | None = None) -> str:
        """Start a drill job; its id."""
        if kind not in _DRILL_KINDS:
            raise UsageError(f"there is no drill {kind!r}", f"One of {', '.join(_DRILL_KINDS)}.")
        names = self._names(())
        return self._door.launch(
            "drill", {"kind": kind}, f"drill {kind}", names, _secrets(passphrase)
        )

    def _names(self, sources: Sequence[str]) -> list[str]:
        settings = self._door.settings
        chosen = [settings.source(name) for name in sources] or list(settings.sources)
        if not chosen:
            raise UsageError("no source is configured", f"Add a [[source]] to {settings.file}")
        return [source.name for source in chosen]

    # reading

    def reports(
        self,
        kinds: Sequence[ReportKind] = REPORT_KINDS,
        *,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[Report]:
        """Reports kept on this host, newest first."""
        from engine.operations import reports

        return reports.history(self._door.settings.state, kinds, since)[:limit]

    def verifications(self) -> Sequence[Report]:
        """The last report of each kind of verification that was ever made on this host."""
        return self._newest(VERIFICATIONS)

    def drills(self, limit: int | None = None) -> Sequence[Report]:
        """Drills held, newest first."""
        return self.reports(DRILLS, limit=limit)

    def forecast(self, posture: Posture) -> Mapping[str, Forecast]:
        """How long a recovery would take now, by source, and under "" for the whole host: from
        the drills and restore tests kept on this host and today's sizes."""
        from engine.operations import forecasts

        return forecasts.of(self._door.settings, posture)

    def compliance(self, since: datetime, until: datetime) -> Compliance:
        """This host over a period. StoreError when neither the store nor a kept listing tells
        what snapshots there were."""
        from engine.operations import compliance

        settings = self._door.settings
        listing = self._door.kept_listing(settings.host)
        try:
            listing = self._door.list(settings.host)
        except StoreError:
            if listing is None:
                raise
        store = self._door.repo().store
        return compliance.of(settings, store, listing.rows, (since, until))

    def report(self, wanted: str) -> Report:
        """By the start of its id or name, or `latest`. UsageError when none or several fit."""
        from engine.operations import reports

        return reports.find(self._door.settings.state, wanted)

    def reports_of_host(self, host: str, since: datetime | None = None) -> Sequence[Report]:
        """What the store keeps of a host's reports, newest first: for one that is gone.
        StoreError."""
        from engine.operations import reports

        return reports.fetch(self._door.repo().store, host, since)

    def _newest(self, kinds: Sequence[ReportKind]) -> list[Report]:
        from engine.operations import reports

        found = (reports.newest(self._door.settings.state, kind) for kind in kinds)
        return [report for report in found if report is not None]


def _secrets(passphrase: str | None) -> dict[str, bytes]:
    return {} if passphrase is None else {"passphrase": passphrase.encode()}
