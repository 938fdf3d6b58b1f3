"""`python -m tests.benchmarks.run`: the ways to back up, in turn, on one tree and one store."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import contenders, report
from tests.benchmarks.arena import Measured
from tests.benchmarks.contenders import Contender, Surroundings
from tests.benchmarks.report import Act, Turn
from tests.benchmarks.tree import Tree, cached
from tests.lab import Lab
from tests.lab.places import Places

RESULTS = contenders.REPOSITORY / "bench-results"
GIB, MIB = 1 << 30, 1 << 20
SIZES = {"": 1, "KIB": 1 << 10, "MIB": MIB, "GIB": GIB, "TIB": 1 << 40}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: `rounds` turns of each contender, interleaved."""

    tree: Tree
    contenders: Sequence[Contender]
    rounds: int


def main() -> int:
    arguments = _arguments()
    places = Places.of_this_machine()
    places.make()
    size = int(1.5 * GIB) if arguments.size is None else arguments.size
    if arguments.quick:
        size = arguments.size or 300 * MIB
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    print("making the tree ...", file=sys.stderr)
    plan = Plan(cached(places.cache / "bench", size), contenders.named(arguments.only), rounds)
    with Lab.start() as lab:
        turns = run(lab, plan, say=lambda line: print(line, file=sys.stderr, flush=True))
    result = report.Result.of(plan.tree, plan.contenders, turns)
    print(report.table(result))
    saved = report.save(result, arguments.results)
    print(f"\nwritten to {saved}")
    return 0


def run(lab: Lab, plan: Plan, say: Callable[[str], None]) -> list[Turn]:
    """All turns, in the order in which they were taken."""
    home = lab.directory / "gpg"
    key = contenders.new_key(home)
    _warm(plan.tree.path)
    turns = []
    try:
        for number in range(1, plan.rounds + 1):
            for contender in plan.contenders:
                turn = _turn(lab, plan.tree, contender, number, (home, key))
                say(
                    f"round {number}  {contender.name:8} backup {turn.backup.seconds:6.2f} s  "
                    f"restore {turn.restore.seconds:6.2f} s (+{turn.restore.sync:.2f} s to disk)"
                )
                turns.append(turn)
    finally:
        contenders.end_agents(home)
    return turns


def _turn(lab: Lab, tree: Tree, contender: Contender, number: int, key: tuple[Path, str]) -> Turn:
    with _surroundings(lab, tree, key) as around:
        contender.prepare(around)
        backup = _act(lambda: contender.measure_backup(around))
        stored = _stored(lab, around.bucket)
        restore = _act(lambda: contender.measure_restore(around))
        report.require_same(tree, around.target)
    return Turn(number, contender.name, backup, restore, stored)


def _act(measured: Callable[[], Measured]) -> Act:
    """Everything written before is on disk first, and what it wrote is timed after."""
    os.sync()
    cost = measured()
    began = time.monotonic()
    os.sync()
    return Act(cost.seconds, time.monotonic() - began, cost.cpu, cost.engine, cost.memory)


@contextmanager
def _surroundings(lab: Lab, tree: Tree, key: tuple[Path, str]) -> Iterator[Surroundings]:
    """A new bucket and new directories, removed after the turn."""
    work = lab.directory / "bench"
    work.mkdir(mode=0o700)
    bucket = lab.s3.new_bucket("bench")
    client = lab.s3.client()
    try:
        # A new bucket's first write makes its volumes: that is nobody's time.
        client.put_object(Bucket=bucket, Key="first", Body=b"x")
        client.delete_object(Bucket=bucket, Key="first")
        yield Surroundings(
            tree=tree.path,
            work=work,
            target=work / "restored",
            bucket=bucket,
            store=lab.s3,
            gnupg_home=key[0],
            key=key[1],
            restic=str(lab.restic),
        )
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", []):
                client.delete_object(Bucket=bucket, Key=found["Key"])
        client.delete_bucket(Bucket=bucket)
        client.close()
        shutil.rmtree(work)


def _stored(lab: Lab, bucket: str) -> int:
    client = lab.s3.client()
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(found["Size"] for page in pages for found in page.get("Contents", []))
    finally:
        client.close()


def _warm(tree: Path) -> None:
    """Read all of it once, so that nobody is the one who fills the page cache."""
    with subprocess.Popen(["tar", "-C", str(tree), "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        while tar.stdout.read(MIB):
            pass


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
    parser.add_argument("--quick", action="store_true", help="300 MiB, one round")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each (default 3)")
    parser.add_argument("--size", type=parse_size, help="of the tree (default 1.5GiB)")
    everyone = ",".join(each.name for each in contenders.CONTENDERS)
    parser.add_argument("--only", default=everyone, help=f"default: {everyone}")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
