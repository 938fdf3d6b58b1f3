"""The inventory: what a LIST of keys tells, and its copy on disk for when the store is away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.snapshot import (
    ASIDE,
    BASE_MARK,
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

if TYPE_CHECKING:
    from engine.core.catalogue import WrittenSource
    from engine.repository.catalogue import Catalogue

_PROOFS = "journal/proofs"
_COUNTS = ("restored.json", "verified.json")


def proof_key(snapshot: SnapshotId, at: datetime, how: str) -> str:
    """Where a proof is kept, so that a LIST alone tells which snapshots were proven, and when.

    `v1/<host>/journal/proofs/<source>/<ref>/<UTC>-<how>.json`
    """
    return (
        f"{ROOT}/{snapshot.host}/journal/proofs/{snapshot.source}/{snapshot.ref}/"
        f"{format_utc(at)}-{how}.json"
    )


def parse_proof(key: str) -> tuple[SnapshotId, datetime] | None:
    """The snapshot that a key says was proven here, and when; None for any other key, as for that
    of a proof read from another store."""
    parts = key.split("/")
    if len(parts) != 7 or parts[0] != ROOT or parts[2:4] != ["journal", "proofs"]:
        return None
    snapshot = parse_ref(parts[1], parts[4], parts[5])
    if snapshot is None:
        return None
    moment, _, how = parts[6].partition("-")
    try:
        return (snapshot, parse_utc(moment)) if how in _COUNTS else None
    except ValueError:
        return None


def _base(snapshot: SnapshotId, name: str) -> str:
    """The ref that a mark among an incremental's objects names."""
    ref = name.removeprefix(BASE_MARK)
    return ref if ref != name and parse_ref(snapshot.host, snapshot.source, ref) else ""


def entries(objects: Iterable[StoredObject]) -> list[SnapshotEntry]:
    """Snapshots behind a listing, newest first; debris (no manifest) included as uncommitted.

    A folder is parsed once, not once for each of its objects: this runs beside a LIST of hundreds
    of thousands of keys."""
    found: dict[str, _Folder | None] = {}
    proven: dict[SnapshotId, datetime] = {}
    for item in objects:
        folder, _, name = item.key.rpartition("/")
        try:
            known = found[folder]
        except KeyError:
            parsed = parse_key(f"{folder}/{MANIFEST}")
            known = found[folder] = _Folder(parsed[0]) if parsed else None
        if known is not None:
            if name:
                known.add(name, item.size)
        elif f"/{_PROOFS}/" in folder:
            proof = parse_proof(item.key)
            if proof is not None:
                snapshot, at = proof
                proven[snapshot] = max(at, proven.get(snapshot, at))
    rows = [
        known.entry(proven.get(known.id))
        for known in found.values()
        if known is not None and known.objects
    ]
    rows.sort(key=lambda row: (row.id.at, row.id.host, row.id.source, row.id.id), reverse=True)
    return rows


class _Folder:
    """A snapshot's folder while its objects come in."""

    __slots__ = ("aside", "base", "committed", "id", "objects", "signed", "size")

    def __init__(self, snapshot: SnapshotId) -> None:
        self.id = snapshot
        self.size = self.objects = 0
        self.committed = self.signed = self.aside = False
        self.base = ""

    def add(self, name: str, size: int) -> None:
        self.size += size
        self.objects += 1
        if name == MANIFEST:
            self.committed = True
        elif name == SIGNATURE:
            self.signed = True
        elif name == ASIDE:
            self.aside = True
        else:
            self.base = self.base or _base(self.id, name)

    def entry(self, proven_at: datetime | None) -> SnapshotEntry:
        return SnapshotEntry(
            self.id,
            self.size,
            self.committed,
            self.signed,
            proven_at,
            aside=self.aside,
            base=self.base,
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing of the repository at one moment. When `store` did not answer, `problem` says why,
    `remedy` what to do, and `read_from` which store was listed in its place."""

    at: datetime
    store: str
    rows: tuple[SnapshotEntry, ...]
    read_from: str = ""
    problem: str = ""
    remedy: str = ""
    seconds: float = 0.0  # the listing took


class ListingFile:
    """The newest listings on disk, in the catalogue. Losing them loses nothing: the store has it
    all."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def _catalogue(self) -> Catalogue:
        from engine.repository.catalogue import Catalogue  # brings SQLite

        return Catalogue(self._state)

    def load(self, store: str, host: str = "") -> Listing | None:
        """The kept listing of this store, or of one host in it, or None when there is none that
        can be read."""
        catalogue = self._catalogue()
        listed = catalogue.listed(store, host)
        if listed is None:
            return None
        return Listing(listed[0], store, tuple(catalogue.rows(store, host)), seconds=listed[1])

    def head(self, store: str, host: str = "", limit: int = 500) -> list[SnapshotEntry]:
        """The newest rows of the kept listing, at once however long it is."""
        return self._catalogue().rows(store, host, limit)

    def listed(self, store: str, host: str = "") -> tuple[datetime, float] | None:
        """When it was listed and the seconds that took, without reading it."""
        return self._catalogue().listed(store, host)

    def forget(self, store: str) -> None:
        """Let what is kept of a store count for nothing: it has not been written to of late."""
        self._catalogue().forget_store(store)

    def written(self, store: str) -> list[WrittenSource]:
        """Every source of every host with its newest snapshots' times."""
        return self._catalogue().written(store)

    def mark_proven(self, store: str, snapshot: SnapshotId, at: datetime) -> None:
        """Let the kept listing know of a proof made here, without asking the store again."""
        self._catalogue().mark_proven(store, snapshot, at)

    def save(self, listing: Listing, host: str = "") -> None:
        """Replace what is kept of the store, or of this host in it. A full or read-only disk is
        no reason to fail what was listed for."""
        self._catalogue().save(listing.store, listing.rows, listing.at, host, listing.seconds)
