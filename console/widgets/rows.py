"""The order in which a table shows its rows: filtered and sorted in slices, so that 100,000 rows
never hold up the keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
V = TypeVar("V")
SortKey = float | str
SLICE = 4_000  # rows worked on before other events get their turn: some 5 ms


class Rows(Generic[T]):
    """Rows with their search texts and sort keys, both made once and kept."""

    def __init__(self, rows: Sequence[T], search: Callable[[T], str]) -> None:
        self.rows = rows
        self._search = search
        self._texts: list[str] = []
        self._keys: dict[str, list[SortKey]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def now(
        self, wanted: str, by: str, key: Callable[[T], SortKey] | None, reverse: bool
    ) -> list[int]:
        """The order at once; for few rows."""
        steps = self._steps(wanted, by, key, reverse)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return list(stop.value)

    async def order(
        self, wanted: str, by: str, key: Callable[[T], SortKey] | None, reverse: bool
    ) -> list[int]:
        """The same, with pauses for the event loop."""
        steps = self._steps(wanted, by, key, reverse)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return list(stop.value)
            await asyncio.sleep(0)

    def _steps(
        self, wanted: str, by: str, key: Callable[[T], SortKey] | None, reverse: bool
    ) -> Generator[None, None, list[int]]:
        terms = wanted.lower().split()
        if terms:
            yield from self._fill(self._texts, lambda row: self._search(row).lower())
        chosen: list[int] = []
        for start in range(0, len(self.rows), SLICE):
            chosen += self._match(terms, range(start, min(start + SLICE, len(self.rows))))
            if terms:
                yield
        if key is None:
            return chosen[::-1] if reverse else chosen
        keys = self._keys.setdefault(by, [])
        yield from self._fill(keys, key)
        ordered: list[int] = []
        for start in range(0, len(chosen), SLICE):
            ordered += sorted(chosen[start : start + SLICE], key=keys.__getitem__, reverse=reverse)
            yield
        # Sorted runs: Timsort only merges them, a fraction of a full sort.
        ordered.sort(key=keys.__getitem__, reverse=reverse)
        return ordered

    def _match(self, terms: list[str], slice_: range) -> Sequence[int]:
        if not terms:
            return slice_
        texts = self._texts
        if len(terms) == 1:
            only = terms[0]
            return [i for i in slice_ if only in texts[i]]
        return [i for i in slice_ if all(term in texts[i] for term in terms)]

    def _fill(self, made: list[V], make: Callable[[T], V]) -> Iterator[None]:
        while len(made) < len(self.rows):
            made.extend(make(row) for row in self.rows[len(made) : len(made) + SLICE])
            yield
