"""Health checks and people, as the configuration names them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

HealthKind = Literal["url", "tcp", "command", "container", "sql"]
HEALTH_KINDS: tuple[HealthKind, ...] = ("url", "tcp", "command", "container", "sql")


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One question about the service, asked from this host.

    url        `target` is fetched; the status must be `status` (0: 200 to 399) and the first
               64 KiB of the answer must hold `expect`
    tcp        `target` is `host:port`; connecting is the answer
    command    `argv` must end with 0 and print `expect`
    container  `target` must run, and be healthy where it has a health check of its own
    sql        one statement against the database source `source`; its first value must be
               `expect`, or anything but nothing, 0 and NULL where that is empty
    """

    name: str
    kind: HealthKind
    target: str = ""
    argv: tuple[str, ...] = ()
    source: str = ""
    sql: str = ""
    expect: str = ""
    status: int = 0
    timeout: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Health:
    """The answer to one check. `said` is one line; seconds is how long it took."""

    check: HealthCheck
    ok: bool
    said: str
    seconds: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to call. `order` is the escalation: 1 is called first; after `wait`, the next."""

    name: str
    role: str
    reach: tuple[str, ...]
    order: int = 1
    wait: timedelta | None = None
    note: str = ""
