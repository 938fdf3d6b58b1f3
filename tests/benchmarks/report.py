"""What the turns say: medians, ratios of the same run, a table and a JSON document."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tests.benchmarks.contenders import Contender
from tests.benchmarks.tree import Tree

MIB = 1 << 20
Direction = Literal["backup", "restore"]


@dataclass(frozen=True, slots=True)
class Act:
    """One measured backup or restore.

    seconds  wall time of the command; sync is what the disk then still took, not in it
    cpu      seconds of it and its descendants, the store's server left out
    engine   peak PSS of the engine's own Python processes; memory: of all descendants (bytes)
    """

    seconds: float
    sync: float
    cpu: float
    engine: int
    memory: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One contender's turn in one round; `stored` is in bytes."""

    round: int
    contender: str
    backup: Act
    restore: Act
    stored: int


@dataclass(frozen=True, slots=True)
class Promise:
    """A bound the product must keep, and what this run gave."""

    words: str
    bound: float
    value: float
    at_most: bool

    @property
    def kept(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound


@dataclass(frozen=True)
class Result:
    """One run."""

    at: datetime
    tree: Tree
    titles: dict[str, str]
    turns: tuple[Turn, ...]

    @classmethod
    def of(cls, tree: Tree, who: Sequence[Contender], turns: Sequence[Turn]) -> Result:
        titles = {each.name: each.title for each in who}
        return cls(datetime.now(UTC).replace(microsecond=0), tree, titles, tuple(turns))

    def of_contender(self, name: str) -> list[Turn]:
        return [turn for turn in self.turns if turn.contender == name]

    def median(self, name: str, value: Callable[[Turn], float]) -> float:
        return statistics.median(value(turn) for turn in self.of_contender(name))

    def best(self, name: str, value: Callable[[Turn], float]) -> float:
        return min(value(turn) for turn in self.of_contender(name))

    def ratio(self, name: str, to: str, direction: Direction) -> float | None:
        """The median over the rounds of name's seconds divided by `to`'s of the same round; None
        when one of them took no part."""
        own = {turn.round: turn for turn in self.of_contender(name)}
        others = {turn.round: turn for turn in self.of_contender(to)}
        both = own.keys() & others.keys()
        if not both:
            return None
        seconds: Callable[[Turn], float] = lambda turn: getattr(turn, direction).seconds  # noqa: E731
        return statistics.median(seconds(own[n]) / seconds(others[n]) for n in both)

    def promises(self) -> list[Promise]:
        """What the product promises against the others that took part."""
        found = []
        to_pipe = self.ratio("product", "pipe", "backup")
        if to_pipe is not None:
            found.append(Promise("backup, times the bare pipe's seconds", 1.15, to_pipe, True))
        for name, bound in (("shell", 6.0), ("restic", 1.8)):
            slower = self.ratio(name, "product", "backup")
            if slower is not None:
                found.append(Promise(f"backup, times as fast as {name}", bound, slower, False))
        to_pipe = self.ratio("product", "pipe", "restore")
        if to_pipe is not None:
            found.append(Promise("restore, times the bare pipe's seconds", 1.0, to_pipe, True))
        own = self.of_contender("product")
        if own:
            peak = max(max(turn.backup.engine, turn.restore.engine) for turn in own) / MIB
            found.append(Promise("engine's own processes, MiB", 200, peak, True))
        return found


def table(result: Result) -> str:
    """For people, 80 columns."""
    lines = [
        f"{result.tree.bytes / MIB:,.0f} MiB in {result.tree.files:,} files, "
        f"{max(turn.round for turn in result.turns)} rounds in turn, {os.cpu_count()} CPUs; "
        "medians",
        "",
    ]
    for direction in ("backup", "restore"):
        lines += [_head(direction), *_rows(result, direction), ""]
    lines += [f"  {name:8}  {title}" for name, title in result.titles.items()]
    promises = result.promises()
    if promises:
        lines += ["", f"{'promise':44}{'bound':>9}{'here':>8}"]
        for each in promises:
            sign = "<=" if each.at_most else ">="
            word = "kept" if each.kept else "MISSED"
            lines.append(f"  {each.words:42}{sign:>4}{each.bound:>5g}{each.value:>8.2f}  {word}")
    return "\n".join(lines)


def _head(direction: str) -> str:
    return (
        f"{direction:9} {'seconds':>8} {'best':>7} {'MiB/s':>6} {'x pipe':>6} "
        f"{'+sync':>6} {'cpu s':>6} {'engine':>7} {'memory':>7} {'stored':>7}"
    )


def _rows(result: Result, direction: Direction) -> list[str]:
    rows = []
    for name in result.titles:

        def act(turn: Turn) -> Act:
            chosen: Act = getattr(turn, direction)
            return chosen

        seconds = result.median(name, lambda turn: act(turn).seconds)
        to_pipe = result.ratio(name, "pipe", direction)
        own = result.of_contender(name)
        engine = max(act(turn).engine for turn in own) / MIB
        memory = max(act(turn).memory for turn in own) / MIB
        rows.append(
            f"  {name:7} {seconds:8.2f} {result.best(name, lambda t: act(t).seconds):7.2f} "
            f"{result.tree.bytes / MIB / seconds:6.0f} "
            f"{f'{to_pipe:.2f}' if to_pipe else '':>6} "
            f"{result.median(name, lambda t: act(t).sync):6.2f} "
            f"{result.median(name, lambda t: act(t).cpu):6.1f} "
            f"{f'{engine:.0f} M' if engine else '':>7} {f'{memory:.0f} M':>7} "
            f"{result.median(name, lambda t: t.stored) / MIB:5.0f} M"
        )
    return rows


def document(result: Result) -> dict[str, Any]:
    """Everything, for programs; seconds and bytes."""
    names = list(result.titles)
    return {
        "at": result.at.isoformat(),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
        "tree": {"files": result.tree.files, "bytes": result.tree.bytes},
        "contenders": result.titles,
        "ratios": {
            direction: {
                name: {to: result.ratio(name, to, direction) for to in names if to != name}
                for name in names
            }
            for direction in ("backup", "restore")
        },
        "promises": [{**asdict(each), "kept": each.kept} for each in result.promises()],
        "turns": [asdict(turn) for turn in result.turns],
    }


def save(result: Result, directory: Path) -> Path:
    """Write the JSON document under the run's time; returns the file."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{result.at:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(document(result), indent=2) + "\n")
    return file
