"""Metrics, notices and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol


class Metrics(Protocol):
    def publish(self, values: Mapping[str, float], labels: Mapping[str, str]) -> None: ...


class Notifier(Protocol):
    def notify(self, title: str, body: str, level: str) -> None: ...


Clock = Callable[[], datetime]
