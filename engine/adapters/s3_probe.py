"""Asking a real bucket what it does, by doing it below `probe/` and looking at what came of it.

Nothing is believed because a request was answered with 200: each answer is checked against what
should stand in the bucket afterwards.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.adapters.s3_errors import code_and_status, vendor_errors
from engine.adapters.s3_lock import bucket_locks
from engine.adapters.s3_upload import SMALLEST_PART
from engine.core.errors import MentatError, StoreDenied, StoreUnreachable
from engine.core.store_profile import Answer, StoreProfile

if TYPE_CHECKING:
    from engine.adapters.s3 import S3Store

KEYS = 1001  # one more than a page of a listing holds
_THREADS = 16
_REFUSED = (400, 409, 412)


def probe(store: S3Store, now: datetime) -> StoreProfile:
    """Every question, asked of the bucket itself. Writes some 10 MB and 1,001 empty keys below
    `probe/`, and removes them. StoreUnreachable and StoreDenied when it cannot be asked at all."""
    place = f"probe/{secrets.token_hex(8)}"
    asker = _Asker(store, place)
    try:
        store.put(f"{place}/first", b"x")
        questions: dict[str, Callable[[], Answer]] = {
            "conditional-put": asker.conditional_put,
            "conditional-complete": asker.conditional_complete,
            "checksums": asker.checksums,
            "part-checksums": asker.part_checksums,
            "read-back": asker.read_back,
            "ranges": asker.ranges,
            "uploads": asker.uploads,
            "long-lists": asker.long_lists,
            "batch-delete": asker.batch_delete,
            "versioning": asker.versioning,
            "lock": lambda: Answer(bucket_locks(store)),
            "lifecycle": asker.lifecycle,
        }
        answers = {name: _answer(ask) for name, ask in questions.items()}
    finally:
        asker.clean()
    return StoreProfile(store.name, now, answers)


def _answer(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except vendor_errors() as error:
        code, status = code_and_status(error)
        known = status in (400, 404, 405, 501)
        return Answer(False if known else None, f"{code or type(error).__name__} {status or ''}")
    except StoreUnreachable:
        raise
    except MentatError as error:
        return Answer(None, error.message)


class _Asker:
    def __init__(self, store: S3Store, place: str) -> None:
        self._store, self._place, self._client = store, place, store.client

    def _where(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._store.bucket, "Key": self._store.whole_key(f"{self._place}/{name}")}

    def _read(self, name: str) -> bytes:
        return self._client.get_object(**self._where(name))["Body"].read()

    def conditional_put(self) -> Answer:
        self._client.put_object(**self._where("c"), Body=b"one")
        refused = self._refused(
            lambda: self._client.put_object(**self._where("c"), Body=b"two", IfNoneMatch="*")
        )
        fresh = not self._refused(
            lambda: self._client.put_object(**self._where("c2"), Body=b"two", IfNoneMatch="*")
        )
        return Answer(refused and fresh and self._read("c") == b"one")

    def conditional_complete(self) -> Answer:
        with self._upload("c") as upload:
            part = self._part(upload, 1, b"two")
            refused = self._refused(lambda: self._complete(upload, [part], IfNoneMatch="*"))
        return Answer(refused and self._read("c") == b"one")

    def checksums(self) -> Answer:
        body, wrong = b"checked", _sha256(b"other")
        refused = self._refused(
            lambda: self._client.put_object(**self._where("s"), Body=body, ChecksumSHA256=wrong)
        )
        self._client.put_object(**self._where("s"), Body=body, ChecksumSHA256=_sha256(body))
        whole = self._read("s") == body
        return Answer(refused and whole, "" if whole else "the stored bytes are not those sent")

    def part_checksums(self) -> Answer:
        with self._upload("p", ChecksumAlgorithm="SHA256") as upload:
            answer = self._client.upload_part(
                **upload, PartNumber=1, Body=b"part", ChecksumSHA256=_sha256(b"part")
            )
            confirmed = answer.get("ChecksumSHA256") == _sha256(b"part")
            refused = self._refused(
                lambda: self._client.upload_part(
                    **upload, PartNumber=2, Body=b"part", ChecksumSHA256=_sha256(b"else")
                )
            )
        return Answer(confirmed and refused)

    def read_back(self) -> Answer:
        """Through the store as it is used: a small object, and one in two parts."""
        body = secrets.token_bytes(SMALLEST_PART) + b"the end"
        small = f"{self._place}/small"
        self._store.put(small, body[:1000])
        large = f"{self._place}/large"
        upload = self._store.begin_upload(large)
        try:
            for number, piece in enumerate((body[:SMALLEST_PART], body[SMALLEST_PART:]), 1):
                upload.put_part(number, piece, hashlib.sha256(piece).digest())
            upload.complete()
        finally:
            upload.abort()
        same = self._store.get(small) == body[:1000] and self._store.get(large) == body
        return Answer(same and self._store.size(large) == len(body))

    def ranges(self) -> Answer:
        self._client.put_object(**self._where("r"), Body=bytes(range(256)))
        wanted = {
            "bytes=0-0": b"\0",
            "bytes=100-109": bytes(range(100, 110)),
            "bytes=255-": b"\xff",
        }
        got = {
            r: self._client.get_object(**self._where("r"), Range=r)["Body"].read() for r in wanted
        }
        return Answer(got == wanted)

    def uploads(self) -> Answer:
        key = f"{self._place}/u"
        with self._upload("u") as upload:
            self._part(upload, 1, b"x")
            seen = [u for u in self._store.pending_uploads(key) if u.key == key]
            for pending in seen:
                self._store.abort_upload(pending)
        return Answer(bool(seen) and not self._store.pending_uploads(key))

    def long_lists(self) -> Answer:
        names = [f"{self._place}/many/{number:04d}" for number in range(KEYS)]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda key: self._store.put(key, b""), names))
        found = [item.key for item in self._store.list(f"{self._place}/many/")]
        detail = f"{len(found)} of {KEYS} keys"
        return Answer(sorted(found) == names, detail)

    def batch_delete(self) -> Answer:
        names = [f"many/{number:04d}" for number in range(1000)]
        keys: Any = [{"Key": self._where(name)["Key"]} for name in names]
        self._client.delete_objects(
            Bucket=self._store.bucket, Delete={"Objects": keys, "Quiet": True}
        )
        left = sum(1 for _ in self._store.list(f"{self._place}/many/"))
        return Answer(left == KEYS - 1000, f"{left} keys were left of {KEYS}")

    def versioning(self) -> Answer:
        status = self._client.get_bucket_versioning(Bucket=self._store.bucket).get("Status", "")
        return Answer(status == "Enabled", status or "off")

    def lifecycle(self) -> Answer:
        try:
            found = self._client.get_bucket_lifecycle_configuration(Bucket=self._store.bucket)
        except vendor_errors() as error:
            if code_and_status(error)[0] == "NoSuchLifecycleConfiguration":
                return Answer(True, "no rules")
            raise
        return Answer(True, f"{len(found.get('Rules', []))} rules")

    def _refused(self, call: Callable[[], Any]) -> bool:
        try:
            call()
        except vendor_errors() as error:
            if code_and_status(error)[1] in _REFUSED:
                return True
            raise
        return False

    @contextmanager
    def _upload(self, name: str, **more: Any) -> Iterator[dict[str, Any]]:
        begun = self._client.create_multipart_upload(**self._where(name), **more)
        upload = {**self._where(name), "UploadId": begun["UploadId"]}
        try:
            yield upload
        finally:
            with suppress(*vendor_errors()):
                self._client.abort_multipart_upload(**upload)

    def _part(self, upload: dict[str, Any], number: int, body: bytes) -> dict[str, Any]:
        answer = self._client.upload_part(**upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _complete(self, upload: dict[str, Any], parts: list[Any], **more: Any) -> None:
        self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **more)

    def clean(self) -> None:
        """Remove what is left; without the right to, prune does it."""
        with suppress(MentatError), ThreadPoolExecutor(_THREADS) as pool:
            keys = [item.key for item in self._store.list(f"{self._place}/")]
            for done in [pool.submit(self._store.delete, key) for key in keys]:
                with suppress(StoreDenied):
                    done.result()


def _sha256(body: bytes) -> str:
    return b64encode(hashlib.sha256(body).digest()).decode()
