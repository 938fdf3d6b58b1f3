"""The inventory: what a LIST of keys tells, and its copy on disk for when the store is away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from engine.core.snapshot import (
    ASIDE,
    MANIFEST,
    ROOT,
    SIGNATURE,
    SnapshotEntry,
    SnapshotId,
    format_utc,
    parse_key,
    parse_ref,
    parse_utc,
)
from engine.ports import StoredObject


def proof_key(snapshot: SnapshotId, at: datetime, how: str) -> str:
    """Where a proof is kept, so that a LIST alone tells which snapshots were proven, and when.

    `v1/<host>/journal/proofs/<source>/<ref>/<UTC>-<how>.json`
    """
    return (
        f"{ROOT}/{snapshot.host}/journal/proofs/{snapshot.source}/{snapshot.ref}/"
        f"{format_utc(at)}-{how}.json"
    )


def _parse_proof(key: str) -> tuple[SnapshotId, datetime] | None:
    parts = key.split("/")
    if len(parts) != 7 or parts[0] != ROOT or parts[2:4] != ["journal", "proofs"]:
        return None
    snapshot = parse_ref(parts[1], parts[4], parts[5])
    if snapshot is None:
        return None
    try:
        return snapshot, parse_utc(parts[6].split("-")[0])
    except ValueError:
        return None


def entries(objects: Iterable[StoredObject]) -> list[SnapshotEntry]:
    """Snapshots behind a listing, newest first; debris (no manifest) included as uncommitted."""
    found: dict[SnapshotId, SnapshotEntry] = {}
    proven: dict[SnapshotId, datetime] = {}
    for item in objects:
        parsed = parse_key(item.key)
        if parsed is None:
            proof = _parse_proof(item.key)
            if proof is not None:
                snapshot, at = proof
                proven[snapshot] = max(at, proven.get(snapshot, at))
            continue
        snapshot, name = parsed
        entry = found.get(snapshot) or SnapshotEntry(snapshot, 0, False, False)
        found[snapshot] = SnapshotEntry(
            snapshot,
            entry.stored_bytes + item.size,
            entry.committed or name == MANIFEST,
            entry.signed or name == SIGNATURE,
            aside=entry.aside or name == ASIDE,
        )
    rows = [
        replace(entry, proven_at=proven[snapshot]) if snapshot in proven else entry
        for snapshot, entry in found.items()
    ]
    rows.sort(key=lambda row: (row.id.at, row.id.host, row.id.source, row.id.id), reverse=True)
    return rows


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing of the repository at one moment."""

    at: datetime
    store: str
    rows: tuple[SnapshotEntry, ...]


class ListingFile:
    """The newest listing on disk. Losing it loses nothing: the store has it all."""

    def __init__(self, state: Path) -> None:
        self._file = state / "inventory.json"

    def load(self, store: str) -> Listing | None:
        """The kept listing of this store, or None when there is none that can be read."""
        try:
            listing = msgspec.json.decode(self._file.read_bytes(), type=Listing)
        except (OSError, msgspec.MsgspecError):
            return None
        return listing if listing.store == store else None

    def mark_proven(self, store: str, snapshot: SnapshotId, at: datetime) -> None:
        """Let the kept listing know of a proof made here, without asking the store again."""
        listing = self.load(store)
        if listing is not None:
            rows = (replace(r, proven_at=at) if r.id == snapshot else r for r in listing.rows)
            self.save(replace(listing, rows=tuple(rows)))

    def save(self, listing: Listing) -> None:
        """Replace it whole. A full or read-only disk is no reason to fail what was listed for."""
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as stream:
                stream.write(msgspec.json.encode(listing))
            temporary.replace(self._file)
