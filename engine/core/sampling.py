"""Which stored things to read to the end today, so that all are read within so many days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

K = TypeVar("K")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Candidate(Generic[K]):
    """Something of `size` bytes, written at `made` and last read to its end at `proven`. What is
    the newest of its source is read every time."""

    key: K
    size: int
    made: datetime
    proven: datetime | None = None
    newest: bool = False

    @property
    def unproven_since(self) -> datetime:
        return self.proven or self.made


@dataclass(frozen=True, slots=True)
class Picked(Generic[K]):
    key: K
    reason: str


def pick(
    candidates: Sequence[Candidate[K]],
    *,
    cover: timedelta,
    now: datetime,
    last_run: datetime | None,
    every: timedelta = _DAY,
) -> list[Picked[K]]:
    """What to read now, in the order of the candidates.

    Run at least once per `every`, everything is read at least once per `cover` (or within
    `cover` of being written): whatever would be overdue by the next run is picked. Beyond that
    the ones unread for longest are picked until the share of the time since the last run is used
    up (bytes x elapsed / cover), so that the days are alike.
    """
    reasons: dict[int, str] = {}
    for index, candidate in enumerate(candidates):
        if candidate.newest:
            reasons[index] = "the newest of its source"
        elif now + every - candidate.unproven_since >= cover:
            reasons[index] = "due"
    elapsed = every if last_run is None else min(cover, max(timedelta(0), now - last_run))
    share = sum(c.size for c in candidates) * (elapsed / cover) if cover else float("inf")
    used = sum(candidates[index].size for index, why in reasons.items() if why == "due")
    waiting = [index for index in range(len(candidates)) if index not in reasons]
    for index in sorted(waiting, key=lambda i: (candidates[i].unproven_since, i)):
        if used >= share:
            break
        reasons[index] = "its turn"
        used += candidates[index].size
    return [Picked(candidates[index].key, reasons[index]) for index in sorted(reasons)]
