"""How a worker tells: every event into the journal, and the last one whatever happens."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from engine.core.events import Event, Failed, Result, Warned
from engine.jobs.journal import Journal

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ATTEMPTS = 5


class Teller:
    """An Emit that outlives a full disk: a backup that streams elsewhere must not fail because
    its journal cannot grow. What is lost is counted and said as soon as there is room."""

    def __init__(self, journal: Journal, reserve: Path) -> None:
        self._journal = journal
        self._reserve = reserve
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._lost = 0
        self._why = ""
        self._ended = False

    def hide(self, secrets: Iterable[bytes]) -> None:
        """Cut these out of failures, whose texts come from anywhere."""
        texts = (secret.decode("utf-8", "replace").strip() for secret in secrets)
        self._secrets = tuple(text for text in texts if len(text) >= 4)

    def __call__(self, event: Event) -> None:
        with self._lock:
            if self._ended:
                return
            try:
                if self._lost:
                    self._journal.append(self._loss())
                    self._lost = 0
                self._journal.append(event)
            except OSError as error:
                self._lost += 1
                self._why = error.strerror or str(error)

    def _loss(self) -> Warned:
        return Warned("journal-lost", f"{self._lost} events could not be written here: {self._why}")

    def end(self, event: Result | Failed) -> None:
        """Write the last event; nothing is written after it. The reserve's space serves when the
        disk is full. If all fails it goes to stderr, and the exit code still tells."""
        with self._lock:
            self._ended = True
            if isinstance(event, Failed):
                event = self._hidden(event)
            last: Event = event
            for attempt in range(_ATTEMPTS):
                try:
                    if self._lost:
                        self._journal.append(self._loss())
                        self._lost = 0
                    self._journal.append(last)
                    break
                except OSError as error:
                    self._why = error.strerror or str(error)
                    if attempt == 0 and error.errno in _FULL:
                        self._reserve.unlink(missing_ok=True)
                        continue
                    last = _shortened(event)
                    time.sleep(0.1 * attempt)
                except (ValueError, TypeError, RecursionError) as error:
                    self._why = str(error)
                    last = _shortened(event)
            else:
                with contextlib.suppress(OSError):
                    print(f"the journal cannot be written ({self._why}): {last}", file=sys.stderr)
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            sys.stderr.flush()
            os.fsync(sys.stderr.fileno())

    def _hidden(self, event: Failed) -> Failed:
        texts = [event.message, event.remedy, event.detail]
        for secret in self._secrets:
            texts = [text.replace(secret, "[secret]") for text in texts]
        return replace(event, message=texts[0], remedy=texts[1], detail=texts[2])


def _shortened(event: Result | Failed) -> Event:
    if isinstance(event, Failed):
        return replace(event, detail="")
    return replace(event, facts={})
