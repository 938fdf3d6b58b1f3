"""An object store in a bucket of S3, or of anything that speaks it, by boto3's client."""

from __future__ import annotations

import hashlib
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any

from engine.adapters.providers import Place, place
from engine.adapters.s3_client import make_client
from engine.adapters.s3_errors import (
    code_and_status,
    retries_of,
    translate,
    translated,
    vendor_errors,
)
from engine.adapters.s3_read import read_range
from engine.adapters.s3_upload import S3Upload
from engine.core.errors import BucketMissing, ObjectExists, ObjectMissing, StoreError
from engine.core.object_key import checked_key
from engine.ports import PendingUpload, StoredObject, Upload
from engine.settings import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class S3Store:
    """ObjectStore over one bucket and prefix. The client is made at the first use.

    What the store cannot do is found out by asking once: a store that refuses or does not
    confirm checksum headers gets the body's hash in the request's signature instead; one that
    refuses If-None-Match gets a look before the write.
    """

    offsite = True

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._place: Place = place(settings)
        self._prefix = f"{checked_key(settings.prefix.strip('/'))}/" if settings.prefix else ""
        self._making = threading.Lock()
        self._client: S3Client | None = None
        self.bucket = settings.bucket
        self.checksums = self._place.checksums
        self.conditional = self._place.conditional

    @cached_property
    def name(self) -> str:
        where = f"{self._settings.provider}:{self.bucket}/{self._prefix}".rstrip("/")
        return self._settings.label or where

    @property
    def client(self) -> S3Client:
        with self._making:
            if self._client is None:
                self._client = make_client(self._settings, self._place)
            return self._client

    def whole_key(self, key: str) -> str:
        """The key inside the bucket."""
        return self._prefix + checked_key(key)

    # ------------------------------------------------------------ writing

    def put(self, key: str, body: bytes, *, if_absent: bool = False) -> None:
        if if_absent:
            self.check_absent(key)
        sha256 = b64encode(hashlib.sha256(body).digest()).decode()
        try:
            self.guarded(
                self.client.put_object,
                f"writing {key}",
                sha256=sha256,
                if_absent=if_absent,
                Key=self.whole_key(key),
                Body=body,
            )
        except ObjectExists as error:
            # When a first try was stored and only its answer was lost, the second finds it.
            again = error.__cause__ is not None and retries_of(error.__cause__) > 0
            if not (again and self.get(key) == body):
                raise

    def begin_upload(self, key: str) -> Upload:
        return S3Upload(self, key)

    def delete(self, key: str) -> None:
        try:
            with translated(self.name, f"deleting {key}"):
                self.client.delete_object(Bucket=self.bucket, Key=self.whole_key(key))
        except ObjectMissing:
            return

    def check_absent(self, key: str) -> None:
        """ObjectExists when the key is taken now; asks only stores whose If-None-Match is not
        known to work, and then leaves a gap that those cannot close."""
        if self.conditional is not True and self._stands(key):
            raise ObjectExists(
                f"{key} exists already in {self.name}",
                "Nothing was overwritten. Another job may have written it; list again.",
            )

    def guarded(
        self,
        call: Any,
        doing: str,
        *,
        sha256: str = "",
        if_absent: bool = False,
        **arguments: Any,
    ) -> Any:
        """Call a writing operation with the protections this store takes; those it turns out
        not to take are left off from then on."""
        while True:
            checked = bool(sha256) and self.checksums
            conditional = if_absent and self.conditional is not False
            if checked:
                arguments["ChecksumSHA256"] = sha256
            if conditional:
                arguments["IfNoneMatch"] = "*"
            try:
                answer = call(Bucket=self.bucket, **arguments)
            except vendor_errors() as error:
                if not self.lower_demands(error, checked, conditional):
                    raise translate(error, self.name, doing) from error
            else:
                # Only a part relies on the header alone; sending it again does no harm.
                if not checked or "UploadId" not in arguments:
                    return answer
                if answer.get("ChecksumSHA256") == sha256:
                    return answer
                self.checksums = False  # it took the header and did not look at it
            arguments.pop("ChecksumSHA256", None)
            arguments.pop("IfNoneMatch", None)

    def lower_demands(self, error: Exception, checked: bool, conditional: bool) -> bool:
        """Whether the store refused a header we can do without; if so it is not sent again."""
        _, status = code_and_status(error)
        said = str(error).lower()
        if status not in (400, 501):
            return False
        if checked and ("checksum" in said or (status == 501 and not conditional)):
            self.checksums = False
            return True
        if conditional and (status == 501 or "header" in said or "none-match" in said):
            self.conditional = False
            return True
        return False

    # ------------------------------------------------------------ reading

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        try:
            return read_range(self, key, start, length)
        except ObjectMissing as error:
            raise self._missing(key) from error

    def size(self, key: str) -> int:
        try:
            with translated(self.name, f"looking at {key}"):
                head = self.client.head_object(Bucket=self.bucket, Key=self.whole_key(key))
        except ObjectMissing as error:
            raise self._missing(key) from error
        return head["ContentLength"]

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        arguments: dict[str, Any] = {"Bucket": self.bucket, "Prefix": self._prefix + prefix}
        while True:
            with translated(self.name, "listing"):
                page = self.client.list_objects_v2(**arguments)
            for found in page.get("Contents", []):
                key = self._own_key(found["Key"])
                if key:
                    modified = found["LastModified"].astimezone(UTC)
                    yield StoredObject(key, found["Size"], modified)
            # Some servers say "not truncated" and still give a token: the token decides.
            token = page.get("NextContinuationToken", "")
            if not token and not page.get("IsTruncated"):
                return
            if not token or token == arguments.get("ContinuationToken"):
                raise StoreError(
                    f"{self.name} breaks off its list of objects in the middle",
                    "Its answers cannot be trusted now; try again, then ask the provider.",
                )
            arguments["ContinuationToken"] = token

    # ------------------------------------------------------------ unfinished uploads

    def pending_uploads(self, prefix: str = "") -> Sequence[PendingUpload]:
        arguments: dict[str, Any] = {"Bucket": self.bucket, "Prefix": self._prefix + prefix}
        pending: list[PendingUpload] = []
        while True:
            with translated(self.name, "listing unfinished uploads"):
                page = self.client.list_multipart_uploads(**arguments)
            for found in page.get("Uploads", []):
                key = self._own_key(found["Key"])
                if key and key.startswith(prefix):
                    started = found["Initiated"].astimezone(UTC)
                    pending.append(PendingUpload(key, found["UploadId"], started))
            marker = (page.get("NextKeyMarker", ""), page.get("NextUploadIdMarker", ""))
            last = (arguments.get("KeyMarker", ""), arguments.get("UploadIdMarker", ""))
            if not page.get("IsTruncated") or not marker[0] or marker == last:
                return pending
            arguments["KeyMarker"], arguments["UploadIdMarker"] = marker

    def abort_upload(self, upload: PendingUpload) -> None:
        self.drop_upload(upload.key, upload.upload_id)

    def drop_upload(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload; nothing to do when it is gone already."""
        try:
            self.client.abort_multipart_upload(
                Bucket=self.bucket, Key=self.whole_key(key), UploadId=upload_id
            )
        except vendor_errors() as error:
            code, status = code_and_status(error)
            if code not in ("NoSuchUpload", "NoSuchKey") and status != 404:
                raise translate(error, self.name, f"dropping the unfinished {key}") from error

    # ------------------------------------------------------------ within

    def _own_key(self, whole: str) -> str:
        """Our key behind a key of the bucket; empty for what is not an object of ours."""
        key = whole.removeprefix(self._prefix)
        try:
            return checked_key(key)
        except StoreError:
            return ""

    def _stands(self, key: str) -> bool:
        try:
            self.size(key)
        except ObjectMissing:
            return False
        return True

    def _missing(self, key: str) -> StoreError:
        """The right error for a 404: servers give a HEAD of a missing bucket the same one."""
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except vendor_errors() as error:
            if code_and_status(error)[1] == 404:
                return BucketMissing(
                    f"the bucket {self.bucket} does not exist at {self.name}",
                    "Check the bucket's name and endpoint; create the bucket if it is a new one.",
                )
        return ObjectMissing(
            f"there is no {key} in {self.name}",
            "List the snapshots again; it may have been pruned.",
        )
