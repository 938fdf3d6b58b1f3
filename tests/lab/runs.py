"""Runs of the lab: each has a directory, an owner whose life bounds it, and a keeper."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab import processes
from tests.lab.engine import Engine
from tests.lab.errors import NotReady
from tests.lab.locks import held, read_json, write_json
from tests.lab.places import Places
from tests.lab.processes import Process

REPOSITORY = Path(__file__).resolve().parents[2]
CLOSING = ".closing-"


@dataclass(frozen=True)
class Run:
    """The files of one run. A run is open exactly as long as ``directory`` exists."""

    places: Places
    id: str

    @property
    def directory(self) -> Path:
        """Everything of the run."""
        return self.places.runs / self.id

    @property
    def registry(self) -> Path:
        """The servers it started, one file each."""
        return self.directory / "processes"

    @property
    def parts(self) -> Path:
        """What those servers offer, one file for each part that is ready."""
        return self.directory / "parts"

    def owner(self) -> Process | None:
        """The process that the run ends with; None for one that lasts until it is closed."""
        return _process_in(self.directory / "owner.json")

    def keeper(self) -> Process | None:
        """The process that closes the run when its owner is gone."""
        return _process_in(self.directory / "keeper.json")

    def live(self) -> bool:
        """True while somebody will close it."""
        return any(each is not None and each.alive for each in (self.owner(), self.keeper()))


def new_id() -> str:
    """An id that no other run has."""
    return secrets.token_hex(4)


def all_runs(places: Places) -> list[Run]:
    """The runs that have a directory, open or half closed."""
    if not places.runs.exists():
        return []
    names = sorted(path.name.removeprefix(CLOSING) for path in places.runs.iterdir())
    return [Run(places, name) for name in dict.fromkeys(names)]


def join(places: Places, run_id: str, owner: Process | None) -> Run:
    """The run ``run_id``: opened by the first who asks, found by the others.

    Opening first closes every run that a crash left without owner and keeper.
    """
    places.make()
    run = Run(places, run_id)
    with held(places.runtime / "runs.lock"):
        if not run.directory.exists():
            close_abandoned(places)
            _open(run, owner)
    return run


def close_abandoned(places: Places) -> list[str]:
    """Close the runs that nobody else will; returns their ids."""
    abandoned = [run for run in all_runs(places) if not run.live()]
    for run in abandoned:
        close(run)
    return [run.id for run in abandoned]


def close(run: Run) -> None:
    """Stop and remove everything of the run; safe to repeat, and after a crash in the midst."""
    half_closed = run.places.runs / f"{CLOSING}{run.id}"
    if not run.directory.exists() and not half_closed.exists():
        return
    run.places.make()
    keeper = run.keeper()
    with held(run.places.runtime / "closing.lock"):
        # From here on nothing can be started in it: whoever tries finds no directory.
        if run.directory.exists():
            run.directory.rename(half_closed)
        if half_closed.exists():
            servers = processes.saved(half_closed / "processes")
            # What they hold is thrown away: two seconds are for politeness.
            processes.stop(servers, seconds=2)
            processes.remove_leavings(servers)
            Engine(run.places).release(run.id)
            shutil.rmtree(half_closed, ignore_errors=True)
    if keeper is not None and keeper.pid != os.getpid():
        processes.stop([keeper])


def _open(run: Run, owner: Process | None) -> None:
    run.directory.mkdir(mode=0o700)
    run.registry.mkdir()
    run.parts.mkdir()
    if owner is not None:
        write_json(run.directory / "owner.json", asdict(owner))
    keeper = processes.start(
        "keeper",
        [sys.executable, "-m", "tests.lab.keeper", run.id],
        log=run.directory / "keeper.log",
        environment={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    write_json(run.directory / "keeper.json", asdict(keeper))
    if not keeper.alive:
        raise NotReady("the lab's keeper ended at its start")


def _process_in(path: Path) -> Process | None:
    record = read_json(path)
    return processes.from_record(record) if record else None
