"""Which snapshot an incremental builds on, or why a full one is made. When in doubt, a full one.

The first incremental of a day (UTC) builds on the full one, later ones each on the one before:
so chains stay below a day's length, and a lost or pruned link costs a day at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.chains import Links
from engine.core.durations import format_duration
from engine.core.snapshot import SnapshotEntry

STEP = timedelta(seconds=60)  # of a clock, that goes unnoticed: less than tar looks back
EARLY = timedelta(minutes=30)  # so that a weekly full one is not a day late by a few seconds


@dataclass(frozen=True, slots=True)
class Footing:
    """What must be the same at both packs for the later one to see all that changed between.

    what     of the source: where it is, its paths and exclusions
    boot     the kernel's boot
    ahead    seconds of the clock over the time since boot: what a step of the clock changes
    """

    what: str
    boot: str
    ahead: float


@dataclass(frozen=True, slots=True)
class Known:
    """A snapshot whose pack this host remembers. `full` is the ref its chain begins with;
    `artifacts` the stored size of each object of its whole chain, by key; `snapshot_file` the
    SHA-256 of tar's snapshot file."""

    ref: str
    at: datetime
    full: str
    artifacts: Mapping[str, int]
    snapshot_file: str
    footing: Footing


@dataclass(frozen=True, slots=True)
class Choice:
    """The base, or None for a full snapshot, and why."""

    base: Known | None
    reason: str


def choose(
    known: Sequence[Known],
    rows: Sequence[SnapshotEntry],
    stored: Mapping[str, int],
    footing: Footing,
    full_every: timedelta,
    now: datetime,
) -> Choice:
    """`known` are the last full pack and the last pack, as far as this host has both their
    records and their snapshot files; `rows` the source's snapshots in the store, `stored` the size
    of each of its objects there."""
    full = next((k for k in known if k.ref == k.full), None)
    if full is None:
        return Choice(None, "no earlier full one is known on this host")
    if now - full.at >= full_every - min(EARLY, full_every / 20):
        return Choice(None, f"the last full one is {format_duration(now - full.at)} old")
    doubt = _doubt(full, rows, stored, footing, now)
    if doubt:
        return Choice(None, doubt)
    last = next((k for k in known if k.ref != k.full and k.full == full.ref), None)
    today = last is not None and last.at.date() == now.date()
    if last is not None and today and not _doubt(last, rows, stored, footing, now):
        return Choice(last, f"on {last.ref}, the one before")
    return Choice(full, f"on {full.ref}, the last full one")


def _doubt(
    known: Known,
    rows: Sequence[SnapshotEntry],
    stored: Mapping[str, int],
    footing: Footing,
    now: datetime,
) -> str:
    """Why an incremental on this one might not hold all that changed; empty when it will."""
    if now < known.at:
        return f"the clock is before {known.ref}"
    if footing.what != known.footing.what:
        return "the source is defined differently now"
    if footing.boot != known.footing.boot:
        return f"this host was started since {known.ref}: its clock may have been wrong"
    if abs(footing.ahead - known.footing.ahead) > STEP.total_seconds():
        return f"the clock was set since {known.ref}"
    row = next((r for r in rows if r.id.ref == known.ref), None)
    if row is None or not row.committed:
        return f"{known.ref} is not in the store any more"
    if not Links(rows).whole(row.id):
        return f"{known.ref} lacks what it builds on"
    torn = [key for key, size in known.artifacts.items() if stored.get(key) != size]
    return f"the store has not all of {torn[0]}" if torn else ""
