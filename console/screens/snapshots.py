"""The columns of a list of snapshots: the inventory's, and the wizard's for one source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from console.formatting import brief_age, size, utc
from console.ink import Ink
from console.widgets.columns import Cell, Column
from engine.api import SnapshotEntry

Entries = Column[SnapshotEntry]


def snapshot_columns(ink: Ink, now: Callable[[], datetime], *, source: bool) -> list[Entries]:
    """With `source`, also whose they are."""
    names = _names() if source else []
    return [*_times(now), *names, *_sizes(), *_trust(ink, now)]


def _times(now: Callable[[], datetime]) -> list[Entries]:
    return [
        Entries(
            "at",
            "TIME",
            lambda e: Cell(utc(e.id.at)),
            23,
            sort=lambda e: e.id.at.timestamp(),
            descending=True,
        ),
        Entries("age", "AGE", lambda e: Cell(brief_age(e.id.at, now()), "muted"), 10, drop=3),
    ]


def _names() -> list[Entries]:
    return [
        Entries(
            "source",
            "SOURCE",
            lambda e: Cell(e.id.source, "strong"),
            12,
            28,
            sort=lambda e: e.id.source,
        ),
        Entries(
            "host",
            "HOST",
            lambda e: Cell(e.id.host, "muted"),
            9,
            20,
            drop=2,
            sort=lambda e: e.id.host,
        ),
    ]


def _sizes() -> list[Entries]:
    return [
        Entries(
            "method",
            "METHOD",
            lambda e: Cell(e.id.method, "muted"),
            7,
            11,
            drop=4,
            sort=lambda e: e.id.method,
        ),
        Entries(
            "stored",
            "STORED",
            lambda e: Cell(size(e.stored_bytes)),
            8,
            align="right",
            drop=1,
            sort=lambda e: e.stored_bytes,
            descending=True,
        ),
    ]


def _trust(ink: Ink, now: Callable[[], datetime]) -> list[Entries]:
    def proven(entry: SnapshotEntry) -> Cell:
        if entry.proven_at is None:
            return Cell(f"{ink.glyphs.unverified} unverified", "warning")
        return Cell(f"{ink.glyphs.done} {brief_age(entry.proven_at, now())}", "ok")

    def signed(entry: SnapshotEntry) -> Cell:
        return Cell("yes", "muted") if entry.signed else Cell("NO", "critical")

    return [
        Entries(
            "proven",
            "PROVEN",
            proven,
            12,
            16,
            sort=lambda e: e.proven_at.timestamp() if e.proven_at else 0.0,
            descending=True,
        ),
        Entries("signed", "SIGNED", signed, 6, drop=5),
    ]
