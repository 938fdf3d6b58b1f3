"""Where bytes live under keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from engine.core.cold import Chill, LifecycleRule
from engine.core.store_profile import StoreProfile


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    started: datetime


class Upload(Protocol):
    """One object being written in parts. Nothing is visible under its key until `complete`."""

    def put_part(self, number: int, body: bytes | memoryview, sha256: bytes) -> None:
        """Store part `number` (from 1). Thread-safe; retries transient failures itself; the
        store checks the digest where it can. Part order is by number, not by arrival."""

    def complete(self) -> None:
        """Make the object visible, all parts in order. ObjectExists when the key is taken; when
        two complete at the very same moment some servers let both win, the later one staying,
        so what must have one winner is put with if_absent."""

    def abort(self) -> None:
        """Drop everything written. Safe to call at any time, also twice."""


class ObjectStore(Protocol):
    """Bytes under keys (`a/b/c`). Errors are StoreError's. Thread-safe."""

    @property
    def name(self) -> str:
        """For people: `wasabi:mentat-backups/dr`."""

    @property
    def offsite(self) -> bool:
        """False for a directory on this machine."""

    def put(self, key: str, body: bytes, *, if_absent: bool = False) -> None:
        """Write a whole small object durably. With if_absent, ObjectExists if the key is taken."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or a range of them. ObjectMissing when there is none;
        ObjectTruncated when fewer than `length` bytes stand at `start`."""

    def size(self, key: str) -> int:
        """Stored size in bytes. ObjectMissing when there is none."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose key starts with prefix, in no promised order."""

    def begin_upload(self, key: str) -> Upload: ...

    def delete(self, key: str) -> None:
        """Remove the object; no error when there is none."""

    def pending_uploads(self, prefix: str = "") -> Sequence[PendingUpload]: ...

    def abort_upload(self, upload: PendingUpload) -> None: ...


@runtime_checkable
class Locking(Protocol):
    """A store that can keep objects from being deleted before their time (Object Lock)."""

    def keep_until(self, key: str, until: datetime) -> bool:
        """Lock the object at least so long; True when that had to be changed. StoreError."""


@runtime_checkable
class Probing(Protocol):
    """A store that may be one of many kinds, and can be asked what it does."""

    def probe(self, now: datetime) -> StoreProfile:
        """Try everything we might rely on, below `probe/`, and rely on what was seen from now on.
        StoreError when it cannot be tried."""


@runtime_checkable
class Thawing(Protocol):
    """A store with colder classes, whose objects must be thawed before they are read."""

    @property
    def prefix(self) -> str:
        """Before every key of ours in the bucket."""

    def chill(self, key: str) -> Chill:
        """Whether the object can be read now. StoreError."""

    def thaw(self, key: str) -> None:
        """Ask for it; no error when that was done before. StoreError."""

    def lifecycle(self) -> tuple[LifecycleRule, ...]:
        """The bucket's rules, those of others too. StoreError."""

    def arrange_lifecycle(self) -> bool:
        """Make the configured transition a rule of the bucket, or take ours away; True when that
        changed anything. StoreError."""
