"""What every ObjectStore promises, as tests; of uploads see upload_contract. A subclass gives the
fixture `open_store`, which makes a store object over one and the same place at each call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from engine.core.errors import ObjectMissing, ObjectTruncated, StoreError
from engine.ports import ObjectStore
from tests.contracts.upload_contract import MIB, OpenStore, UploadContract, keys, noise

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


class ObjectStoreContract(UploadContract):
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

    # ------------------------------------------------------------ under load

    def test_many_threads(self, store: ObjectStore) -> None:
        def work(number: int) -> bool:
            body = noise(200_000 + number, number)
            store.put(f"t/{number}", body)
            return store.get(f"t/{number}", 100, 150_000) == body[100:150_100]

        with ThreadPoolExecutor(12) as pool:
            assert all(pool.map(work, range(60)))
