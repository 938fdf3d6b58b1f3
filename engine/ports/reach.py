"""Asking a service from outside: by URL, by TCP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL answered. body: the first 64 KiB."""

    status: int
    body: bytes


class Reach(Protocol):
    def fetch(self, url: str, timeout: float) -> Fetched:
        """GET, redirects followed. MentatError, in words a person understands."""

    def connect(self, host: str, port: int, timeout: float) -> None:
        """Open and close a connection. MentatError."""
