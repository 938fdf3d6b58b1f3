"""Reading a range of an object: exactly its bytes, over as many connections as it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from engine.adapters.s3_errors import code_and_status, translate, vendor_errors
from engine.core.errors import ObjectTruncated, StoreError, StoreUnreachable

if TYPE_CHECKING:
    from engine.adapters.s3 import S3Store

PIECE_BYTES = 8 << 20  # what at most is read again after a broken connection
PROGRESS_BYTES = 1 << 20  # what a connection must bring to count as fruitful
ATTEMPTS = 5  # fruitless connections one after the other
BACKOFF_SECONDS = 0.5


def read_range(store: S3Store, key: str, start: int, length: int | None) -> bytes:
    """`length` bytes from `start`, or all from there. Errors as ObjectStore.get says."""
    if length is None and start == 0:
        return _Reading(store, key, 0, None).all()
    size = None
    if length is None or length == 0:
        size = store.size(key)  # S3 has no range of nothing, and none that starts at the end
        length = size - start if length is None else length
    if size is not None and (length < 0 or start + length > size):
        raise _truncated(store, key, start + length, size)
    return _Reading(store, key, start, length).all() if length else b""


class _Reading:
    """One range being read; `got` bytes of it stand in `pieces`."""

    def __init__(self, store: S3Store, key: str, start: int, length: int | None) -> None:
        self._store = store
        self._key = key
        self._start = start
        self._length = length
        self._etag = ""
        self._pieces: list[bytes] = []
        self._got = 0

    def all(self) -> bytes:
        fruitless = 0
        while True:
            before = self._got
            try:
                self._read_on()
                return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            except vendor_errors() as error:
                mine = translate(error, self._store.name, f"reading {self._key}")
                if code_and_status(error)[1] == 416 and self._length is not None:
                    wanted = self._start + self._length
                    raise _truncated(self._store, self._key, wanted, None) from error
                if code_and_status(error)[1] == 412:
                    raise StoreError(
                        f"{self._key} in {self._store.name} was replaced while it was read",
                        "Read it again from its start.",
                    ) from error
                fruitless = 0 if self._got - before >= PROGRESS_BYTES else fruitless + 1
                if not isinstance(mine, StoreUnreachable) or fruitless >= self._attempts():
                    raise mine from error
                time.sleep(BACKOFF_SECONDS * 2**fruitless)

    def _attempts(self) -> int:
        """botocore has tried a request that never got an answer before; a dead store should not
        hold an operator up. A stream that has begun is worth more patience."""
        return ATTEMPTS if self._etag else 1

    def _read_on(self) -> None:
        answer = self._open()
        self._etag = answer.get("ETag", "")
        body = answer["Body"]
        try:
            if self._length is None:
                self._length = answer["ContentLength"]
            self._check_extent(answer)
            while self._got < self._length:
                piece = body.read(min(PIECE_BYTES, self._length - self._got))
                if not piece:
                    raise _truncated(
                        self._store, self._key, self._start + self._length, self._start + self._got
                    )
                self._pieces.append(piece)
                self._got += len(piece)
        finally:
            body.close()

    def _open(self) -> Any:
        arguments: dict[str, Any] = {"IfMatch": self._etag} if self._etag else {}
        first = self._start + self._got
        if self._length is not None:
            arguments["Range"] = f"bytes={first}-{self._start + self._length - 1}"
        return self._store.client.get_object(
            Bucket=self._store.bucket, Key=self._store.whole_key(self._key), **arguments
        )

    def _check_extent(self, answer: Any) -> None:
        assert self._length is not None
        wanted = self._length - self._got
        given = answer["ContentLength"]
        first = self._start + self._got
        content_range = answer.get("ContentRange", "")
        if content_range and not content_range.startswith(f"bytes {first}-"):
            raise _wrong_range(self._store, self._key)
        if not content_range and first:
            raise _wrong_range(self._store, self._key)
        if given < wanted:
            raise _truncated(self._store, self._key, first + wanted, first + given)


def _wrong_range(store: S3Store, key: str) -> StoreError:
    return StoreError(
        f"{store.name} answered with another range of {key} than was asked for",
        "This store cannot be used for restores as it is; ask the provider about Range requests.",
    )


def _truncated(store: S3Store, key: str, wanted: int, there: int | None) -> ObjectTruncated:
    has = "fewer" if there is None else str(there)
    return ObjectTruncated(
        f"{key} in {store.name} has {has} bytes where {wanted} are needed",
        "Verify this snapshot, and use another copy or an earlier one.",
    )
