"""Getting a restore onto the disk while it is still being unpacked."""

from __future__ import annotations

import threading
from collections.abc import Callable

_EVERY = 2.0  # seconds; left to itself the kernel begins when data is half a minute old


class WriteOut:
    """Calls `sync` again and again while the block runs, so that little is left for the last
    call, which `last` begins and `finish` waits for.

    The kernel tells a failed write to one sync only: whichever saw it, `finish` raises it.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._error: Exception | None = None
        self._last = threading.Event()
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="write-out", daemon=True)

    def _run(self) -> None:
        try:
            while not self._last.wait(_EVERY):
                self._sync()
            if not self._abandoned:
                self._sync()
        except Exception as error:  # noqa: BLE001  raised again by finish
            self._error = error

    def last(self) -> None:
        """Nothing more will be written: begin the last sync, and go on."""
        self._last.set()

    def finish(self) -> None:
        """Return when all of it is on the disk, or raise what kept it from getting there."""
        self.last()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> WriteOut:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._abandoned = kind is not None
        self._last.set()
        self._thread.join()
