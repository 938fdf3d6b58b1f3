"""The S3 store holds through broken networks and poorer servers, by a proxy that plays them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from engine.adapters.s3 import S3Store
from engine.core.errors import (
    ObjectDamaged,
    ObjectExists,
    ObjectTruncated,
    StoreDenied,
    StoreError,
    StoreUnreachable,
)
from engine.settings import StoreSettings
from tests.contracts.fault_proxy import Fault, FaultProxy, Request, fault_proxy
from tests.contracts.upload_contract import MIB, PART, noise, put_part, upload_whole

pytestmark = pytest.mark.lab


@pytest.fixture
def proxy(settings: StoreSettings) -> Iterator[FaultProxy]:
    with fault_proxy(settings.endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(settings: StoreSettings, proxy: FaultProxy) -> S3Store:
    """A store behind the proxy."""
    return S3Store(replace(settings, endpoint=proxy.endpoint))


def is_get(request: Request) -> bool:
    return request.method == "GET" and request.path.split("?")[0].endswith("/k")


class TestBrokenReads:
    def test_goes_on_where_it_broke(self, store: S3Store, proxy: FaultProxy) -> None:
        body = noise(30 * MIB)
        store.put("k", body)
        for cut in (0, 1, 9 * MIB, 20 * MIB):
            proxy.seen.clear()
            proxy.times(1, is_get, Fault(cut=cut))
            assert store.get("k") == body
            proxy.times(2, is_get, Fault(cut=cut))
            assert store.get("k", 5, 25 * MIB) == body[5 : 5 + 25 * MIB]
        again = [r.headers for r in proxy.seen if is_get(r) and "if-match" in r.headers]
        assert f"bytes={20 * MIB}-{30 * MIB - 1}" in [headers["range"] for headers in again]

    def test_gives_up_on_a_stream_that_never_moves(
        self, store: S3Store, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.adapters.s3_read.BACKOFF_SECONDS", 0.01)
        store.put("k", noise(MIB))
        proxy.always(is_get, Fault(cut=10))
        with pytest.raises(StoreUnreachable):
            store.get("k")

    def test_an_object_replaced_meanwhile_is_not_spliced(
        self, store: S3Store, proxy: FaultProxy
    ) -> None:
        store.put("k", noise(20 * MIB, 1))
        other = S3Store(replace(store._settings, endpoint=proxy.upstream))

        def replaced_once(request: Request) -> Fault | None:
            if is_get(request) and not request.headers.get("if-match"):
                return Fault(cut=9 * MIB)
            if is_get(request):
                other.put("k", noise(20 * MIB, 2))
            return None

        proxy.rule = replaced_once
        with pytest.raises(StoreError, match="replaced while it was read"):
            store.get("k")

    def test_an_answer_shorter_than_the_range(self, store: S3Store, proxy: FaultProxy) -> None:
        store.put("k", noise(MIB))
        proxy.always(is_get, Fault(edit=lambda body: body[:-1]))
        with pytest.raises(ObjectTruncated):
            store.get("k", 0, MIB)

    def test_a_server_that_ignores_ranges(self, store: S3Store, proxy: FaultProxy) -> None:
        store.put("k", noise(MIB))
        proxy.always(is_get, Fault(without_headers=("content-range",)))
        with pytest.raises(StoreError, match="another range"):
            store.get("k", 10, 10)


class TestBrokenWrites:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(cut=0),
            Fault(cut=0, after_sending=True),
            Fault(503, "SlowDown"),
            Fault(500, "InternalError"),
            Fault(400, "BadDigest"),
        ],
        ids=["cut", "cut after", "slow down", "internal error", "bad digest"],
    )
    def test_parts_are_sent_again(self, store: S3Store, proxy: FaultProxy, fault: Fault) -> None:
        proxy.times(2, lambda request: request.is_part, fault)
        bodies = [noise(PART, seed) for seed in range(3)]
        upload = store.begin_upload("k")
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda n: put_part(upload, n + 1, bodies[n]), range(3)))
        upload.complete()
        assert store.get("k") == b"".join(bodies)

    def test_an_outage_longer_than_botocore_waits(
        self, store: S3Store, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.adapters.s3_upload.BACKOFF_SECONDS", 0.01)
        proxy.times(8, lambda request: request.is_part, Fault(cut=0))
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART))
        upload.complete()
        assert store.get("k") == noise(PART)

    def test_a_wrong_digest_is_refused(
        self, store: S3Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.adapters.s3_upload.BACKOFF_SECONDS", 0.01)
        upload = store.begin_upload("k")
        with pytest.raises(ObjectDamaged):
            upload.put_part(1, noise(PART), hashlib.sha256(b"other").digest())
        upload.abort()
        assert not store.pending_uploads()

    def test_abort_ends_the_waiting(self, store: S3Store, proxy: FaultProxy) -> None:
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART))
        proxy.always(lambda request: request.is_part, Fault(503, "SlowDown"))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(put_part, upload, 2, noise(PART))
            upload.abort()
            with pytest.raises(StoreError):
                waiting.result()
        assert not store.pending_uploads()

    def test_a_completion_whose_answer_is_lost(self, store: S3Store, proxy: FaultProxy) -> None:
        for count in (1, 2):
            key = f"k{count}"
            upload = store.begin_upload(key)
            put_part(upload, 1, noise(PART))
            lost = Fault(cut=0, after_sending=True)
            proxy.times(count, lambda request: request.is_completion, lost)
            upload.complete()
            assert store.get(key) == noise(PART)

    def test_a_completion_that_another_won(self, store: S3Store, proxy: FaultProxy) -> None:
        upload = store.begin_upload("k")
        put_part(upload, 1, noise(PART))
        store.put("k", b"another")
        store.conditional = True  # no look before
        proxy.times(1, lambda request: request.is_completion, Fault(cut=0))
        with pytest.raises(ObjectExists):
            upload.complete()
        upload.abort()
        assert store.get("k") == b"another"

    def test_a_put_whose_answer_is_lost(self, store: S3Store, proxy: FaultProxy) -> None:
        lost = Fault(cut=0, after_sending=True)
        proxy.times(1, lambda request: request.method == "PUT", lost)
        store.put("k", b"mine", if_absent=True)
        assert store.get("k") == b"mine"

    def test_a_put_that_another_won(self, store: S3Store, proxy: FaultProxy) -> None:
        store.conditional = True
        store.put("k", b"theirs")
        proxy.times(1, lambda request: request.method == "PUT", Fault(cut=0))
        with pytest.raises(ObjectExists):
            store.put("k", b"mine", if_absent=True)
        assert store.get("k") == b"theirs"


class TestPoorerServers:
    """Servers that lack what Amazon has, as B2, older MinIO and older SeaweedFS do."""

    def test_no_conditional_writes(self, store: S3Store, proxy: FaultProxy) -> None:
        proxy.always(lambda r: "if-none-match" in r.headers, Fault(501, "NotImplemented"))
        store.put("k", b"first", if_absent=True)
        with pytest.raises(ObjectExists):
            store.put("k", b"second", if_absent=True)
        upload_whole(store, "big", noise(PART))
        with pytest.raises(ObjectExists):
            upload_whole(store, "big", noise(PART))
        assert store.get("k") == b"first"
        assert store.checksums

    def test_no_checksum_headers(self, store: S3Store, proxy: FaultProxy) -> None:
        refused = Fault(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-sha256'")
        proxy.always(
            lambda r: any(name.startswith("x-amz-checksum") for name in r.headers), refused
        )
        upload_whole(store, "big", noise(PART, 1), noise(PART, 2))
        store.put("k", b"x", if_absent=True)
        assert store.get("big") == noise(PART, 1) + noise(PART, 2)
        assert not store.checksums
        signed = {r.headers["x-amz-content-sha256"] for r in proxy.seen if r.is_part}
        assert hashlib.sha256(noise(PART, 1)).hexdigest() in signed

    def test_checksums_taken_but_not_looked_at(self, store: S3Store, proxy: FaultProxy) -> None:
        ignored = Fault(without_headers=("x-amz-checksum-sha256",))
        proxy.always(lambda request: request.is_part, ignored)
        upload = store.begin_upload("never")
        put_part(upload, 1, noise(PART, 1))
        upload.abort()
        upload_whole(store, "big", noise(PART, 1), noise(PART, 2))
        assert store.get("big") == noise(PART, 1) + noise(PART, 2)
        parts = [r.headers for r in proxy.seen if r.is_part]
        assert len(parts) == 4
        assert parts[0]["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        digest = hashlib.sha256(noise(PART, 1)).hexdigest()
        assert parts[1]["x-amz-content-sha256"] == digest, "it is sent again, hash in the signature"

    def test_a_list_that_says_it_is_whole_and_is_not(
        self, store: S3Store, proxy: FaultProxy
    ) -> None:
        names = {f"{number:04}" for number in range(1_050)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: store.put(name, b""), names))
        lie = Fault(
            edit=lambda body: body.replace(
                b"<IsTruncated>true</IsTruncated>", b"<IsTruncated>false</IsTruncated>"
            )
        )
        proxy.always(lambda request: "list-type=2" in request.path, lie)
        assert {found.key for found in store.list()} == names

    def test_a_list_that_breaks_off(self, store: S3Store, proxy: FaultProxy) -> None:
        store.put("k", b"")
        cut = Fault(
            edit=lambda body: body.replace(
                b"<IsTruncated>false</IsTruncated>", b"<IsTruncated>true</IsTruncated>"
            )
        )
        proxy.always(lambda request: "list-type=2" in request.path, cut)
        with pytest.raises(StoreError, match="breaks off"):
            list(store.list())

    @pytest.mark.parametrize(
        ("fault", "error", "word"),
        [
            (Fault(403, "RequestTimeTooSkewed"), StoreDenied, "clock"),
            (Fault(403, "AccessDenied"), StoreDenied, "permissions"),
            (Fault(403, "InvalidAccessKeyId"), StoreDenied, "access_key"),
            (Fault(507, "InsufficientStorage"), StoreError, "quota"),
            (Fault(403, "QuotaExceeded"), StoreError, "quota"),
            (Fault(413, "EntityTooLarge"), StoreError, "limits"),
            (Fault(301, "PermanentRedirect"), StoreError, "region"),
            (Fault(418, "Teapot", "evil \x1b[31m[b]"), StoreError, "documentation"),
        ],
        ids=lambda value: value.code if isinstance(value, Fault) else "",
    )
    def test_refusals(
        self,
        store: S3Store,
        proxy: FaultProxy,
        fault: Fault,
        error: type[StoreError],
        word: str,
    ) -> None:
        proxy.always(lambda request: request.method == "PUT", fault)
        with pytest.raises(error) as caught:
            store.put("k", b"x")
        assert word in caught.value.remedy
        assert caught.value.message.isprintable()
        assert settings_secret(store) not in caught.value.message


def settings_secret(store: S3Store) -> str:
    return store._settings.secret_key.value
