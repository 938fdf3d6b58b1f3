"""A stream's consumer that is a function of ours instead of a program."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

from engine.ports import RunningPipeline

_CHUNK = 1 << 20
Reader = Callable[[Iterator[bytes]], None]


class Reading:
    """Runs `reader` over a pipeline's output in a thread of its own. When it fails the pipeline
    is ended, so that whoever writes to it stops."""

    def __init__(self, pipeline: RunningPipeline, reader: Reader) -> None:
        self._pipeline = pipeline
        self._reader = reader
        # Our own descriptor: the pipeline may be killed, and close its one, while we read.
        self._fd = os.dup(pipeline.output)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._reader(self._chunks())
            for _ in self._chunks():
                pass  # what it did not want is still to be proven
        except BaseException as error:  # noqa: BLE001  raised again by finish
            self._error = error
            self._pipeline.interrupt()
        finally:
            os.close(self._fd)

    def _chunks(self) -> Iterator[bytes]:
        while chunk := os.read(self._fd, _CHUNK):
            yield chunk

    def finish(self) -> None:
        """Return when all was read, or raise what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
