"""Copying snapshots, as the ciphertext they are, from one store to another.

What is in question is told by two listings alone. A copy is proven against the manifest's hashes
before it becomes visible, and the manifest is copied last: a replica, too, never holds half a
snapshot. What an interrupted run left is found by the next one and used or made anew.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from engine.core.errors import DamageError, ObjectExists, ObjectMissing
from engine.core.snapshot import MANIFEST, SIGNATURE, Artifact, SnapshotId, parse_key
from engine.ports import ObjectStore, StoredObject, Upload
from engine.repository.reading import read_artifact
from engine.repository.repository import Opened, Repository
from engine.repository.writing import part_bytes

RECOVERY = "RECOVERY.md"
_NOT_OURS = ("lease/", "probe/")  # of each store's own
_SMALL = 8 << 20
_FLYING = 3  # parts on their way at a time


@dataclass(slots=True)
class Held:
    """What a store holds: the objects of each snapshot by name and size, and all the rest."""

    snapshots: dict[SnapshotId, dict[str, int]] = field(default_factory=dict)
    loose: dict[str, StoredObject] = field(default_factory=dict)

    def committed(self, snapshot: SnapshotId) -> bool:
        return MANIFEST in self.snapshots.get(snapshot, {})


def held(store: ObjectStore) -> Held:
    """From one listing of the whole store. StoreError."""
    found = Held()
    for item in store.list():
        parsed = parse_key(item.key)
        if parsed is not None:
            found.snapshots.setdefault(parsed[0], {})[parsed[1]] = item.size
        elif item.key != RECOVERY and not item.key.startswith(_NOT_OURS):
            found.loose[item.key] = item
    return found


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a target lacks of a source. Snapshots stand in the order they are to be copied, each
    with its bytes: the newest of every source first, since those are the replica's RPO."""

    snapshots: tuple[tuple[SnapshotId, int], ...]
    loose: tuple[StoredObject, ...]

    @property
    def bytes(self) -> int:
        return sum(n for _, n in self.snapshots) + sum(item.size for item in self.loose)


def lacking(source: Held, target: Held) -> Lacking:
    """Committed snapshots of which the target lacks any object, or has one of another size; other
    objects that it lacks, has in another size or has of an earlier time."""
    wanted: list[tuple[SnapshotId, int]] = []
    for snapshot, names in source.snapshots.items():
        if MANIFEST not in names:
            continue
        there = target.snapshots.get(snapshot, {})
        absent = [name for name, size in names.items() if there.get(name) != size]
        if absent:
            wanted.append((snapshot, sum(names[name] for name in absent)))
    loose = [item for key, item in source.loose.items() if _outdated(item, target.loose.get(key))]
    return Lacking(tuple(_newest_first(wanted)), tuple(sorted(loose, key=_loose_order)))


def _outdated(item: StoredObject, there: StoredObject | None) -> bool:
    return there is None or there.size != item.size or there.modified < item.modified


def _newest_first(wanted: Iterable[tuple[SnapshotId, int]]) -> list[tuple[SnapshotId, int]]:
    """The newest of each source, then all others by time. An incremental comes before its base:
    `replicate` copies a base when it copies what builds on it."""
    by_time = sorted(wanted, key=lambda pair: pair[0].at, reverse=True)
    first: dict[tuple[str, str], tuple[SnapshotId, int]] = {}
    for pair in by_time:
        first.setdefault((pair[0].host, pair[0].source), pair)
    head = list(first.values())
    return [*head, *(pair for pair in by_time if pair not in head)]


def is_set(key: str) -> bool:
    """Whether this is one recovery point of a whole host: it names snapshots, which come first."""
    return "/sets/" in key


def _loose_order(item: StoredObject) -> tuple[bool, bool, str]:
    """Streams before the small documents that name them, sets of a host last."""
    return is_set(item.key), item.key.endswith((".json", ".sig")), item.key


class Copier:
    """Copies from `source` (a repository: its store, and the local tier where that has the same
    bytes nearer) to `target`. `lease` is asked before every object; `count` hears of the bytes."""

    def __init__(
        self,
        source: Repository,
        target: ObjectStore,
        lease: Callable[[], None] = lambda: None,
        count: Callable[[int], None] = lambda _bytes: None,
    ) -> None:
        self._source, self._target = source, target
        self._lease, self._count = lease, count

    def snapshot(self, snapshot: SnapshotId, there: Mapping[str, int]) -> Opened:
        """Copy one snapshot, of which the target has the objects `there`. The manifest as it was
        read. DamageError when no store of the source has it whole; nothing is visible then."""
        opened = self._source.open(snapshot)
        artifacts = opened.manifest.artifacts
        wanting = [a for a in artifacts if not self._has(snapshot, a, there)]
        if wanting and MANIFEST in there:
            self._target.delete(snapshot.manifest_key)  # it promises what is not there
        for artifact in wanting:
            self._lease()
            self._artifact(snapshot, artifact)
        for name in self._marks(snapshot, {artifact.name for artifact in artifacts}):
            self._small(snapshot.artifact_key(name))
        self._lease()
        if opened.signed is not None:
            self._document(snapshot.signature_key, opened.signed, opened.signature.good)
        self._document(snapshot.manifest_key, opened.document, opened.signature.good)
        return opened

    def _has(self, snapshot: SnapshotId, artifact: Artifact, there: Mapping[str, int]) -> bool:
        """Whether the target has this artifact whole. One that no manifest stands for yet was
        left by a run that was cut off: it is read and proven before it is relied on."""
        if there.get(artifact.name) != artifact.stored_bytes:
            return False
        if there.get(MANIFEST):
            self._count(artifact.stored_bytes)
            return True
        key = snapshot.artifact_key(artifact.name)
        try:
            for chunk in read_artifact([self._target], key, artifact):
                self._count(len(chunk))
        except DamageError:
            return False
        return True

    def _artifact(self, snapshot: SnapshotId, artifact: Artifact) -> None:
        key = snapshot.artifact_key(artifact.name)
        self._clear(key)
        whole = hashlib.sha256()
        upload = self._target.begin_upload(key)
        try:
            with _Sender(upload) as sender:
                chunks = self._source.read(snapshot, artifact, lambda _store, _error: None)
                for chunk in chunks:
                    whole.update(chunk)
                    sender.send(chunk)
                    self._count(len(chunk))
            if whole.hexdigest() != artifact.stored_sha256:
                raise DamageError(
                    f"{key} is not what its manifest says, though each part of it is",
                    "Nothing was copied of it. Choose another snapshot to rely on.",
                )
            self._lease()
            upload.complete()
        except BaseException:
            upload.abort()
            raise
        if self._target.size(key) != artifact.stored_bytes:
            raise DamageError(
                f"{self._target.name} holds another number of bytes of {key} than were sent",
                "Run `mentat-dr doctor` on this replica; it cannot be relied on.",
            )

    def _clear(self, key: str) -> None:
        """Away with what a run that was cut off left under this key: the lease keeps others off."""
        for pending in self._target.pending_uploads(key):
            if pending.key == key:
                self._target.abort_upload(pending)
        self._target.delete(key)

    def _marks(self, snapshot: SnapshotId, artifacts: set[str]) -> Iterator[str]:
        """Small objects beside the artifacts: that it was set aside, what it builds on."""
        for item in self._source.store.list(snapshot.prefix):
            name = item.key.removeprefix(snapshot.prefix)
            if name not in artifacts and name not in (MANIFEST, SIGNATURE) and item.size <= _SMALL:
                yield name

    def _document(self, key: str, body: bytes, proven: bool) -> None:
        """A manifest or signature. One that stands there and differs is replaced only by one that
        is proven."""
        try:
            self._target.put(key, body, if_absent=True)
        except ObjectExists:
            if self._target.get(key) == body:
                return
            if not proven:
                raise
            self._target.put(key, body)
        self._read_back(key, body)

    def loose(self, item: StoredObject) -> None:
        """Copy an object that is of no snapshot (a binlog, a journal, a proof, the kit)."""
        self._lease()
        if item.size <= _SMALL:
            self._small(item.key)
            self._count(item.size)
            return
        self._clear(item.key)
        upload = self._target.begin_upload(item.key)
        try:
            with _Sender(upload) as sender:
                for start in range(0, item.size, _SMALL):
                    chunk = self._source.store.get(item.key, start, min(_SMALL, item.size - start))
                    sender.send(chunk)
                    self._count(len(chunk))
            upload.complete()
        except BaseException:
            upload.abort()
            raise

    def _small(self, key: str) -> None:
        body = self._source.store.get(key)
        self._target.put(key, body)
        self._read_back(key, body)

    def _read_back(self, key: str, body: bytes) -> None:
        if self._target.get(key) != body:
            raise DamageError(
                f"{self._target.name} gives back other bytes of {key} than were written",
                "Run `mentat-dr doctor` on this replica; it cannot be relied on.",
            )


class _Sender:
    """Gathers chunks into parts and sends a few at a time; the block's end waits for all."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._pool = ThreadPoolExecutor(_FLYING, thread_name_prefix="replicate")
        self._flying: deque[Future[None]] = deque()
        self._chunks: list[bytes] = []
        self._gathered = 0
        self._number = 0

    def send(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._gathered += len(chunk)
        if self._gathered >= part_bytes(self._number + 1):
            self._flush()

    def _flush(self) -> None:
        self._number += 1
        body = b"".join(self._chunks)
        self._chunks, self._gathered = [], 0
        digest = hashlib.sha256(body).digest()
        while len(self._flying) >= _FLYING:
            self._flying.popleft().result()
        self._flying.append(self._pool.submit(self._upload.put_part, self._number, body, digest))

    def __enter__(self) -> _Sender:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                if self._chunks or not self._number:
                    self._flush()
                for future in self._flying:
                    future.result()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)


def gone_meanwhile(source: ObjectStore, snapshot: SnapshotId) -> bool:
    """Whether the snapshot was pruned while it was to be copied. StoreError."""
    try:
        source.size(snapshot.manifest_key)
    except ObjectMissing:
        return True
    return False
