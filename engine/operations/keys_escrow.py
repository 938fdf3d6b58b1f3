"""key escrow-test: prove that a key which is kept offline opens what is in the store today."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import msgspec

from engine.core.errors import StoreError, UsageError
from engine.core.metrics_keys import Escrow
from engine.core.snapshot import ROOT, Artifact, SnapshotEntry, SnapshotId, format_utc
from engine.operations.telling_state import Memory
from engine.repository import Repository
from engine.settings import Settings

WHOLE = 32 << 20  # stored bytes up to which an artifact is opened to its end
_REMEMBERED = 20


class Opener(Protocol):
    def open(self, sealed: bytes, passphrase: str | None, *, whole: bool) -> str:
        """Decrypt; the fingerprint of the key that did it. CipherError, DamageError."""


@dataclass(frozen=True, slots=True)
class Tested:
    """problems: where the result could not be kept."""

    escrow: Escrow
    problems: tuple[str, ...] = ()


def test(
    settings: Settings,
    repository: Repository,
    offline: AbstractContextManager[Opener],
    passphrase: str | None,
    now: datetime,
    source: str = "",
) -> Tested:
    """Open a recent snapshot of this host, of `source` or of the one with the smallest, with the
    offline key alone. Remembered on this host and in the store.

    UsageError when there is no snapshot; CipherError when the key does not open it; DamageError,
    StoreError. OSError when this host cannot remember it."""
    with offline as opener:  # first: a wrong file is noticed before anything is fetched
        entry = _chosen(repository.entries(settings.host), source)
        manifest = repository.trusted(entry.id)
        artifact = min(manifest.artifacts, key=lambda a: a.stored_bytes)
        whole = artifact.stored_bytes <= WHOLE
        sealed = _fetched(repository, entry.id, artifact, whole)
        fingerprint = opener.open(sealed, passphrase, whole=whole)
    how = f"{artifact.name} to its end" if whole else f"the first part of {artifact.name}"
    escrow = Escrow(now, fingerprint, entry.id.source, entry.id.ref, how)
    memory = Memory(settings.state)
    with memory.held():
        known = memory.keys()
        memory.keep_keys(replace(known, escrow=(escrow, *known.escrow)[:_REMEMBERED]))
    return Tested(escrow, _kept(settings, repository, escrow))


def _chosen(rows: Sequence[SnapshotEntry], source: str) -> SnapshotEntry:
    """The newest snapshot of each source, then the smallest of them."""
    newest: dict[str, SnapshotEntry] = {}
    for row in rows:
        if row.committed and not row.aside and (not source or row.id.source == source):
            newest.setdefault(row.id.source, row)
    if not newest:
        raise UsageError(
            f"there is no snapshot of {source or 'this host'} to open", "mentat-dr backup"
        )
    return min(newest.values(), key=lambda row: row.stored_bytes)


def _fetched(
    repository: Repository, snapshot: SnapshotId, artifact: Artifact, whole: bool
) -> bytes:
    """The artifact's bytes, proven against the manifest, or only its first part's."""
    wanted = artifact.stored_bytes if whole else artifact.parts[0].size
    taken = bytearray()
    with closing(repository.read(snapshot, artifact, lambda _store, _error: None)) as pieces:
        for piece in pieces:
            taken += piece
            if len(taken) >= wanted:
                break
    return bytes(taken[:wanted])


def _kept(settings: Settings, repository: Repository, escrow: Escrow) -> tuple[str, ...]:
    key = f"{ROOT}/{settings.host}/journal/keys/{format_utc(escrow.at)}-escrow-test.json"
    try:
        repository.store.put(key, msgspec.json.encode(escrow))
    except StoreError as error:
        return (f"the store did not keep the result: {error.message}",)
    return ()
