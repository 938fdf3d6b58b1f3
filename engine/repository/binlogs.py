"""Shipped binary logs in the stores: written with the commit rule, listed, read and proven.

Bytes first, then the index's signature, then the index: without that there is no segment.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import msgspec

from engine.core.binlog import (
    FORMAT,
    Anchor,
    BinlogIndex,
    Break,
    Seen,
    Segment,
    Shipped,
    binlog_prefix,
    shipped,
)
from engine.core.errors import DamageError, ManifestAltered, MentatError, ObjectMissing, StoreError
from engine.core.snapshot import Manifest, SnapshotId
from engine.ports import ObjectStore
from engine.repository.reading import read_artifact
from engine.repository.repository import Repository
from engine.repository.writing import ArtifactWriter


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index that its signature proves, and the digest that the next one names as `previous`."""

    index: BinlogIndex
    digest: str


class BinlogStore:
    """The shipped logs of one source."""

    def __init__(self, repository: Repository, host: str, source: str) -> None:
        self._repository = repository
        self.host = host
        self.source = source

    # writing

    def write(self, segment: Segment) -> ArtifactWriter:
        """A writer for a segment's bytes, also into the local tier where there is one."""
        repository = self._repository
        return ArtifactWriter(repository.store, segment.content_key, repository.local)

    def commit(self, index: BinlogIndex) -> str:
        """Make the segment exist; its index's digest. DamageError when the store does not hold
        the bytes that were sent."""
        repository, segment = self._repository, index.segment
        held = repository.store.size(segment.content_key)
        if held != index.artifact.stored_bytes:
            raise DamageError(
                f"{repository.store.name} holds {held} bytes of {segment.content_key}, "
                f"{index.artifact.stored_bytes} were sent",
                "Ship again; if it happens again, the store is at fault.",
            )
        document = encode(index)
        signature = repository.cipher.sign(document)
        repository.store.put(segment.signature_key, signature)
        repository.store.put(segment.index_key, document)
        if repository.local is not None:
            with contextlib.suppress(MentatError):
                repository.local.size(segment.content_key)
                repository.local.put(segment.signature_key, signature)
                repository.local.put(segment.index_key, document)
        return hashlib.sha256(document).hexdigest()

    def note(self, what: Anchor | Seen | Break) -> None:
        """Put an object that says all by its key."""
        self._repository.store.put(what.key, b"{}\n")

    def remove(self, keys: Sequence[str]) -> None:
        """Drop objects that nothing needs, in every store that is written. What cannot be
        dropped (a bucket that keeps all) is left."""
        stores = [self._repository.store]
        if self._repository.local is not None:
            stores.append(self._repository.local)
        for store in stores:
            for key in keys:
                with contextlib.suppress(StoreError):
                    store.delete(key)

    def drop(self, segment: Segment) -> None:
        """Remove a segment: its index first, so that none is ever without its bytes."""
        self.remove([segment.index_key, segment.signature_key, segment.content_key])

    # reading

    def listed(self) -> Shipped:
        """What there is, of the first store that answers. StoreError."""
        failure: StoreError | None = None
        for store in self._stores():
            try:
                return self._listed_in(store)
            except StoreError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def listed_to_write(self) -> Shipped:
        """As `listed`, of the store that is written alone."""
        return self._listed_in(self._repository.store)

    def _listed_in(self, store: ObjectStore) -> Shipped:
        prefix = binlog_prefix(self.host, self.source)
        found = shipped((o.key, o.size, o.modified) for o in store.list(prefix))
        own = [s for s in found if (s.host, s.source) == (self.host, self.source)]
        return own[0] if own else Shipped(self.host, self.source)

    def index(self, segment: Segment) -> Indexed:
        """The index of a segment, from the first store where its signature proves it.

        ManifestAltered when none is proven; DamageError for one that is no index of it."""
        failure: MentatError | None = None
        for store in self._stores():
            try:
                document = store.get(segment.index_key)
                signature = store.get(segment.signature_key)
            except StoreError as error:
                failure = failure or error
                continue
            check = self._repository.cipher.verify(document, signature)
            if not check.good:
                failure = ManifestAltered(
                    f"the index of {segment.name} cannot be trusted: {check.problem}",
                    "Restore to a moment before it, or without --at.",
                )
                continue
            return Indexed(decode(document, segment), hashlib.sha256(document).hexdigest())
        assert failure is not None
        if isinstance(failure, ObjectMissing):
            raise DamageError(
                f"the index of {segment.name} is gone", "Choose a moment before it."
            ) from failure
        raise failure

    def manifest(self, snapshot: SnapshotId) -> Manifest:
        """Of a snapshot of this source, trusted."""
        return self._repository.trusted(snapshot)

    def read(
        self,
        index: BinlogIndex,
        on_fallback: Callable[[ObjectStore, MentatError], None],
    ) -> Generator[bytes, None, None]:
        """The stored bytes of a segment, each part proven."""
        key = index.segment.content_key
        return read_artifact(list(self._stores(key)), key, index.artifact, on_fallback)

    def _stores(self, key: str = "") -> Sequence[ObjectStore]:
        """The local tier first for bytes, where it has them."""
        local = self._repository.local
        stores = list(self._repository.mirrors)
        if local is not None and key:
            with contextlib.suppress(StoreError):
                local.size(key)
                return [local, *stores]
        return [*stores, local] if local is not None and not key else stores


def encode(index: BinlogIndex) -> bytes:
    """Readable JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(index), indent=1) + b"\n"


def decode(document: bytes, segment: Segment) -> BinlogIndex:
    """The index in a document, if it is this segment's. DamageError otherwise."""
    try:
        index = msgspec.json.decode(document, type=BinlogIndex)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DamageError(
            f"the index of {segment.name} cannot be read: {error}", "Choose a moment before it."
        ) from error
    if index.format.split(".")[0] != FORMAT.split(".")[0]:
        raise DamageError(
            f"the index of {segment.name} is of format {index.format}; this mentat-dr reads "
            f"{FORMAT}",
            "Use a newer mentat-dr, or replay by RECOVERY.md with bare tools.",
        )
    if index.segment.content_key != segment.content_key:
        raise ManifestAltered(
            f"the index at {segment.index_key} is of another segment ({index.segment.name})",
            "Someone moved or copied objects in the bucket. Choose a moment before it.",
        )
    return index
