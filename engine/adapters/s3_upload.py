"""One object being written to a bucket in parts."""

from __future__ import annotations

import random
import threading
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.adapters.s3_errors import code_and_status, retries_of, translate, vendor_errors
from engine.core.errors import (
    MentatError,
    ObjectDamaged,
    ObjectExists,
    StoreError,
    StoreUnreachable,
)

if TYPE_CHECKING:
    from engine.adapters.s3 import S3Store

SMALLEST_PART = 5 << 20  # bytes; S3 takes a smaller one only as the last
PART_ATTEMPTS = 6  # each of them tried thrice by botocore
DAMAGED_ATTEMPTS = 3  # after which it is this machine that damages them
BACKOFF_SECONDS = 0.5
BACKOFF_LIMIT = 20.0
_SETTLE_SECONDS = 90.0  # how long an abort waits for parts still on their way


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    etag: str
    checksum: str
    length: int

    def as_argument(self) -> dict[str, Any]:
        argument = {"PartNumber": self.number, "ETag": self.etag}
        return argument | {"ChecksumSHA256": self.checksum} if self.checksum else argument


class S3Upload:
    """Upload by S3's multipart. A first part smaller than S3 allows must be the only one: it is
    kept, and written by `complete` in one request."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._key = key
        self._whole_key = store.whole_key(key)
        self._lock = threading.Condition()
        self._starting = threading.Lock()
        self._upload_id = ""
        self._with_checksums = False
        self._parts: dict[int, _Part] = {}
        self._small: tuple[bytes, bytes] | None = None  # body, sha256 of part 1
        self._flying = 0
        self._dropped = threading.Event()
        self._completed = False

    def put_part(self, number: int, body: bytes | memoryview, sha256: bytes) -> None:
        with self._lock:
            self._check_open()
            if number == 1 and not self._upload_id and len(body) < SMALLEST_PART:
                self._small = (bytes(body), sha256)
                return
            self._flying += 1
        try:
            self._start()
            self._send(number, _sendable(body), sha256)
        finally:
            with self._lock:
                self._flying -= 1
                self._lock.notify_all()

    def complete(self) -> None:
        with self._lock:
            self._check_open()
            small, parts = self._small, [self._parts[n] for n in sorted(self._parts)]
            if not parts and not small:
                small = (b"", b"")
        if small and not self._upload_id:
            self._store.put(self._key, small[0], if_absent=True)
        else:
            if small:
                self._send(1, *small)
                parts.insert(0, self._parts[1])
            if [part.number for part in parts] != list(range(1, len(parts) + 1)):
                raise StoreError(
                    f"{self._key} cannot be completed: a part is missing",
                    "Start this backup again.",
                )
            self._store.check_absent(self._key)
            self._finish(parts)
        self._completed = True

    def abort(self) -> None:
        """Also waits for parts on their way: one that lands after the abort would stay."""
        self._dropped.set()
        with self._lock:
            self._small = None
            self._lock.wait_for(lambda: self._flying == 0, _SETTLE_SECONDS)
            upload_id, self._upload_id = self._upload_id, ""
        if upload_id and not self._completed:
            self._store.drop_upload(self._key, upload_id)

    def _check_open(self) -> None:
        if self._dropped.is_set() or self._completed:
            raise StoreError(f"the write of {self._key} has ended", "Start it again.")

    def _start(self) -> None:
        with self._starting:
            while not self._upload_id:
                self._with_checksums = self._store.checksums
                algorithm: Any = {"ChecksumAlgorithm": "SHA256"} if self._with_checksums else {}
                try:
                    answer = self._store.client.create_multipart_upload(
                        Bucket=self._store.bucket, Key=self._whole_key, **algorithm
                    )
                except vendor_errors() as error:
                    if not self._store.lower_demands(error, self._with_checksums, False):
                        doing = f"writing {self._key}"
                        raise translate(error, self._store.name, doing) from error
                else:
                    self._upload_id = answer["UploadId"]

    def _send(self, number: int, body: bytes | bytearray, sha256: bytes) -> None:
        """Send one part until it has arrived whole."""
        digest = b64encode(sha256).decode()
        for attempt in range(1, PART_ATTEMPTS + 1):
            try:
                answer = self._store.guarded(
                    self._store.client.upload_part,
                    f"writing part {number} of {self._key}",
                    sha256=digest if self._with_checksums else "",
                    Key=self._whole_key,
                    UploadId=self._upload_id,
                    PartNumber=number,
                    Body=body,
                )
            except (StoreUnreachable, ObjectDamaged) as error:
                limit = DAMAGED_ATTEMPTS if isinstance(error, ObjectDamaged) else PART_ATTEMPTS
                if attempt >= limit or self._dropped.wait(_backoff(attempt)):
                    raise
            else:
                confirmed = answer.get("ChecksumSHA256", "")
                part = _Part(number, answer["ETag"], confirmed, len(body))
                with self._lock:
                    self._parts[number] = part
                return

    def _finish(self, parts: list[_Part]) -> None:
        unsure = False  # whether an earlier try may have done it though its answer was lost
        for attempt in range(1, PART_ATTEMPTS + 1):
            try:
                self._store.guarded(
                    self._store.client.complete_multipart_upload,
                    f"completing {self._key}",
                    if_absent=True,
                    Key=self._whole_key,
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": [part.as_argument() for part in parts]},
                )
                return
            except StoreUnreachable:
                unsure = True
                if attempt == PART_ATTEMPTS or self._dropped.wait(_backoff(attempt)):
                    raise
            except StoreError as error:
                if self._done_before(error, unsure, sum(part.length for part in parts)):
                    return
                raise

    def _done_before(self, error: MentatError, unsure: bool, length: int) -> bool:
        """Whether an earlier try of ours made this object: it stands there at its full length
        and the upload is gone."""
        cause = error.__cause__
        if not isinstance(cause, Exception):
            return False
        gone = code_and_status(cause)[0] == "NoSuchUpload"
        if not (gone or isinstance(error, ObjectExists)) or not (unsure or retries_of(cause)):
            return False
        pending = self._store.pending_uploads(self._key)
        if any(upload.upload_id == self._upload_id for upload in pending):
            return False
        return self._store.size(self._key) == length


def _backoff(attempt: int) -> float:
    full = min(BACKOFF_LIMIT, BACKOFF_SECONDS * 2.0**attempt)
    return full * random.uniform(0.5, 1.0)


def _sendable(body: bytes | bytearray | memoryview) -> bytes | bytearray:
    """What botocore can send and send again: the very buffer where that is possible."""
    if not isinstance(body, memoryview):
        return body
    whole = body.obj
    if isinstance(whole, bytes | bytearray) and len(whole) == body.nbytes and body.contiguous:
        return whole
    return bytes(body)
