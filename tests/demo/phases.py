"""Numbered phases with their facts and times: plain text, 80 columns."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

_WIDTH = 80
_TITLE = 30


@dataclass
class Phase:
    """One phase; what it found out goes into `facts` and stands on its line."""

    title: str
    facts: str = ""
    seconds: float = 0.0


@dataclass
class Phases:
    """Prints each phase as it ends; `done` keeps them all."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    done: list[Phase] = field(default_factory=list)

    @contextmanager
    def phase(self, title: str) -> Iterator[Phase]:
        phase = Phase(title)
        number = len(self.done) + 1
        self._write(f"{number:3}  {title:{_TITLE}}")
        began = time.monotonic()
        try:
            yield phase
        except BaseException:
            self._write("  did not end well\n")
            raise
        phase.seconds = time.monotonic() - began
        self.done.append(phase)
        room = _WIDTH - 5 - _TITLE - 9
        self._write(f" {phase.facts:{room}.{room}}{seconds(phase.seconds):>8}\n")

    def say(self, line: str = "") -> None:
        self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.done)


def seconds(value: float) -> str:
    """`4.2 s`, `1m 07s`."""
    if value < 60:
        return f"{value:.1f} s"
    return f"{int(value) // 60}m {int(value) % 60:02}s"


def size(value: float) -> str:
    """`512 B`, `61.2 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def count(number: int, thing: str) -> str:
    """`1 file`, `5,670 files`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
