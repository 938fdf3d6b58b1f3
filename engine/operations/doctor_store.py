"""Doctor's look at an object store: reachable, writable, honest, and on the same clock."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from engine.core.errors import MentatError, ObjectExists, ObjectMissing
from engine.core.findings import Finding, failure
from engine.core.objectives import Level
from engine.ports import Clock, ObjectStore

SKEW_WARNING = timedelta(seconds=60)
SKEW_CRITICAL = timedelta(minutes=10)  # S3 refuses requests that are 15 minutes off


def store(name: str, open_store: Callable[[], ObjectStore], clock: Clock) -> Iterator[Finding]:
    """Write a probe, read it back, prove that it cannot be overwritten by a conditional write,
    compare clocks, and remove it."""
    check = f"store ({name})"
    found = open_store()
    if not found.offsite and name == "repository":
        yield Finding(
            check,
            "warning",
            f"NOTHING IS OFFSITE: {found.name} is on this machine and is lost with it",
            "Give [repository] a provider and a bucket: mentat-dr init --provider ... --bucket ...",
        )
    key = f"probe/doctor-{secrets.token_hex(8)}"
    body = secrets.token_bytes(1024)
    try:
        before = clock()
        found.put(key, body)
        yield from _read_back(check, found, key, body)
        yield from _conditional(check, found, key)
        if found.offsite:
            yield from _skew(check, found, key, before)
    finally:
        found.delete(key)
    yield _deleted(check, found, key)


def _read_back(check: str, found: ObjectStore, key: str, body: bytes) -> Iterator[Finding]:
    if found.get(key) != body or found.size(key) != len(body):
        yield Finding(
            check,
            "critical",
            f"{found.name} gives back other bytes than were written",
            "Do not rely on it. Try `checksums = false` for this store; ask its provider.",
        )
    elif found.get(key, 100, 50) != body[100:150]:
        yield Finding(
            check,
            "critical",
            f"{found.name} does not serve ranges as asked",
            "Restores need ranged reads. Use another endpoint or provider.",
        )
    else:
        yield Finding(check, "ok", f"{found.name} stores and gives back what was written")


def _conditional(check: str, found: ObjectStore, key: str) -> Iterator[Finding]:
    try:
        found.put(key, b"second", if_absent=True)
    except ObjectExists:
        yield Finding(check, "ok", "refuses to overwrite when asked to (conditional writes)")
        return
    yield Finding(
        check,
        "warning",
        f"{found.name} overwrites even when asked not to",
        "Two hosts must not share names here: give every host its own `host`.",
    )


def _skew(check: str, found: ObjectStore, key: str, before: datetime) -> Iterator[Finding]:
    stored = next((item for item in found.list(key) if item.key == key), None)
    if stored is None:
        yield Finding(
            check,
            "critical",
            f"{found.name} does not list an object it has just taken",
            "The inventory comes from listings. Use a store that lists what it holds.",
        )
        return
    off = abs(stored.modified - before)
    words = f"its clock and ours are {off.total_seconds():.0f} s apart"
    if off <= SKEW_WARNING:
        yield Finding(check, "ok", f"same clock within {SKEW_WARNING.total_seconds():.0f} s")
    else:
        level: Level = "critical" if off > SKEW_CRITICAL else "warning"
        yield Finding(
            check, level, words, "Set this host's clock: timedatectl set-ntp true; timedatectl"
        )


def _deleted(check: str, found: ObjectStore, key: str) -> Finding:
    try:
        found.size(key)
    except ObjectMissing:
        return Finding(check, "ok", "deletes what it is told to")
    except MentatError as error:
        return failure(check, error, "warning")
    return Finding(
        check,
        "warning",
        f"{found.name} keeps {key} although it was deleted",
        "Fine with object lock or versioning; else allow DeleteObject to these credentials.",
    )
