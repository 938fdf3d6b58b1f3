"""The suite's shared fixtures: the lab (one for all workers) and the long form of tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import Lab, runs
from tests.lab.places import Places
from tests.lab.processes import Process, from_record

RUN = pytest.StashKey[tuple[str, Process]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--full``: the long forms too."""
    parser.addoption(
        "--full", action="store_true", help="also run tests marked full, and larger counts"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the lab's run, which ends with this process; workers are told the controller's.

    A suite started by nohup, or in the background of a script, ignores what a terminal sends, and
    so would every program it starts: the tests of Ctrl-C and of a hang-up would wait for ever."""
    for number, default in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)
    told = getattr(config, "workerinput", None)
    if told is None:
        config.stash[RUN] = (runs.new_id(), Process.current("pytest"))
    else:
        config.stash[RUN] = (told["lab_run"], from_record(told["lab_owner"]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which run to join."""
    run_id, owner = node.config.stash[RUN]
    node.workerinput["lab_run"] = run_id
    node.workerinput["lab_owner"] = dict(vars(owner))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the lab when all workers are done; if we are killed instead, its keeper does."""
    if RUN in config.stash and not hasattr(config, "workerinput"):
        runs.close(runs.Run(Places.of_this_machine(), config.stash[RUN][0]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests marked full unless they are asked for."""
    if config.getoption("--full"):
        return
    long_ones = [item for item in items if item.get_closest_marker("full")]
    if long_ones:
        config.hook.pytest_deselected(items=long_ones)
        items[:] = [item for item in items if not item.get_closest_marker("full")]


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """True when the long form was asked for: use larger counts."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The run's lab; its parts start when first used, and stop after the last test."""
    run_id, owner = request.config.stash[RUN]
    yield Lab.start(run_id=run_id, owner=owner)
