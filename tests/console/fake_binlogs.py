"""Shipped logs that answer from memory: an hour that is covered, a gap, and two statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.api import Mark, RecoveryRange, SnapshotId, Until
from engine.api.binlogs import Binlogs
from engine.core.recovery_range import Gap, Interval
from tests.console.fake_facts import HOSTILE, NOW

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def found() -> RecoveryRange:
    """From two hours ago to twelve seconds ago, with six minutes missing."""
    first = SnapshotId("landsraad", "shop-db", NOW - minutes(125), "logical", "00000001")
    second = SnapshotId("landsraad", "shop-db", NOW - minutes(40), "logical", "00000002")
    gap = Gap(NOW - minutes(46), NOW - minutes(40), "the log was broken: purged before shipped")
    return RecoveryRange(
        "landsraad",
        "shop-db",
        (
            Interval(NOW - minutes(124), gap.since, "6b024ca0", UUID, (first,)),
            Interval(gap.until, NOW - timedelta(seconds=12), "6b034ca0", UUID, (second,)),
        ),
        (gap,),
        (),
        NOW - timedelta(seconds=12),
        3_100_000_000,
    )


class FakeBinlogs(Binlogs):
    """Set `told` to change what it says; `asked` are the questions."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.hostile = False

    def range(self, source: str, host: str = "") -> RecoveryRange:
        return found()

    def marks(
        self, source: str, since: datetime, until: datetime, host: str = ""
    ) -> Sequence[Mark]:
        self.asked.append((source, host))
        words = HOSTILE if self.hostile else "DROP TABLE shop.orders"
        return [
            Mark(
                NOW - minutes(30), 4_000, f"{UUID}:88001", "ALTER TABLE shop.stock", 0, "f.000007"
            ),
            Mark(NOW - minutes(22), 88_124, f"{UUID}:88124", words, 1_200, "f.000007"),
            Mark(NOW - minutes(20), 99_000, "", "TRUNCATE TABLE shop.items", 0, "f.000008"),
        ]


__all__ = ["UUID", "FakeBinlogs", "Until", "found"]
