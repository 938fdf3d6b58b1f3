"""What verifications remember of a store: which snapshots were seen, and when each was last read to
its end. Losing it costs a fuller reading; it never makes anything count as proven."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from engine.core.snapshot import SnapshotId
from engine.operations import durable

_FORGET = timedelta(days=800)


@dataclass(slots=True)
class Seen:
    """A snapshot as it was last known. `proven` is when all of it was read and was whole."""

    id: SnapshotId
    proven: datetime | None = None


@dataclass(slots=True)
class Memory:
    """Of one store. `seen` by manifest key."""

    store: str
    last_run: datetime | None = None
    seen: dict[str, Seen] = field(default_factory=dict)

    def note(self, snapshot: SnapshotId) -> Seen:
        return self.seen.setdefault(snapshot.manifest_key, Seen(snapshot))

    def of(self, host: str, source: str) -> list[SnapshotId]:
        """Every snapshot of a source ever seen."""
        return [s.id for s in self.seen.values() if (s.id.host, s.id.source) == (host, source)]


def _file(state: Path, store: str) -> Path:
    name = hashlib.sha256(store.encode()).hexdigest()[:16]
    return state / "verify" / f"{name}.json"


def load(state: Path, store: str) -> Memory:
    """Empty when there is none that can be read."""
    try:
        memory = msgspec.json.decode(_file(state, store).read_bytes(), type=Memory)
    except (OSError, msgspec.MsgspecError):
        return Memory(store)
    return memory if memory.store == store else Memory(store)


def save(state: Path, memory: Memory, now: datetime) -> None:
    """Durably; snapshots of over two years ago are forgotten. OSError."""
    memory.seen = {k: s for k, s in memory.seen.items() if now - s.id.at < _FORGET}
    durable.write(_file(state, memory.store), msgspec.json.encode(memory))
