"""Phases with progress: one event a second, also when nothing moves."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from engine.core.events import Emit, PhaseEnded, PhaseStarted, Progress

_EVERY = 1.0
_WINDOW = 10  # samples the rate is taken over


class Phase:
    """A phase as a context manager. `watch` gives it a counter to report once a second.

    The rate is over the last ten seconds, so a stall shows; the ETA follows from it.
    """

    def __init__(
        self, emit: Emit, name: str, title: str, source: str = "", expected: int | None = None
    ) -> None:
        self._emit = emit
        self.name = name
        self.expected = expected
        self._count: Callable[[], int] = lambda: 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._started = time.monotonic()
        self.seconds = 0.0
        emit(PhaseStarted(name, title, source, expected))

    def watch(self, count: Callable[[], int]) -> None:
        """Report count() once a second from now on."""
        self._count = count
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        samples: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=_WINDOW)
        while not self._stop.wait(_EVERY):
            now, done = time.monotonic(), self._count()
            then, before = samples[0]
            rate = max(0.0, (done - before) / (now - then)) if now > then else 0.0
            samples.append((now, done))
            left = max(0, self.expected - done) if self.expected else None
            eta = left / rate if left is not None and rate > 0 else None
            self._emit(Progress(self.name, done, self.expected, rate, eta))

    def __enter__(self) -> Phase:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.seconds = time.monotonic() - self._started
        if kind is None:
            self._emit(PhaseEnded(self.name, self.seconds, self._count()))
