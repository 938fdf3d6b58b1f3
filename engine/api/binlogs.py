"""Binary logs: shipping them, the range they give, and plans that go to a moment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from engine.api.door import Door
from engine.core.binlog_scan import Mark
from engine.core.errors import MentatError, StoreError, UsageError
from engine.core.recovery import RestorePlan, RestoreRequest, Until
from engine.core.recovery_range import RecoveryRange
from engine.settings import SourceSettings

if TYPE_CHECKING:
    from engine.repository.binlogs import BinlogStore

__all__ = ["Binlogs", "Mark", "RecoveryRange", "Until"]

_FILE = "binlogs.json"
_FRESH = timedelta(minutes=1)
_MARKS = 2000  # told at once


class _Kept(msgspec.Struct, frozen=True):
    """What was last heard of one source's logs."""

    store: str
    at: datetime
    range: RecoveryRange


class Binlogs:
    """`engine.binlogs`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    # acting

    def start_ship(self, sources: Sequence[str] = (), *, follow: bool = False) -> str:
        """Start shipping: the named databases, or all whose configuration asks for it. The job's
        id. UsageError when there is none."""
        from engine.operations.ship_binlogs import chosen

        settings = self._door.settings
        wanted = [settings.source(name) for name in sources] or list(settings.sources)
        names = [source.name for source in chosen(wanted, bool(sources))]
        verb = "follow binary logs of" if follow else "ship binary logs of"
        request = {"sources": names, "follow": follow}
        return self._door.launch("ship-binlogs", request, f"{verb} {', '.join(names)}", names)

    # reading

    def plan(self, request: RestoreRequest) -> RestorePlan:
        """The plan of a restore to `request.until`; its request names the snapshot and the end.
        UsageError when that moment cannot be had, naming the nearest that can."""
        from engine import wiring
        from engine.api import planning
        from engine.operations import replay_plan

        store = self._store(request.source, request.host)
        rows = self._door.repo().restorable(store.host, store.source)
        resolved = replay_plan.resolve(store, rows, request, wiring.utc_now())
        until = resolved.request.until
        assert until is not None
        plain = planning.snapshot_alone(self._door, replace(resolved.request, until=None))
        found = replay_plan.indexes(store, resolved.route)
        replay_plan.require_unambiguous(found, until)
        parts = self._parts(request)
        return replay_plan.with_replay(plain, resolved, found, self._door.settings.state, parts)

    def _parts(self, request: RestoreRequest) -> Sequence[str]:
        """Schemas to which the source or the request is restricted; none for all."""
        own = self._door.settings.sources if not self._foreign(request.host) else ()
        source = next((s for s in own if s.name == request.source), None)
        return (*(source.schemas if source else ()), *request.parts)

    def _foreign(self, host: str) -> bool:
        return host not in ("", self._door.settings.host)

    def until(self, text: str) -> Until:
        """A moment as an operator types it: a time (UTC unless it says a zone), a GTID, `latest`.
        UsageError for anything else."""
        from engine.core.binlog_moment import parse_until

        found = parse_until(at=text)
        if found is None:
            raise UsageError("no moment was given", "Type a time, a GTID or `latest`.")
        return found

    def range(self, source: str, host: str = "") -> RecoveryRange:
        """What a database can be brought back to, by the store's keys now. StoreError."""
        from engine import wiring
        from engine.core.recovery_range import compute

        store = self._store(source, host)
        now = wiring.utc_now()
        shipped = store.listed()
        rows = self._door.repo().restorable(store.host, store.source)
        snapshots = [row.id for row in rows if row.committed and not row.aside]
        return compute(shipped, snapshots, now)

    def ranges(self, *, refresh: bool | None) -> Mapping[str, RecoveryRange]:
        """The ranges of our own databases, by source; what was last heard where the store does
        not answer or refresh is False. None asks where that is older than a minute: logs move
        on faster than snapshots. Never raises for a store."""
        kept = self._load()
        if refresh is False:
            return {name: known.range for name, known in kept.items()}
        from engine import wiring

        shown = self._door.settings.repository.shown
        now = wiring.utc_now()
        found = {}
        for source in self._databases():
            if refresh is None and source.name in kept and now - kept[source.name].at < _FRESH:
                found[source.name] = kept[source.name]
                continue
            try:
                told = self.range(source.name)
            except (StoreError, MentatError):
                if source.name in kept:
                    found[source.name] = kept[source.name]
                continue
            if told.shipped_to is not None:
                found[source.name] = _Kept(shown, now, told)
        if found != kept:
            self._save(found)
        return {name: known.range for name, known in found.items()}

    def marks(
        self, source: str, since: datetime, until: datetime, host: str = ""
    ) -> Sequence[Mark]:
        """Transactions worth finding again between two times, oldest first. StoreError,
        ManifestAltered."""
        from engine import wiring
        from engine.operations.replay_plan import search

        store = self._store(source, host)
        found = []
        for each in search(store, store.listed(), wiring.utc_now(), since, until):
            if since <= each.mark.at <= until:
                found.append(replace(each.mark, file=each.segment.file))
            if len(found) >= _MARKS:
                break
        return sorted(found, key=lambda mark: mark.at)

    def _databases(self) -> list[SourceSettings]:
        return [s for s in self._door.settings.sources if s.kind == "database" and s.binlogs]

    def _store(self, source: str, host: str) -> BinlogStore:
        from engine.repository.binlogs import BinlogStore

        return BinlogStore(self._door.repo(), host or self._door.settings.host, source)

    # what was last heard

    def _load(self) -> dict[str, _Kept]:
        try:
            body = (self._door.settings.state / _FILE).read_bytes()
            kept = msgspec.json.decode(body, type=dict[str, _Kept])
        except (OSError, msgspec.MsgspecError):
            return {}
        shown = self._door.settings.repository.shown
        return {name: known for name, known in kept.items() if known.store == shown}

    def _save(self, found: Mapping[str, _Kept]) -> None:
        file = self._door.settings.state / _FILE
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as stream:
                stream.write(msgspec.json.encode(found))
            temporary.replace(file)
