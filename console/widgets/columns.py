"""Columns of a table, and which of them fit into how many cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from console.widgets.rows import SortKey

T = TypeVar("T")
GAP = 2


class Cell(NamedTuple):
    """What stands in one place: text as it came from outside, and its role."""

    text: str
    role: str = ""


@dataclass(frozen=True)
class Column(Generic[T]):
    """width is the least, most the greatest (0: the same). A narrow terminal leaves out the
    columns with the highest `drop` first; 0 is never left out."""

    key: str
    title: str
    cell: Callable[[T], Cell]
    width: int
    most: int = 0
    align: Literal["left", "right"] = "left"
    drop: int = 0
    sort: Callable[[T], SortKey] | None = None
    descending: bool = False  # which way the first sort goes


def lay_out(columns: Sequence[Column[T]], room: int) -> list[tuple[Column[T], int]]:
    """The columns that fit into `room` cells, with their widths, in order."""
    shown = list(columns)
    while len(shown) > 1 and _least(shown) > room:
        victims = [c for c in shown if c.drop]
        if not victims:
            break
        shown.remove(max(victims, key=lambda c: c.drop))
    spare = max(0, room - _least(shown))
    widths = [c.width for c in shown]
    while spare:
        growing = [i for i, c in enumerate(shown) if widths[i] < c.most]
        if not growing:
            break
        for i in growing[:spare]:
            widths[i] += 1
        spare -= min(spare, len(growing))
    return list(zip(shown, widths, strict=True))


def _least(columns: Sequence[Column[T]]) -> int:
    return sum(c.width for c in columns) + GAP * (len(columns) - 1)
