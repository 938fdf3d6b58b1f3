"""What every ObjectStore promises of conditional writes and of uploads in parts, as tests.

A subclass gives the fixture `open_store`, which makes a store object over one and the same place
at each call."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from engine.core.errors import ObjectExists, ObjectMissing, StoreError
from engine.ports import ObjectStore, Upload

OpenStore = Callable[[], ObjectStore]
MIB = 1 << 20
PART = 6 * MIB  # above S3's smallest


def noise(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


def put_part(upload: Upload, number: int, body: bytes | memoryview) -> None:
    upload.put_part(number, body, hashlib.sha256(body).digest())


def upload_whole(store: ObjectStore, key: str, *bodies: bytes) -> None:
    upload = store.begin_upload(key)
    for number, body in enumerate(bodies, 1):
        put_part(upload, number, body)
    upload.complete()


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return sorted(found.key for found in store.list(prefix))


def race_to_complete(store: ObjectStore, key: str, bodies: list[bytes]) -> list[bytes]:
    """Complete an upload of each body at the same moment; the bodies whose upload won."""
    gate = threading.Barrier(len(bodies))

    def attempt(body: bytes) -> bool:
        upload = store.begin_upload(key)
        put_part(upload, 1, body)
        gate.wait()
        try:
            upload.complete()
        except ObjectExists:
            upload.abort()
            return False
        return True

    with ThreadPoolExecutor(len(bodies)) as pool:
        won = list(pool.map(attempt, bodies))
    return [body for body, winner in zip(bodies, won, strict=True) if winner]


class UploadContract:
    @pytest.fixture
    def store(self, open_store: OpenStore) -> ObjectStore:
        return open_store()

    # ------------------------------------------------------------ conditional writes

    def test_if_absent(self, store: ObjectStore) -> None:
        store.put("k", b"first", if_absent=True)
        with pytest.raises(ObjectExists) as caught:
            store.put("k", b"second", if_absent=True)
        assert "k" in caught.value.message
        assert store.get("k") == b"first"
        store.delete("k")
        store.put("k", b"third", if_absent=True)
        assert store.get("k") == b"third"

    def test_if_absent_has_one_winner(self, store: ObjectStore) -> None:
        for turn in range(5):
            key = f"race/{turn}"
            gate = threading.Barrier(12)

            def attempt(
                number: int, key: str = key, gate: threading.Barrier = gate
            ) -> bytes | None:
                gate.wait()
                try:
                    store.put(key, f"by {number}".encode(), if_absent=True)
                except ObjectExists:
                    return None
                return f"by {number}".encode()

            with ThreadPoolExecutor(12) as pool:
                winners = [won for won in pool.map(attempt, range(12)) if won]
            assert len(winners) == 1
            assert store.get(key) == winners[0]

    def test_completing_at_once(self, store: ObjectStore) -> None:
        """Never none, never a mix; that there is one winner only a directory and Amazon promise."""
        bodies = [noise(PART, seed) for seed in range(4)]
        won = race_to_complete(store, "race", bodies)
        assert store.get("race") in won
        assert not store.pending_uploads()

    def test_an_upload_does_not_replace(self, store: ObjectStore) -> None:
        store.put("big", b"was here")
        store.put("small", b"was here")
        for key, body in (("big", noise(PART)), ("small", b"tiny")):
            upload = store.begin_upload(key)
            put_part(upload, 1, body)
            with pytest.raises(ObjectExists):
                upload.complete()
            upload.abort()
            assert store.get(key) == b"was here"
        assert not store.pending_uploads()

    # ------------------------------------------------------------ uploads

    @pytest.mark.parametrize(
        "sizes",
        [(0,), (1,), (MIB,), (PART,), (PART, 1), (PART, PART, 3 * MIB)],
        ids=lambda sizes: "+".join(map(str, sizes)),
    )
    def test_parts_become_one_object(self, store: ObjectStore, sizes: tuple[int, ...]) -> None:
        bodies = [noise(size, seed) for seed, size in enumerate(sizes)]
        upload_whole(store, "k", *bodies)
        assert store.get("k") == b"".join(bodies)
        assert store.size("k") == sum(sizes)

    def test_parts_in_any_order(self, store: ObjectStore) -> None:
        bodies = {number: noise(PART + number, number) for number in (1, 2, 3, 4)}
        upload = store.begin_upload("k")
        for number in (3, 1, 4, 2):
            put_part(upload, number, bodies[number])
        upload.complete()
        assert store.get("k") == b"".join(bodies[number] for number in (1, 2, 3, 4))

    def test_parts_from_threads(self, store: ObjectStore) -> None:
        bodies = [noise(PART, seed) for seed in range(8)] + [b"the end"]
        upload = store.begin_upload("k")
        order = list(range(len(bodies)))
        random.Random(3).shuffle(order)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: put_part(upload, n + 1, bodies[n]), order))
        upload.complete()
        assert store.get("k") == b"".join(bodies)

    def test_a_part_may_come_again(self, store: ObjectStore) -> None:
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART, 1))
        put_part(upload, 1, noise(PART, 2))
        put_part(upload, 2, b"end")
        upload.complete()
        assert store.get("k") == noise(PART, 2) + b"end"

    @pytest.mark.parametrize("size", [100, PART])
    def test_the_callers_buffer_is_free_after_put_part(self, store: ObjectStore, size: int) -> None:
        buffer = bytearray(noise(size))
        upload = store.begin_upload("k")
        put_part(upload, 1, memoryview(buffer))
        buffer[:] = bytes(size)
        upload.complete()
        assert store.get("k") == noise(size)

    def test_part_of_a_buffer(self, store: ObjectStore) -> None:
        buffer = bytearray(noise(PART + 1000))
        upload = store.begin_upload("k")
        put_part(upload, 1, memoryview(buffer)[:PART])
        put_part(upload, 2, memoryview(buffer)[5:25])
        upload.complete()
        assert store.get("k") == noise(PART + 1000)[:PART] + noise(PART + 1000)[5:25]

    def test_nothing_is_visible_before_the_end(self, store: ObjectStore) -> None:
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART))
        assert keys(store) == []
        with pytest.raises(ObjectMissing):
            store.get("k")
        upload.complete()
        assert keys(store) == ["k"]

    def test_a_missing_part_is_noticed(self, store: ObjectStore) -> None:
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART))
        put_part(upload, 3, noise(PART))
        with pytest.raises(StoreError):
            upload.complete()
        upload.abort()
        assert keys(store) == []

    def test_abort_leaves_nothing(self, store: ObjectStore) -> None:
        for bodies in ([], [b"small"], [noise(PART), noise(PART)]):
            upload = store.begin_upload("folder/k")
            for number, body in enumerate(bodies, 1):
                put_part(upload, number, body)
            upload.abort()
            upload.abort()
            assert keys(store) == []
            assert not store.pending_uploads()
            with pytest.raises(StoreError):
                put_part(upload, 9, noise(PART))
            with pytest.raises(StoreError):
                upload.complete()
        assert keys(store) == []

    def test_abort_after_the_end_is_harmless(self, store: ObjectStore) -> None:
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART))
        upload.complete()
        upload.abort()
        assert store.get("k") == noise(PART)

    def test_abort_while_parts_fly(self, store: ObjectStore) -> None:
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART))

        def fly(number: int) -> None:
            try:
                put_part(upload, number, noise(PART))
            except StoreError:
                return

        with ThreadPoolExecutor(4) as pool:
            flying = [pool.submit(fly, number) for number in range(2, 8)]
            upload.abort()
            for future in flying:
                future.result()
        assert keys(store) == []
        assert not store.pending_uploads()

    def test_pending_uploads(self, open_store: OpenStore) -> None:
        store, later = open_store(), open_store()
        upload = store.begin_upload("v1/a/begun")
        put_part(upload, 1, noise(PART))
        other = store.begin_upload("v1/b/begun")
        put_part(other, 1, noise(PART))

        (pending,) = later.pending_uploads("v1/a")
        assert pending.key == "v1/a/begun"
        assert pending.started.utcoffset() == timedelta(0)
        assert abs(pending.started - datetime.now(UTC)) < timedelta(hours=1)
        assert {p.key for p in later.pending_uploads()} == {"v1/a/begun", "v1/b/begun"}
        assert {p.key for p in later.pending_uploads("v1/b/beg")} == {"v1/b/begun"}
        assert not later.pending_uploads("v2")

        later.abort_upload(pending)
        later.abort_upload(pending)
        assert {p.key for p in later.pending_uploads()} == {"v1/b/begun"}
        with pytest.raises(StoreError):
            upload.complete()
        upload.abort()
        other.complete()
        assert keys(later) == ["v1/b/begun"]
        assert not later.pending_uploads()

    def test_large(self, store: ObjectStore, full: bool) -> None:
        parts, size = (192 if full else 10), 8 * MIB
        body = noise(size)
        upload = store.begin_upload("large")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: put_part(upload, n, body), range(1, parts + 1)))
        upload.complete()
        assert store.size("large") == parts * size
        with ThreadPoolExecutor(4) as pool:
            ranges = pool.map(lambda n: store.get("large", n * size - 17, size), range(1, parts))
            for got in ranges:
                assert got == body[-17:] + body[:-17]
