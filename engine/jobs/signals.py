"""A worker's signals: SIGTERM and SIGINT cancel once, SIGHUP is nothing to it."""

from __future__ import annotations

import signal
from types import FrameType

from engine.core.errors import Cancelled


class Cancelling:
    """The first SIGTERM or SIGINT raises Cancelled in the main thread; later ones are ignored,
    since the clean-up then runs. After `stop` none raises."""

    def __init__(self) -> None:
        self.asked = False
        self._stopped = False
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)
        # A launcher's thread may have blocked them, and a mask is inherited.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.asked or self._stopped:
            return
        self.asked = True
        raise cancelled()

    def stop(self) -> None:
        self._stopped = True


def cancelled() -> Cancelled:
    return Cancelled(
        "the job was cancelled",
        "What it had begun was cleaned up; start it again when you want it.",
    )
