"""`python -m tests.benchmarks.run`: the ways to back up, in turn, on one tree and one store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import contenders, report, stream, turn
from tests.benchmarks.contenders import Contender
from tests.benchmarks.report import Result, Turn
from tests.benchmarks.tree import Tree, cached
from tests.lab import Lab, LabError
from tests.lab.places import Places

RESULTS = contenders.REPOSITORY / "bench-results"
MIB = 1 << 20
SIZES = {"": 1, "KIB": 1 << 10, "MIB": MIB, "GIB": 1 << 30, "TIB": 1 << 40}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: `rounds` turns of each contender, interleaved."""

    tree: Tree
    contenders: Sequence[Contender]
    rounds: int


def main() -> int:
    """Measure and print. 0 when every promise is kept (or --report was given), else 1."""
    arguments = _arguments()
    say: Say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    try:
        result = _measure(arguments, say)
    except LabError as error:
        say(f"bench: {error}")
        return 2
    print(report.table(result))
    print(f"\nwritten to {report.save(result, arguments.results)}")
    missed = [promise for promise in result.promises() if not promise.kept]
    return 1 if missed and not arguments.report else 0


def _measure(arguments: argparse.Namespace, say: Say) -> Result:
    if arguments.stream:
        with Lab.start() as lab:
            say(f"one stream of {arguments.stream / MIB:,.0f} MiB ...")
            return stream.run(lab, contenders.PRODUCT, arguments.stream, say)
    size = arguments.size or (300 * MIB if arguments.quick else 1536 * MIB)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    places = Places.of_this_machine()
    places.make()
    say(f"the tree: {size / MIB:,.0f} MiB ...")
    plan = Plan(cached(places.cache / "bench", size), contenders.named(arguments.only), rounds)
    with Lab.start() as lab:
        return Result.of(plan.tree, plan.contenders, run(lab, plan, say))


def run(lab: Lab, plan: Plan, say: Say) -> list[Turn]:
    """All turns, in the order in which they were taken."""
    turns = []
    with turn.new_key(lab) as key:
        for number in range(1, plan.rounds + 1):
            for contender in plan.contenders:
                taken = turn.take(lab, plan.tree, contender, number, key)
                say(
                    f"round {number}  {contender.name:8} backup {taken.backup.seconds:6.2f} s  "
                    f"restore {taken.restore.seconds:6.2f} s"
                )
                turns.append(taken)
    return turns


def parse_size(text: str) -> int:
    """`300MiB`, `1.5GiB`, bytes without a unit."""
    number = text.rstrip("KMGTiBkmgtb")
    unit = text[len(number) :].strip().upper()
    try:
        return int(float(number) * SIZES[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"not a size: {text}") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    everyone = ",".join(each.name for each in contenders.CONTENDERS)
    parser.add_argument("--quick", action="store_true", help="300 MiB, one round")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each (default 3)")
    parser.add_argument("--size", type=parse_size, help="of the tree (default 1.5GiB)")
    parser.add_argument("--only", default=everyone, help=f"default: {everyone}")
    parser.add_argument("--stream", type=parse_size, help="one file of this size, product only")
    parser.add_argument("--report", action="store_true", help="a missed promise is no failure")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
