"""What the last prune left in each store, kept on this host: a listing that lacks some of it is
not believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from engine.core.snapshot import SnapshotEntry
from engine.operations import durable


@dataclass(frozen=True, slots=True)
class Record:
    """The committed snapshots of a store after a prune."""

    at: datetime
    rows: tuple[SnapshotEntry, ...]


def load(state: Path, store: str) -> Record | None:
    """None when there was none, or it cannot be read."""
    return _all(state).get(store)


def save(
    state: Path,
    store: str,
    at: datetime,
    rows: Iterable[SnapshotEntry],
    concerned: Callable[[SnapshotEntry], bool],
) -> None:
    """Remember these rows; of those the prune was not concerned with, what was known before."""
    records = _all(state)
    former = records[store].rows if store in records else ()
    others = [row for row in former if not concerned(row)]
    mine = [row for row in rows if row.committed and concerned(row)]
    records[store] = Record(at, (*mine, *others))
    durable.write(_file(state), msgspec.json.encode(records))


def _file(state: Path) -> Path:
    return state / "retention.json"


def _all(state: Path) -> dict[str, Record]:
    try:
        return msgspec.json.decode(_file(state).read_bytes(), type=dict[str, Record])
    except (OSError, msgspec.MsgspecError):
        return {}
