"""What every ObjectStore promises, as tests. A subclass gives the fixture `open_store`, which
makes a store object over one and the same place at each call."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from engine.core.errors import ObjectExists, ObjectMissing, ObjectTruncated, StoreError
from engine.ports import ObjectStore, Upload

OpenStore = Callable[[], ObjectStore]
MIB = 1 << 20
PART = 6 * MIB  # above S3's smallest

ODD_KEYS = [
    "a b/c d",
    "a-b",
    "a/b",
    "a/b-c/d",
    "plus+and%2Fpercent",
    "amp&eq=?x#y",
    "quote'\"<tag>",
    "[bold]not markup[/]",
    "grüße/日本語/🙂",
    ".hidden/.file",
    "dot./end.",
    "tilde~$HOME`id`",
    "s" * 200 + "/" + "t" * 200,
]
REFUSED_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../outside",
    "a/../../outside",
    "a/./b",
    "line\nbreak",
    "escape\x1b[31m",
    "nul\x00",
    "back\\slash",
    "c1\x9b31m",
    "long" * 300,
    "s" * 201,
    "half\ud800",
]


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


class ObjectStoreContract:
    @pytest.fixture
    def store(self, open_store: OpenStore) -> ObjectStore:
        return open_store()

    # ------------------------------------------------------------ whole objects

    @pytest.mark.parametrize("body", [b"", b"x", noise(3 * MIB)], ids=["empty", "byte", "3MiB"])
    def test_what_is_put_is_got(self, store: ObjectStore, body: bytes) -> None:
        store.put("a/b", body)
        assert store.get("a/b") == body
        assert store.size("a/b") == len(body)
        assert [(o.key, o.size) for o in store.list()] == [("a/b", len(body))]

    def test_put_replaces(self, store: ObjectStore) -> None:
        store.put("k", b"first, and longer")
        store.put("k", b"second")
        assert store.get("k") == b"second"

    def test_another_object_over_the_same_place_sees_it(self, open_store: OpenStore) -> None:
        open_store().put("k", b"shared")
        assert open_store().get("k") == b"shared"

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_odd_keys(self, store: ObjectStore, key: str) -> None:
        store.put(key, key.encode())
        assert store.get(key) == key.encode()
        assert keys(store) == [key]
        assert keys(store, key[: len(key) // 2 + 1]) == [key]
        store.delete(key)
        assert keys(store) == []

    @pytest.mark.parametrize("key", REFUSED_KEYS)
    def test_refused_keys(self, store: ObjectStore, key: str) -> None:
        verbs: list[Callable[[], object]] = [
            lambda: store.put(key, b"x"),
            lambda: store.get(key),
            lambda: store.size(key),
            lambda: store.delete(key),
            lambda: store.begin_upload(key),
        ]
        for verb in verbs:
            with pytest.raises(StoreError) as caught:
                verb()
            assert not isinstance(caught.value, ObjectMissing)
            assert caught.value.message.isprintable()
        assert keys(store) == []

    def test_missing(self, store: ObjectStore) -> None:
        store.put("folder/there", b"x")
        for key in ("not/there", "folder", "folder/there/below"):
            with pytest.raises(ObjectMissing) as caught:
                store.get(key)
            assert key in caught.value.message
            assert caught.value.remedy
            with pytest.raises(ObjectMissing):
                store.get(key, 1, 2)
            with pytest.raises(ObjectMissing):
                store.size(key)

    def test_delete(self, store: ObjectStore) -> None:
        store.put("a/b/c", b"x")
        store.put("a/d", b"y")
        store.delete("a/b/c")
        store.delete("a/b/c")
        store.delete("never/was")
        assert keys(store) == ["a/d"]
        with pytest.raises(ObjectMissing):
            store.get("a/b/c")
        store.put("a/b/c", b"again")
        assert store.get("a/b/c") == b"again"

    # ------------------------------------------------------------ ranges

    def test_ranges(self, store: ObjectStore) -> None:
        body = noise(100_000)
        store.put("k", body)
        for start, length in [(0, 1), (0, 100_000), (99_999, 1), (50_000, 0), (12_345, 54_321)]:
            assert store.get("k", start, length) == body[start : start + length]
        assert store.get("k", 99_000) == body[99_000:]
        assert store.get("k", 100_000) == b""
        assert store.get("k", 100_000, 0) == b""

    def test_fewer_bytes_than_asked(self, store: ObjectStore) -> None:
        store.put("k", b"0123456789")
        store.put("empty", b"")
        for key, start, length in [
            ("k", 0, 11),
            ("k", 9, 2),
            ("k", 10, 1),
            ("k", 11, 0),
            ("k", 500, 5),
            ("empty", 0, 1),
        ]:
            with pytest.raises(ObjectTruncated) as caught:
                store.get(key, start, length)
            assert caught.value.remedy
        with pytest.raises(ObjectTruncated):
            store.get("k", 11)

    # ------------------------------------------------------------ listing

    def test_list_prefix(self, store: ObjectStore) -> None:
        for key in ("v1/a/x", "v1/a/y", "v1/ab/z", "v1/b", "v2/a"):
            store.put(key, key.encode())
        assert keys(store) == ["v1/a/x", "v1/a/y", "v1/ab/z", "v1/b", "v2/a"]
        assert keys(store, "v1/a") == ["v1/a/x", "v1/a/y", "v1/ab/z"]
        assert keys(store, "v1/a/") == ["v1/a/x", "v1/a/y"]
        assert keys(store, "v1/a/x") == ["v1/a/x"]
        assert keys(store, "v3") == []
        assert keys(store, "v1/a/x/") == []
        assert keys(store, "..") == []

    def test_list_times(self, store: ObjectStore) -> None:
        store.put("k", b"x")
        (found,) = store.list()
        assert found.modified.utcoffset() == timedelta(0)
        assert abs(found.modified - datetime.now(UTC)) < timedelta(hours=1)

    def test_list_of_many(self, store: ObjectStore) -> None:
        names = {f"many/{number % 7}/{number:05}" for number in range(1_150)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: store.put(name, b"x"), names))
        assert {found.key for found in store.list("many/")} == names
        assert len(list(store.list("many/"))) == len(names)

    def test_list_while_objects_come_and_go(self, store: ObjectStore) -> None:
        stay = {f"stay/{number}" for number in range(20)}
        for name in stay:
            store.put(name, b"x")
        stop = threading.Event()

        def churn() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                store.put(f"go/{number % 5}/x", b"y")
                store.delete(f"go/{(number + 2) % 5}/x")

        with ThreadPoolExecutor(2) as pool:
            churning = [pool.submit(churn) for _ in range(2)]
            try:
                for _ in range(40):
                    assert stay <= {found.key for found in store.list()}
            finally:
                stop.set()
            for future in churning:
                future.result()

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

    def test_completing_has_one_winner(self, store: ObjectStore) -> None:
        uploads = [store.begin_upload("race") for _ in range(4)]
        bodies = [noise(PART, seed) for seed in range(4)]
        for upload, body in zip(uploads, bodies, strict=True):
            put_part(upload, 1, body)
        gate = threading.Barrier(4)

        def finish(number: int) -> int | None:
            gate.wait()
            try:
                uploads[number].complete()
            except ObjectExists:
                uploads[number].abort()
                return None
            return number

        with ThreadPoolExecutor(4) as pool:
            winners = [n for n in pool.map(finish, range(4)) if n is not None]
        assert len(winners) == 1
        assert store.get("race") == bodies[winners[0]]
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

    # ------------------------------------------------------------ under load

    def test_many_threads(self, store: ObjectStore) -> None:
        def work(number: int) -> bool:
            body = noise(200_000 + number, number)
            store.put(f"t/{number}", body)
            return store.get(f"t/{number}", 100, 150_000) == body[100:150_100]

        with ThreadPoolExecutor(12) as pool:
            assert all(pool.map(work, range(60)))

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
