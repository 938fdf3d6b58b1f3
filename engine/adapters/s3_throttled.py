"""A bucket behind a limit: bytes up and down, shared by all buckets of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engine.adapters.s3 import S3Store
from engine.core.transfer import Rates
from engine.ports import Upload
from engine.settings import StoreSettings

_BURST = 0.25  # seconds' worth that may pass at once
_LONGEST = 1.0  # seconds of one sleep: the limit may change meanwhile


class Pace:
    """Lets bytes pass at a rate that is asked anew for every one. Thread-safe; fair enough: each
    waits for its own bytes to have been let through."""

    def __init__(self, rate: Callable[[], int | None]) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._ready = 0.0  # when all that was let through will have passed

    def take(self, size: int) -> None:
        """Wait until so many bytes may pass."""
        left = size
        while left > 0:
            rate = self._rate()
            if rate is None:
                return
            step = min(left, max(1, round(rate * _BURST)))
            with self._lock:
                now = time.monotonic()
                self._ready = max(self._ready, now) + step / rate
                until = self._ready
            while (wait := until - time.monotonic()) > 0:
                time.sleep(min(wait, _LONGEST))
            left -= step


class Throttle:
    """The two paces of a process."""

    def __init__(self, rates: Callable[[], Rates]) -> None:
        self.upload = Pace(lambda: rates().upload)
        self.download = Pace(lambda: rates().download)


class ThrottledS3Store(S3Store):
    """A bucket whose bytes are counted against a throttle; lists and heads pass freely."""

    def __init__(self, settings: StoreSettings, throttle: Throttle) -> None:
        super().__init__(settings)
        self._throttle = throttle

    def put(self, key: str, body: bytes, *, if_absent: bool = False) -> None:
        self._throttle.upload.take(len(body))
        super().put(key, body, if_absent=if_absent)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self._throttle.download.take(length or 0)
        body = super().get(key, start, length)
        if length is None:  # only small documents are read whole: counted behind
            self._throttle.download.take(len(body))
        return body

    def begin_upload(self, key: str) -> Upload:
        return _ThrottledUpload(super().begin_upload(key), self._throttle.upload)


class _ThrottledUpload:
    def __init__(self, inner: Upload, pace: Pace) -> None:
        self._inner, self._pace = inner, pace

    def put_part(self, number: int, body: bytes | memoryview, sha256: bytes) -> None:
        self._pace.take(len(body))
        self._inner.put_part(number, body, sha256)

    def complete(self) -> None:
        self._inner.complete()

    def abort(self) -> None:
        self._inner.abort()
