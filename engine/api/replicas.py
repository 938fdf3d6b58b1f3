"""Replicas: which of them is read, and how far each is behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from engine.api.door import FRESH, Door
from engine.core.errors import StoreError
from engine.core.objectives import Level
from engine.core.replicas import ReplicaPosture, judge

if TYPE_CHECKING:
    from engine.repository import Listing


class Replicas:
    """`engine.replicas`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def elsewhere(self) -> str:
        """One line saying that the last listing came from another store, and why; empty when it
        came from the primary."""
        listing = self._door.elsewhere
        if listing is None:
            return ""
        return (
            f"{listing.store} does not answer ({listing.problem}); this is what "
            f"{listing.read_from} holds"
        )

    def start(self, names: Sequence[str] = ()) -> str:
        """Start a job that copies to these replicas what they lack, to all without names.
        UsageError for a name that is no replica's."""
        from engine.operations.replicate import choose

        chosen = [store.shown for store in choose(self._door.settings.replicas, names)]
        title = f"replicate to {', '.join(chosen)}"
        return self._door.launch("replicate", {"replicas": list(names)}, title, [])

    def posture(
        self, primary: Listing | None, now: datetime, *, ask: bool | None
    ) -> tuple[ReplicaPosture, ...]:
        """How far each replica is behind this host's part of the primary. With ask they are
        listed now, all at once, with None only when that is some minutes old; one that does not
        answer is shown as it was last listed."""
        settings = self._door.settings
        if ask is None:
            ask = any(self._stale(store.shown, now) for store in settings.replicas)
        problems = self._list(now) if ask and settings.replicas else {}
        return tuple(
            self._judged(store.shown, primary, problems.get(store.shown, ""), now)
            for store in settings.replicas
        )

    def _stale(self, name: str, now: datetime) -> bool:
        from engine.repository import ListingFile

        settings = self._door.settings
        listed = ListingFile(settings.state).listed(name, settings.host)
        return listed is None or now - listed[0] > FRESH

    def _list(self, now: datetime) -> dict[str, str]:
        """Keep a listing of each replica; what went wrong, by its name."""
        from engine.repository import Listing, ListingFile

        settings = self._door.settings
        kept = ListingFile(settings.state)
        problems = {}
        answers = self._door.repo().replica_entries(settings.host)
        for store, answer in zip(settings.replicas, answers, strict=True):
            if isinstance(answer, StoreError):
                problems[store.shown] = answer.message
            else:
                kept.save(Listing(now, store.shown, tuple(answer)), settings.host)
        return problems

    def _judged(
        self, name: str, primary: Listing | None, problem: str, now: datetime
    ) -> ReplicaPosture:
        from dataclasses import replace

        from engine.repository import ListingFile

        settings = self._door.settings
        kept = ListingFile(settings.state).load(name, settings.host)
        if kept is None:
            why = problem or "never listed"
            return ReplicaPosture(name, "unknown", (why,), problem=problem)
        rpos = {source.name: source.rpo for source in settings.sources}
        rows = primary.rows if primary else ()
        found = judge(name, rows, kept.rows, rpos, kept.at, now)
        if not problem:
            return found
        reasons = (f"does not answer: {problem}", *found.reasons)
        level: Level = "critical" if found.level == "critical" else "warning"
        return replace(found, level=level, reasons=reasons, problem=problem)
