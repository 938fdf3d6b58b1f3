"""Reading an artifact: ranges fetched in parallel, each proven before it is passed on, in order."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from engine.core.errors import (
    ArtifactMissing,
    DamageError,
    MentatError,
    ObjectDamaged,
    ObjectMissing,
    ObjectTruncated,
    StoreError,
)
from engine.core.snapshot import Artifact
from engine.ports import ObjectStore

_BUDGET = 32 << 20
_PARALLEL = 4
_MOST = 8 << 20  # of a range, as the writer makes parts; larger ones are fetched in several


@dataclass(frozen=True, slots=True)
class _Range:
    start: int
    size: int
    part: int
    last: bool


def _ranges(artifact: Artifact) -> Iterator[_Range]:
    start = 0
    for index, part in enumerate(artifact.parts):
        done = 0
        while True:
            size = min(_MOST, part.size - done)
            last = done + size >= part.size
            yield _Range(start + done, size, index, last)
            done += size
            if last:
                break
        start += part.size


def read_artifact(
    stores: Sequence[ObjectStore],
    key: str,
    artifact: Artifact,
    on_fallback: Callable[[ObjectStore, MentatError], None] = lambda _store, _error: None,
) -> Generator[bytes, None, None]:
    """The stored bytes in order, from the first store that has them whole.

    A part is passed on only after its SHA-256 matched the manifest's (parts above 8 MiB: their
    last range). A range that is missing, short or damaged in one store is taken from the next;
    with none left: ArtifactMissing, ObjectTruncated or ObjectDamaged, naming key and offset.
    """
    if sum(part.size for part in artifact.parts) != artifact.stored_bytes:
        raise DamageError(
            f"the manifest's part sizes of {artifact.name} do not add up to its size",
            "Choose another snapshot.",
        )
    fetcher = _Fetcher(stores, key, artifact, on_fallback)
    window: deque[tuple[_Range, Future[bytes]]] = deque()
    ahead = iter(_ranges(artifact))
    pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="download")
    try:
        held = 0
        running: hashlib._Hash | None = None
        for upcoming in ahead:
            window.append((upcoming, pool.submit(fetcher.fetch, upcoming)))
            held += upcoming.size
            while held >= _BUDGET or len(window) >= 2 * _PARALLEL:
                piece, body = window[0][0], window.popleft()[1].result()
                held -= piece.size
                running = fetcher.prove(piece, body, running)
                yield body
        while window:
            piece, future = window.popleft()
            body = future.result()
            running = fetcher.prove(piece, body, running)
            yield body
    finally:
        # A reader that gave up must not wait for an answer of a store that hangs.
        fetcher.ended = True
        pool.shutdown(wait=False, cancel_futures=True)


class _Fetcher:
    def __init__(
        self,
        stores: Sequence[ObjectStore],
        key: str,
        artifact: Artifact,
        on_fallback: Callable[[ObjectStore, MentatError], None],
    ) -> None:
        self._stores = list(stores)
        self._key = key
        self._artifact = artifact
        self._on_fallback = on_fallback
        self.ended = False
        self._dropping = threading.Lock()

    def fetch(self, piece: _Range) -> bytes:
        """The range, its hash checked when it is a whole part, from the first store able to."""
        failure: MentatError | None = None
        for store in list(self._stores):
            try:
                return self._fetch_from(store, piece)
            except (StoreError, DamageError) as error:
                failure = failure or self._translate(error, store, piece)
                if self.ended:
                    break
                with self._dropping:
                    dropped = len(self._stores) > 1 and store in self._stores
                    if dropped:
                        self._stores.remove(store)
                if dropped:
                    self._on_fallback(store, error)
        assert failure is not None
        raise failure

    def _fetch_from(self, store: ObjectStore, piece: _Range) -> bytes:
        whole = piece.last and piece.size == self._artifact.parts[piece.part].size
        for attempt in (1, 2):
            body = store.get(self._key, piece.start, piece.size) if piece.size else b""
            if len(body) != piece.size:
                raise ObjectTruncated(f"{self._key} ends early in {store.name}")
            if not whole or hashlib.sha256(body).hexdigest() == self._expected(piece):
                return body
            if attempt == 2:
                # Twice the same: it is stored so, not damaged on the way.
                raise self._damaged(piece, store)
        raise AssertionError("unreachable")

    def _expected(self, piece: _Range) -> str:
        return self._artifact.parts[piece.part].sha256

    def _damaged(self, piece: _Range, store: ObjectStore) -> ObjectDamaged:
        return ObjectDamaged(
            f"{self._key} is damaged in {store.name}: the bytes from {piece.start} are not those "
            "that were written",
            "Restore another snapshot or from a replica; `mentat-dr snapshots` lists them.",
        )

    def _translate(self, error: MentatError, store: ObjectStore, piece: _Range) -> MentatError:
        if isinstance(error, ObjectMissing):
            return ArtifactMissing(
                f"{self._key} is gone from {store.name}, though its manifest names it",
                "Restore another snapshot or from a replica; `mentat-dr snapshots` lists them.",
            )
        if isinstance(error, ObjectTruncated):
            return ObjectTruncated(
                f"{self._key} is cut short in {store.name}: {piece.size} bytes are not there at "
                f"{piece.start}",
                "Restore another snapshot or from a replica; `mentat-dr snapshots` lists them.",
            )
        return error

    def prove(
        self, piece: _Range, body: bytes, running: hashlib._Hash | None
    ) -> hashlib._Hash | None:
        """Check parts that came in several ranges; whole ones were checked on arrival."""
        if piece.last and piece.size == self._artifact.parts[piece.part].size:
            return None
        running = running or hashlib.sha256()
        running.update(body)
        if not piece.last:
            return running
        if running.hexdigest() != self._expected(piece):
            raise self._damaged(piece, self._stores[0])
        return None
