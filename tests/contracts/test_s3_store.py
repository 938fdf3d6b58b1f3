"""The S3 store keeps the contract on a real server."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from engine.adapters.s3 import S3Store
from engine.core.errors import BucketMissing, ObjectExists, StoreDenied, StoreUnreachable
from engine.ports import ObjectStore
from engine.settings import Secret, StoreSettings
from tests.contracts.object_store_contract import ObjectStoreContract
from tests.contracts.upload_contract import PART, OpenStore, keys, noise, put_part

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def clients() -> dict[str, Any]:
    """Making a client takes a quarter of a second of CPU, so stores share one per endpoint."""
    return {}


def opened(settings: StoreSettings, clients: dict[str, Any]) -> S3Store:
    store = S3Store(settings)
    if settings.endpoint not in clients:
        clients[settings.endpoint] = store.client
    store._client = clients[settings.endpoint]
    return store


class TestS3Store(ObjectStoreContract):
    @pytest.fixture
    def open_store(self, settings: StoreSettings, clients: dict[str, Any]) -> OpenStore:
        return lambda: opened(settings, clients)


class TestPlainS3Store(ObjectStoreContract):
    """As for a provider without checksum headers and conditional writes."""

    @pytest.fixture
    def open_store(self, settings: StoreSettings, clients: dict[str, Any]) -> OpenStore:
        def plain() -> S3Store:
            store = opened(replace(settings, checksums=False), clients)
            store.conditional = False
            return store

        return plain

    def test_if_absent_has_one_winner(self, store: ObjectStore) -> None:
        """Without If-None-Match two may win; never none, and never a mix of them."""
        bodies = [noise(1000, seed) for seed in range(6)]

        def attempt(body: bytes) -> bool:
            try:
                store.put("race", body, if_absent=True)
            except ObjectExists:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            won = [
                body
                for body, winner in zip(bodies, pool.map(attempt, bodies), strict=True)
                if winner
            ]
        assert store.get("race") in won

    def test_the_second_to_complete_is_told(self, store: ObjectStore) -> None:
        first, second = store.begin_upload("k"), store.begin_upload("k")
        put_part(first, 1, noise(PART, 1))
        put_part(second, 1, noise(PART, 2))
        first.complete()
        with pytest.raises(ObjectExists):
            second.complete()
        second.abort()
        assert store.get("k") == noise(PART, 1)


class TestPlace:
    def test_names(self, settings: StoreSettings) -> None:
        assert S3Store(settings).name == f"custom:{settings.bucket}/{settings.prefix}"
        assert S3Store(replace(settings, label="the vault")).name == "the vault"
        assert S3Store(settings).offsite

    def test_prefixes_are_apart(self, settings: StoreSettings) -> None:
        parent = settings.prefix.removesuffix("/here")
        here, there = S3Store(settings), S3Store(replace(settings, prefix=f"{parent}/there"))
        here.put("k", b"here")
        there.put("k", b"there")
        begun = there.begin_upload("begun")
        put_part(begun, 1, noise(PART))
        assert here.get("k") == b"here"
        assert keys(here) == ["k"]
        assert not here.pending_uploads()
        assert keys(S3Store(replace(settings, prefix=parent))) == ["here/k", "there/k"]
        assert {f"{parent}/here/k", f"{parent}/there/k"} <= set(
            keys(S3Store(replace(settings, prefix="")))
        )
        begun.abort()

    def test_a_missing_bucket(self, settings: StoreSettings) -> None:
        store = S3Store(replace(settings, bucket="no-such-bucket-here"))
        for verb in (lambda: store.get("k"), lambda: store.size("k"), lambda: list(store.list())):
            with pytest.raises(BucketMissing) as caught:
                verb()
            assert "no-such-bucket-here" in caught.value.message
            assert caught.value.remedy

    def test_wrong_credentials(self, settings: StoreSettings) -> None:
        for wrong in ({"secret_key": Secret(value="w")}, {"access_key": Secret(value="w")}):
            store = S3Store(replace(settings, **wrong))  # type: ignore[arg-type]
            upload = store.begin_upload("k")
            for verb in (
                lambda store=store: store.get("k"),
                lambda store=store: store.put("k", b"x"),
                lambda store=store: store.size("k"),
                lambda store=store: list(store.list()),
                lambda upload=upload: put_part(upload, 1, noise(PART)),
            ):
                with pytest.raises(StoreDenied) as caught:
                    verb()
                assert caught.value.remedy

    def test_nobody_listens(self, settings: StoreSettings) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for endpoint in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}"):
            store = S3Store(replace(settings, endpoint=endpoint))
            for verb in (
                lambda store=store: store.get("k"),
                lambda store=store: list(store.list()),
            ):
                with pytest.raises(StoreUnreachable) as caught:
                    verb()
                assert caught.value.remedy

    def test_no_tls_there(self, settings: StoreSettings) -> None:
        store = S3Store(replace(settings, endpoint=settings.endpoint.replace("http:", "https:")))
        with pytest.raises(StoreUnreachable) as caught:
            store.get("k")
        assert "certificate" in caught.value.remedy
