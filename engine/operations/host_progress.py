"""How far a host's rebuild has come: kept durably, so that it goes on after a kill -9."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from engine.core.host_set import SetId
from engine.operations import durable


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One rebuild under way. made: the volumes that it made itself, so that they held nothing."""

    host: str
    ref: str
    started: datetime
    done: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


def _file(state: Path, host: str) -> Path:
    return state / "rebuild" / f"{host}.json"


def load(state: Path, set_id: SetId) -> Rebuild | None:
    """The unfinished rebuild of this very set, if there is one."""
    try:
        found = msgspec.json.decode(_file(state, set_id.host).read_bytes(), type=Rebuild)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.ref == set_id.ref else None


def done(state: Path, set_id: SetId) -> frozenset[str]:
    """The parts that an unfinished rebuild of this set has behind it."""
    found = load(state, set_id)
    return frozenset(found.done) if found else frozenset()


def save(state: Path, rebuild: Rebuild) -> None:
    durable.write(_file(state, rebuild.host), msgspec.json.encode(rebuild))


def finish(state: Path, host: str) -> None:
    durable.remove(_file(state, host))


class Progress:
    """The record of a rebuild as it goes on; every step is on the disk before the next begins."""

    def __init__(self, state: Path, set_id: SetId, now: datetime, *, afresh: bool) -> None:
        self._state = state
        known = None if afresh else load(state, set_id)
        self.resumed = known is not None
        self._rebuild = known or Rebuild(set_id.host, set_id.ref, now)
        save(state, self._rebuild)

    @property
    def started(self) -> datetime:
        return self._rebuild.started

    def is_done(self, part_id: str) -> bool:
        return part_id in self._rebuild.done

    def is_made(self, volume: str) -> bool:
        """Whether this rebuild made the volume, in this or in an interrupted run."""
        return volume in self._rebuild.made

    def made(self, volume: str) -> None:
        """Note, before it is made, that a volume is ours."""
        if volume not in self._rebuild.made:
            self._rebuild = replace(self._rebuild, made=(*self._rebuild.made, volume))
            save(self._state, self._rebuild)

    def step(self, part_id: str) -> None:
        self._rebuild = replace(self._rebuild, done=(*self._rebuild.done, part_id))
        save(self._state, self._rebuild)

    def finish(self) -> None:
        finish(self._state, self._rebuild.host)
