"""Incidents with real jobs: killed in the middle, taken up elsewhere, worked through by prompts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.api import Engine
from engine.core import incident_events as said
from engine.core.errors import HeldError, UsageError
from engine.core.incident import Incident
from engine.settings import SourceSettings, StoreSettings
from tests import site as sites
from tests.site import Site, expect
from tests.terminal import Terminal

HOUR = timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    live = tmp_path / "live"
    live.mkdir()
    (live / "a.txt").write_text("kept\n")
    (tmp_path / "store").mkdir(mode=0o700)
    source = SourceSettings("files", "config", HOUR, HOUR, paths=(str(live),))
    store = StoreSettings("directory", path=str(tmp_path / "store"))
    with sites.site(tmp_path / "site", store, [source], passphrase=None) as made:
        expect(made.backup())
        yield made


def declared(site: Site, **values: str) -> Incident:
    given = {"source": "files", **values}
    return site.engine.incidents.declare("application-data-loss", values=given)


def ready_to_restore(site: Site, to: Path) -> Incident:
    incident = declared(site, beside=str(to))
    steps = site.engine.steps
    steps.finish("confirm", note="gone")
    assert steps.begin("point").of(_step(incident, "point")).state == "done"
    steps.skip("writers", "nobody writes")
    steps.finish("snapshot", answer="latest")
    return steps.finish("how", answer="missing")


def _step(incident: Incident, name: str):  # type: ignore[no-untyped-def]
    found = incident.runbook.step(name)
    assert found is not None
    return found


def settled(site: Site, step: str) -> Incident:
    incident = site.engine.incidents.get()
    job = incident.of(_step(incident, step)).job
    expect(site.finish(job))
    return site.engine.steps.settle()


def test_a_step_runs_as_a_job_and_its_end_is_noticed(site: Site, tmp_path: Path) -> None:
    ready_to_restore(site, tmp_path / "out")
    with pytest.raises(UsageError, match="it waits for"):
        site.engine.steps.begin("copy")
    incident = site.engine.steps.begin("beside")
    assert incident.of(_step(incident, "beside")).state == "running"
    incident = settled(site, "beside")
    done = incident.of(_step(incident, "beside"))
    assert done.state == "done" and done.facts["recoverable_to"]
    assert next((tmp_path / "out").rglob("a.txt")).read_text() == "kept\n"
    assert incident.standing(_step(incident, "switch")) == "unneeded"


def test_a_console_that_died_between_two_lines_repeats_nothing(site: Site, tmp_path: Path) -> None:
    incident = ready_to_restore(site, tmp_path / "out")
    beside = _step(incident, "beside")
    with site.engine.incidents.pen() as pen:
        pen.write(said.StepBegan("beside", 1))
    incident = site.engine.steps.settle()
    assert incident.of(beside).state == "failed", "nothing was started, and that is said"
    assert "nothing was started" in incident.of(beside).note

    ready = site.engine.steps.prepare("beside")
    assert ready is not None
    with site.engine.incidents.pen() as pen:
        pen.write(said.StepBegan("beside", 2))
        job = ready.start()  # and here it dies: the job runs, and no line names it
    incident = Engine.open(site.config).steps.settle()
    assert incident.of(beside).job == job
    incident = settled(site, "beside")
    assert incident.of(beside).state == "done"
    assert len([j for j in site.engine.jobs() if j.operation == "restore"]) == 1


def test_another_machine_takes_it_up_from_the_store(site: Site, tmp_path: Path) -> None:
    incident = ready_to_restore(site, tmp_path / "out")
    assert site.engine.incidents.copy().problem == ""
    other = Engine(replace(site.engine.settings, state=tmp_path / "elsewhere", host="mentat"))
    assert [r.id for r in other.incidents.remote("landsraad")] == [incident.id]
    taken = other.incidents.take(incident.id, host="landsraad", reason="the host is gone")
    assert taken.answer("how") == "missing" and taken.lead.person == other.incidents.who.person
    other.steps.skip("beside", "not here", incident.id)
    assert other.incidents.copy(incident.id).problem == ""
    site.engine.incidents.note("unaware")
    assert "another machine" in site.engine.incidents.copy().problem


def test_two_people_lead_one_after_the_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTAT_DR_PERSON", "anna")
    incident = declared(site)
    monkeypatch.setenv("MENTAT_DR_PERSON", "ben")
    ben = Engine.open(site.config)
    with pytest.raises(HeldError, match="anna"):
        ben.steps.finish("confirm")
    ben.incidents.note("I see it too")
    with pytest.raises(UsageError, match="no hand-over"):
        ben.incidents.accept()
    site.engine.incidents.hand_over("ben", "all of it")
    assert ben.incidents.accept().lead.person == "ben"
    with pytest.raises(HeldError, match="ben"):
        site.engine.steps.finish("confirm")
    ben.incidents.close("false-alarm", "a typing error")
    with pytest.raises(UsageError, match="closed"):
        ben.incidents.note("late", "", incident.id)


def run(site: Site, *argv: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli.main", *argv],
        env={**os.environ, "MENTAT_DR_CONFIG": str(site.config)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_command_line_tells_and_refuses(site: Site, tmp_path: Path) -> None:
    run(site, "incident", "status", code=2)
    shown = json.loads(
        run(site, "incident", "declare", "app", "--source", "files", "--drill", "--json")
    )
    assert shown["mode"] == "DRILL" and shown["next"] == "confirm"
    run(site, "incident", "step", "1", "done", "--note", "gone [bold] \x1b[31m")
    run(site, "incident", "step", "2", "skip", code=2)
    (tmp_path / "core").write_bytes(b"x")
    run(site, "incident", "evidence", str(tmp_path / "core"))
    run(site, "incident", "follow-up", "Anna: a guard against rm, by 12-01")
    run(site, "incident", "close", "--outcome", "abandoned", "--note", "only a test")
    report = run(site, "incident", "report", "--format", "html")
    assert "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" in report
    assert "a guard against rm" in report and "\x1b" not in report
    found = json.loads(run(site, "audit", "verify", "--json"))
    assert found["breaks"] == [] and found["copied"] >= found["lines"] - 1
    run(site, "audit", "show")
    trail = site.state / "audit.jsonl"
    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join(lines[:2] + lines[3:]))
    run(site, "audit", "verify", code=7)


def test_a_whole_incident_by_numbered_prompts(site: Site, tmp_path: Path) -> None:
    env = {**os.environ, "MENTAT_DR_CONFIG": str(site.config), "COLUMNS": "100"}
    argv = [sys.executable, "-m", "engine.cli.main", "runbook", "run", "app", "--plain"]
    with Terminal(argv, env) as terminal:
        terminal.expect("the volume source that lost data: ")
        terminal.send("files\r")
        terminal.expect("Find out what is missing")
        terminal.expect("q to leave: ")
        terminal.send("1\r")
        terminal.expect("Note: ")
        terminal.send("three files\r")
        terminal.expect("Look for the recovery point")
        terminal.expect("q to leave: ")
        terminal.send("q\r")
        assert terminal.wait() == 0
    incident = site.engine.incidents.get()
    assert incident.of(_step(incident, "confirm")).note == "three files"
    with Terminal([*argv[:-2], "--plain"], env) as terminal:
        terminal.expect("Look for the recovery point")
        terminal.expect("q to leave: ")
        terminal.send("1\r")
        terminal.expect("Stop whatever writes")
        terminal.expect("q to leave: ")
        terminal.send("3\r")
        terminal.expect("Why: ")
        terminal.send("nobody\r")
        terminal.expect("Choose the snapshot")
        terminal.send("1\r")
        terminal.expect("Answer: ")
        terminal.send("latest\r")
        terminal.expect("Everything, or only what is missing?")
        terminal.expect("q to leave: ")
        terminal.send("q\r")
        assert terminal.wait() == 0
    assert site.engine.incidents.get().answer("snapshot") == "latest"
