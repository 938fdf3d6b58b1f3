"""What monitoring remembers between runs: small files below <state>/monitoring, mode 0600.

Losing them loses no backup: runs are read from journals again, failures are told once more.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.core.alerting_notices import Told
from engine.core.job import Job
from engine.core.metrics_keys import KeysKnown
from engine.core.metrics_runs import History, Run, remember
from engine.operations import durable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LastPublish:
    """How the last publication went. problems: one line each, empty when all went well."""

    at: datetime
    samples: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notified:
    """Who was told what, and which notifiers failed when they were last used."""

    told: dict[str, Told] = field(default_factory=dict)
    at: datetime | None = None
    problems: tuple[str, ...] = ()


class Memory:
    """The files of one state directory. Writing raises OSError; reading never does."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "monitoring"

    @contextmanager
    def held(self) -> Iterator[None]:
        """One process at a time changes what is remembered. OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def learn(self, jobs: Iterable[Job]) -> History:
        """The history with the runs of these jobs, kept. OSError."""
        with self.held():
            history = remember(self.history(), jobs)
            self._save("history.json", history)
        return history

    def history(self) -> History:
        return self._load("history.json", dict[str, tuple[Run, ...]], {})

    def published(self) -> LastPublish | None:
        return self._load("publish.json", LastPublish | None, None)  # type: ignore[arg-type]

    def keep_published(self, last: LastPublish) -> None:
        self._save("publish.json", last)

    def notified(self) -> Notified:
        return self._load("notices.json", Notified, Notified())

    def keep_notified(self, notified: Notified) -> None:
        self._save("notices.json", notified)

    def keys(self) -> KeysKnown:
        return self._load("keys.json", KeysKnown, KeysKnown())

    def keep_keys(self, known: KeysKnown) -> None:
        self._save("keys.json", known)

    def credentials(self) -> dict[str, datetime]:
        """When each credential was first seen, by its fingerprint."""
        return self._load("credentials.json", dict[str, datetime], {})

    def keep_credentials(self, seen: dict[str, datetime]) -> None:
        self._save("credentials.json", seen)

    def _load(self, name: str, kind: type[T], default: T) -> T:
        try:
            return msgspec.json.decode((self._folder / name).read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError):
            return default

    def _save(self, name: str, value: object) -> None:
        durable.write(self._folder / name, msgspec.json.encode(value))
