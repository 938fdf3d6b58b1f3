"""Object Lock: what a snapshot is made of cannot be deleted or replaced before its time.

The lock is asked for with each write and proven after it: a store that takes the headers and
does not lock is told from one that does.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from engine.adapters.s3_errors import code_and_status, translate, vendor_errors
from engine.core.errors import ConfigurationError, ObjectMissing, StoreError
from engine.core.snapshot import ROOT
from engine.settings import LockSettings

if TYPE_CHECKING:
    from engine.adapters.s3 import S3Store

_SLACK = timedelta(minutes=1)  # between what was asked for and what the store says it keeps
_LOCKED = (".gpg", ".json", ".sig")


class ObjectLock:
    """The lock of one store."""

    def __init__(self, store: S3Store, settings: LockSettings) -> None:
        self._store = store
        self._settings = settings
        self._asking = threading.Lock()
        self._able = False

    def arguments(self, key: str) -> dict[str, Any]:
        """What a write of this key is to be sent with; empty for what is not locked: reports,
        leases, marks and RECOVERY.md, which are replaced. ConfigurationError when the bucket
        cannot lock: nothing is written unlocked that should be locked."""
        if not locked(key):
            return {}
        self._require_able()
        return {
            "ObjectLockMode": self._settings.mode.upper(),
            "ObjectLockRetainUntilDate": self._until(),
        }

    def _until(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self._settings.days)

    def prove(self, key: str) -> None:
        """After a write: StoreError unless the store says that it keeps the lock."""
        if not locked(key):
            return
        mode, until = self._state(key)
        if mode == self._settings.mode.upper() and until and until > self._until() - _SLACK:
            return
        raise StoreError(
            f"{self._store.name} took {key} and does not lock it",
            "Use a store that keeps Object Lock, or take `lock` out of this store's settings.",
        )

    def keep_until(self, key: str, until: datetime) -> bool:
        """Lock it at least so long; whether that had to be changed. StoreError."""
        if not locked(key):
            return False
        _, before = self._state(key)
        if before is not None and before >= until - _SLACK:
            return False
        retention: Any = {"Mode": self._settings.mode.upper(), "RetainUntilDate": until}
        self._call(
            self._store.client.put_object_retention,
            f"locking {key}",
            Key=self._store.whole_key(key),
            Retention=retention,
        )
        return True

    def erase(self, key: str) -> None:
        """Remove every version of a key: with versions on, as locks need them, a plain delete
        hides the object and frees nothing. StoreDenied while one of them is locked; then the
        object stands as before."""
        whole = self._store.whole_key(key)
        found: list[tuple[bool, str]] = []
        arguments: dict[str, Any] = {"Prefix": whole}
        while True:
            page = self._call(
                self._store.client.list_object_versions, f"deleting {key}", **arguments
            )
            for kind in ("Versions", "DeleteMarkers"):
                for item in page.get(kind, []):
                    if item["Key"] == whole:
                        found.append((kind == "Versions", item["VersionId"]))
            if not page.get("IsTruncated") or not page.get("NextKeyMarker"):
                break
            arguments["KeyMarker"] = page["NextKeyMarker"]
            arguments["VersionIdMarker"] = page.get("NextVersionIdMarker", "")
        for _, version in sorted(found, reverse=True):  # what hides an object goes last
            self._call(
                self._store.client.delete_object, f"deleting {key}", Key=whole, VersionId=version
            )

    def _require_able(self) -> None:
        with self._asking:
            if not self._able and not bucket_locks(self._store):
                raise ConfigurationError(
                    f"{self._store.name} cannot lock objects, and the configuration asks for it: "
                    "nothing is written unlocked",
                    "Make a bucket with Object Lock switched on (it cannot be added everywhere), "
                    "or take `lock` out of this store's settings.",
                )
            self._able = True

    def _state(self, key: str) -> tuple[str, datetime | None]:
        head = self._call(
            self._store.client.head_object,
            f"looking at the lock of {key}",
            Key=self._store.whole_key(key),
        )
        return head.get("ObjectLockMode", ""), head.get("ObjectLockRetainUntilDate")

    def _call(self, operation: Any, doing: str, **arguments: Any) -> Any:
        try:
            return operation(Bucket=self._store.bucket, **arguments)
        except vendor_errors() as error:
            raise translate(error, self._store.name, doing) from error


def locked(key: str) -> bool:
    """Whether this key is one of those that are locked."""
    return key.startswith(f"{ROOT}/") and "/journal/" not in key and key.endswith(_LOCKED)


def bucket_locks(store: S3Store) -> bool:
    """Whether Object Lock is switched on for the bucket. StoreError when that cannot be asked."""
    try:
        answer = store.client.get_object_lock_configuration(Bucket=store.bucket)
    except vendor_errors() as error:
        code, status = code_and_status(error)
        missing = code.startswith(("ObjectLockConfigurationNotFound", "NotImplemented"))
        if missing or status == 501 or (status in (400, 404) and code != "NoSuchBucket"):
            return False
        mine = translate(error, store.name, "asking for its lock")
        if isinstance(mine, ObjectMissing):
            return False
        raise mine from error
    return answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"


def md5_of(body: bytes | bytearray) -> str:
    """Amazon takes no locked object without a checksum: this is the oldest one."""
    import hashlib

    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
