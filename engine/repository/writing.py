"""Writing an artifact: one read of the stream, parts to every store, hashes on the way.

Memory is bounded by `_BUDGET` whatever the stream's length: a fixed set of buffers goes round
between the reader and the uploading threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from engine.core.errors import MentatError
from engine.core.snapshot import Part
from engine.ports import ObjectStore, Upload

PART_BYTES = 8 << 20
PROVEN_BYTES = 8 << 20  # most of a part in the manifest; larger uploaded parts are several
_BUDGET = 48 << 20
_STEP = 1000


def part_bytes(number: int) -> int:
    """Size of part `number` (from 1): 8 MiB, doubling every 1,000 parts, so that 10,000 parts
    hold more than the 5 TiB an object may have and none is above the 5 GiB a part may have."""
    return PART_BYTES << ((number - 1) // _STEP)


@dataclass(frozen=True, slots=True)
class StoredFacts:
    size: int
    sha256: str
    parts: tuple[Part, ...]


class ArtifactWriter:
    """Writes one artifact to the primary store and, as long as it works, to the local tier.

    A failure of the primary is raised; one of the local tier ends the local copy only and is kept
    in `local_error`. Nothing is visible before `complete`.
    """

    def __init__(self, primary: ObjectStore, key: str, local: ObjectStore | None = None) -> None:
        self._upload = primary.begin_upload(key)
        self._local: Upload | None = None
        self.local_error: MentatError | None = None
        self.stored = 0
        self._ending = threading.Lock()
        if local is not None:
            try:
                self._local = local.begin_upload(key)
            except MentatError as error:
                self.local_error = error

    def write_from(self, fd: int, progress: Callable[[], None] = lambda: None) -> StoredFacts:
        """Read fd to its end, storing parts; `progress` is called after each read of the pipe."""
        whole = hashlib.sha256()
        parts: list[Part] = []
        pending: list[Future[list[Part]]] = []
        with ThreadPoolExecutor(4, thread_name_prefix="upload") as pool:
            try:
                buffers = _Buffers()
                number = 0
                while True:
                    number += 1
                    buffer = buffers.take(part_bytes(number))
                    count = _fill(fd, buffer, progress)
                    if count == 0 and number > 1:
                        break
                    self.stored += count
                    body = memoryview(buffer)[:count]
                    whole.update(body)
                    pending.append(pool.submit(self._put, number, body, buffer, buffers))
                    while pending and pending[0].done():
                        parts.extend(pending.pop(0).result())
                    if count < len(buffer):
                        break
                parts.extend(part for future in pending for part in future.result())
            except BaseException:
                for future in pending:
                    future.cancel()
                raise
        return StoredFacts(self.stored, whole.hexdigest(), tuple(parts))

    def _put(
        self, number: int, body: memoryview, buffer: bytearray, buffers: _Buffers
    ) -> list[Part]:
        try:
            digest = hashlib.sha256(body).digest()
            self._upload.put_part(number, body, digest)
            self._put_local(number, body, digest)
            return _parts(body, digest)
        except BaseException as error:
            buffers.fail(error)
            raise
        finally:
            buffers.give(buffer)

    def _put_local(self, number: int, body: memoryview, digest: bytes) -> None:
        """The first failure of any thread ends the local copy."""
        local = self._local
        if local is None:
            return
        try:
            local.put_part(number, body, digest)
        except MentatError as error:
            with self._ending:
                if self._local is None:
                    return
                self._local, self.local_error = None, error
            with contextlib.suppress(MentatError):
                local.abort()

    def complete(self) -> None:
        """Make the artifact visible: only after its producer is known to have ended well."""
        self._upload.complete()
        if self._local is not None:
            try:
                self._local.complete()
            except MentatError as error:
                self.local_error = error

    @property
    def local_kept(self) -> bool:
        return self._local is not None and self.local_error is None

    def abort(self) -> None:
        """Drop what was written; errors while dropping are left to prune."""
        for upload in (self._upload, self._local):
            if upload is not None:
                with contextlib.suppress(MentatError):
                    upload.abort()


class _Buffers:
    """A bounded set of buffers; `take` waits for a free one and raises an uploader's error."""

    def __init__(self) -> None:
        self._free: queue.Queue[bytearray | BaseException] = queue.Queue()
        self._size = 0
        self._made = 0
        self._error: BaseException | None = None

    def take(self, size: int) -> bytearray:
        if self._error is not None:
            raise self._error
        if size != self._size:
            # Buffers of the former size are dropped as they come back.
            self._size, self._made = size, 0
            self._free = queue.Queue()
        if self._free.empty() and self._made < max(2, _BUDGET // size):
            self._made += 1
            return bytearray(size)
        item = self._free.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def give(self, buffer: bytearray) -> None:
        if len(buffer) == self._size:
            self._free.put(buffer)

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._free.put(error)


def _parts(body: memoryview, digest: bytes) -> list[Part]:
    """What the manifest says of an uploaded part: ranges small enough for a reader to prove each
    before it passes it on, and to take it from another store when it is damaged."""
    if len(body) <= PROVEN_BYTES:
        return [Part(len(body), digest.hex())]
    pieces = (body[at : at + PROVEN_BYTES] for at in range(0, len(body), PROVEN_BYTES))
    return [Part(len(piece), hashlib.sha256(piece).hexdigest()) for piece in pieces]


def _fill(fd: int, buffer: bytearray, progress: Callable[[], None]) -> int:
    view = memoryview(buffer)
    count = 0
    while count < len(buffer):
        got = os.readv(fd, [view[count:]])
        if got == 0:
            break
        count += got
        progress()
    return count
