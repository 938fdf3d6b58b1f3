"""Chains: an incremental snapshot builds on a base, which may be an incremental itself."""

from __future__ import annotations

from collections.abc import Iterable

from engine.core.snapshot import SnapshotEntry, SnapshotId, parse_ref

LONGEST = 1000  # links; more is a circle or nonsense


class Links:
    """Who builds on whom among the snapshots of one listing, by what the listing alone tells."""

    def __init__(self, rows: Iterable[SnapshotEntry]) -> None:
        self._rows = {row.id: row for row in rows if row.committed}
        self._bases: dict[SnapshotId, SnapshotId | None] = {}

    def chain(self, snapshot: SnapshotId) -> tuple[SnapshotEntry, ...] | None:
        """The rows to restore one after the other, a full one first, this one last; None when one
        of them is not there, or not known."""
        row = self._rows.get(snapshot)
        if row is None:
            return None
        found = (row, *self.below(snapshot))
        return tuple(reversed(found)) if found[-1].id.method != "incremental" else None

    def whole(self, snapshot: SnapshotId) -> bool:
        """Whether everything it builds on is there."""
        return self.chain(snapshot) is not None

    def below(self, snapshot: SnapshotId) -> tuple[SnapshotEntry, ...]:
        """What it builds on, as far as that is there, whether or not the chain is whole; the
        nearest first."""
        found: list[SnapshotEntry] = []
        current = self._base(snapshot)
        while current is not None and len(found) < LONGEST:
            found.append(current)
            current = self._base(current.id)
        return tuple(found)

    def _base(self, snapshot: SnapshotId) -> SnapshotEntry | None:
        if snapshot.method != "incremental":
            return None
        if snapshot not in self._bases:
            row = self._rows.get(snapshot)
            self._bases[snapshot] = base_of(row) if row is not None else None
        base = self._bases[snapshot]
        return self._rows.get(base) if base is not None else None


def base_of(row: SnapshotEntry) -> SnapshotId | None:
    """The snapshot that an incremental builds on, as far as the listing tells."""
    if row.id.method != "incremental" or not row.base:
        return None
    return parse_ref(row.id.host, row.id.source, row.base)
