"""A stretch of time as one line of cells: what is covered, where snapshots stand, where the
cursor is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from console.glyphs import Glyphs
from engine.api import RecoveryRange

SPANS = tuple(
    timedelta(seconds=s)
    for s in (60, 300, 900, 3600, 3 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400, 30 * 86400)
)
_TICK = 13  # cells a label of the axis takes, at least


@dataclass(frozen=True, slots=True)
class View:
    """What part of time is shown. `span` is one of SPANS."""

    begin: datetime
    span: timedelta
    cursor: datetime

    @property
    def end(self) -> datetime:
        return self.begin + self.span

    def cell_of(self, moment: datetime, cells: int) -> int | None:
        """The cell that a moment falls into; None outside."""
        part = (moment - self.begin) / self.span
        if not 0 <= part <= 1:
            return None
        return min(cells - 1, int(part * cells))

    def step(self, cells: int) -> timedelta:
        """The time of one cell, whole seconds, at least one."""
        return max(
            timedelta(seconds=1), timedelta(seconds=round(self.span.total_seconds() / cells))
        )


def first_view(found: RecoveryRange, now: datetime) -> View:
    """The newest hour that can be had, the cursor at its end."""
    last = found.last or now
    return View(last - SPANS[3] * 0.9, SPANS[3], last)


def around(view: View, cursor: datetime) -> View:
    """The view with the cursor there, moved only when that would leave it."""
    if view.begin <= cursor <= view.end:
        return replace(view, cursor=cursor)
    return replace(view, begin=cursor - view.span * 0.8, cursor=cursor)


def zoomed(view: View, by: int) -> View:
    """A longer (by 1) or shorter (by -1) stretch around the cursor."""
    place = max(0, min(len(SPANS) - 1, SPANS.index(view.span) + by))
    span = SPANS[place]
    part = (view.cursor - view.begin) / view.span
    return View(view.cursor - span * part, span, view.cursor)


def reachable(found: RecoveryRange, moment: datetime) -> bool:
    """Whether logs lead exactly there."""
    return any(i.since <= moment <= i.until for i in found.intervals)


def bar(found: RecoveryRange, view: View, cells: int, glyphs: Glyphs) -> list[tuple[str, str]]:
    """(sign, role) of each cell: covered, not covered, a snapshot."""
    line = []
    for cell in range(cells):
        begin = view.begin + view.span * (cell / cells)
        end = view.begin + view.span * ((cell + 1) / cells)
        covered = any(i.since < end and i.until >= begin for i in found.intervals)
        line.append((glyphs.full, "ok") if covered else (glyphs.empty, "muted"))
    for moment in snapshots(found):
        place = view.cell_of(moment, cells)
        if place is not None:
            line[place] = (glyphs.interrupted, "title")
    return line


def snapshots(found: RecoveryRange) -> Sequence[datetime]:
    """The moments of all snapshots, whether logs lead on from them or not."""
    joined = [s.at for i in found.intervals for s in i.snapshots]
    return sorted([*joined, *(p.at for p in found.points)])


def pointer(view: View, cells: int, glyphs: Glyphs) -> str:
    """The line below the bar, with the cursor's sign."""
    place = view.cell_of(view.cursor, cells)
    return "" if place is None else " " * place + glyphs.warning


def ticks(view: View, cells: int) -> str:
    """Times along the axis, as far apart as they must be to be read."""
    number = max(1, cells // _TICK)
    form = "%H:%M:%S" if view.span <= SPANS[2] else "%H:%M" if view.span <= SPANS[5] else "%m-%d %H"
    line = ""
    for place in range(number):
        at = view.begin + view.span * (place / number)
        line = line.ljust(place * cells // number) + at.astimezone(UTC).strftime(form)
    return line[:cells]
