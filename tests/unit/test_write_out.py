"""WriteOut: the last sync comes after the last write, and no sync's failure is lost."""

from __future__ import annotations

import threading

import pytest

from engine.core.errors import NoSpace
from engine.operations import write_out
from engine.operations.write_out import WriteOut


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_out, "_EVERY", 0.01)


def test_syncs_while_the_block_runs_and_once_more_after() -> None:
    written: list[int] = []
    durable: list[int] = []
    twice = threading.Event()

    def sync() -> None:
        durable.append(len(written))
        if len(durable) == 2:
            twice.set()

    with WriteOut(sync) as out:
        assert twice.wait(10)
        written.append(1)
        out.last()
        out.finish()
        assert durable[-1] == 1


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_whichever_sync_failed_is_raised(failing: int) -> None:
    calls: list[int] = []
    enough = threading.Event()

    def sync() -> None:
        calls.append(1)
        if len(calls) == failing:
            enough.set()
            raise NoSpace("the disk is full", "Free space.")
        if len(calls) == 2:
            enough.set()

    with WriteOut(sync) as out:
        assert enough.wait(10)
        with pytest.raises(NoSpace):
            out.finish()


def test_a_failed_block_is_not_synced_for() -> None:
    calls: list[int] = []
    with pytest.raises(ZeroDivisionError), WriteOut(lambda: calls.append(1)):
        before = len(calls)
        raise ZeroDivisionError
    assert len(calls) <= before + 1
    assert not [each for each in threading.enumerate() if each.name == "write-out"]
