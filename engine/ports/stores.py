"""Where bytes live under keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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
