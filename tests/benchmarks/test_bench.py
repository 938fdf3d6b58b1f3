"""The harness works, on a few MiB: every contender brings the tree back, memory and CPU are seen,
ratios come from turns of one round. How fast anything is, is not asserted."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import contenders, report, run, stream, tree, turn
from tests.benchmarks.arena import RunFailed, measure
from tests.benchmarks.contenders import CONTENDERS, PIPE, PRODUCT, RESTIC, SHELL
from tests.benchmarks.report import Act, Result, Turn
from tests.lab import Lab

MIB = 1 << 20


@pytest.mark.lab
@pytest.mark.xdist_group("bench")
class TestRun:
    @pytest.fixture(scope="class")
    def result(self, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Result:
        made = tree.make(tmp_path_factory.mktemp("bench") / "tree", 4 * MIB)
        plan = run.Plan(made, CONTENDERS, 1)
        return Result.of(made, CONTENDERS, run.run(lab, plan, print))

    def test_each_takes_its_turn(self, result: Result) -> None:
        assert [taken.contender for taken in result.turns] == [each.name for each in CONTENDERS]
        for taken in result.turns:
            for act in (taken.backup, taken.restore):
                assert act.seconds > 0 and act.cpu > 0 and act.memory > MIB
            assert MIB < taken.stored < 5 * MIB

    def test_only_the_product_has_engine_processes(self, result: Result) -> None:
        seen = {taken.contender for taken in result.turns if taken.backup.engine}
        assert seen == {"product"}
        (product,) = result.of_contender("product")
        assert 10 * MIB < product.backup.engine <= product.backup.memory

    def test_all_is_told(self, result: Result, tmp_path: Path) -> None:
        lines = report.table(result).splitlines()
        assert all(len(line) <= 80 for line in lines)
        for each in CONTENDERS:
            assert sum(line.lstrip().startswith(each.name) for line in lines) == 3
        document = json.loads(report.save(result, tmp_path).read_text())
        assert len(document["turns"]) == len(CONTENDERS)
        assert {each["words"] for each in document["promises"]} == {
            each.words for each in result.promises()
        }
        backup = {each["contender"]: each["backup"]["seconds"] for each in document["turns"]}
        told = document["ratios"]["backup"]["product"]["pipe"]
        assert told == pytest.approx(backup["product"] / backup["pipe"])

    def test_one_stream(self, lab: Lab) -> None:
        result = stream.run(lab, PRODUCT, 3 * MIB, print)
        assert result.turns[0].stored > 3 * MIB
        assert [promise.words for promise in result.promises()] == ["engine's own processes, MiB"]

    def test_a_restore_of_something_else_is_refused(self, tmp_path: Path) -> None:
        made = tree.make(tmp_path / "tree", MIB)
        turn.require_same(made, made.path)
        next(made.path.rglob("*.json")).unlink()
        with pytest.raises(ValueError, match="the tree has"):
            turn.require_same(made, made.path)


class TestArena:
    def test_detached_children_count(self, tmp_path: Path) -> None:
        """A job runs in a session of its own; its cost is the command's."""
        busy = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.4: pass"
        script = f"setsid {sys.executable} -c '{busy}' & sleep 0.05"
        found = measure(["sh", "-c", script], dict(os.environ), tmp_path)
        assert found.cpu > 0.4

    def test_a_failure_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(RunFailed, match="no such luck"):
            measure(["sh", "-c", "echo no such luck; exit 3"], dict(os.environ), tmp_path)


class TestRatios:
    """Each ratio compares turns of one round, so a machine that slows down does not tell."""

    def turns(self, number: int, pace: float) -> list[Turn]:
        seconds = {SHELL.name: 70.0, PIPE.name: 9.0, RESTIC.name: 19.0, PRODUCT.name: 10.0}
        return [
            Turn(number, name, self.act(took * pace), self.act(took * pace / 2), 5)
            for name, took in seconds.items()
        ]

    def act(self, seconds: float) -> Act:
        return Act(seconds, 0.0, seconds, 150 * MIB, 180 * MIB)

    def result(self, *paces: float) -> Result:
        turns = [each for number, pace in enumerate(paces) for each in self.turns(number, pace)]
        return Result.of(tree.Tree(Path("/t"), 1, MIB), CONTENDERS, turns)

    def test_pace_of_the_machine_cancels_out(self) -> None:
        result = self.result(1, 5, 2)
        assert result.ratio("product", "pipe", "backup") == pytest.approx(10 / 9)
        assert result.ratio("shell", "product", "backup") == pytest.approx(7)

    def test_promises(self) -> None:
        result = self.result(1)
        assert {each.words: each.kept for each in result.promises()} == {
            "backup, times the bare pipe's seconds": True,
            "backup, times as fast as shell": True,
            "backup, times as fast as restic": True,
            "restore, times the bare pipe's seconds": False,
            "engine's own processes, MiB": True,
        }

    def test_too_much_memory_breaks_a_promise(self) -> None:
        result = self.result(1)
        last = result.turns[-1]
        fat = replace(last, restore=replace(last.restore, engine=201 * MIB))
        turns = (*result.turns[:-1], fat)
        missed = [each.words for each in replace(result, turns=turns).promises() if not each.kept]
        assert "engine's own processes, MiB" in missed

    def test_who_took_no_part_is_not_compared(self) -> None:
        result = self.result(1)
        own = tuple(each for each in result.turns if each.contender == "product")
        alone = replace(result, turns=own)
        assert alone.ratio("product", "pipe", "backup") is None
        assert [each.words for each in alone.promises()] == ["engine's own processes, MiB"]


class TestTree:
    def test_the_same_seed_makes_the_same_tree(self, tmp_path: Path) -> None:
        one, two = (tree.make(tmp_path / name, MIB) for name in ("one", "two"))
        assert (one.files, one.bytes) == (two.files, two.bytes)
        for path in one.path.rglob("*"):
            other = two.path / path.relative_to(one.path)
            assert path.is_dir() or path.read_bytes() == other.read_bytes()

    def test_as_many_files_as_asked_for(self, tmp_path: Path) -> None:
        made = tree.make(tmp_path / "tree", 8 * MIB)
        assert made.files == pytest.approx(58_000 / 192, rel=0.05)
        assert made.bytes == pytest.approx(8 * MIB, rel=0.25)

    @pytest.mark.parametrize(
        ("text", "size"), [("300MiB", 300 * MIB), ("1.5GiB", 1536 * MIB), ("7", 7)]
    )
    def test_sizes(self, text: str, size: int) -> None:
        assert run.parse_size(text) == size

    def test_unknown_contender(self) -> None:
        with pytest.raises(SystemExit, match="no contender bare"):
            contenders.named("pipe,bare")
