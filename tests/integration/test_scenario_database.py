"""Database corruption, played as an operator would: by keys, in tmux, from declaration to report;
the console is killed on the way, and another one goes on."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.core.health import HealthCheck
from engine.core.incident import Incident
from engine.settings import Secret, SourceSettings
from engine.settings_file import save
from tests import site as sites
from tests.console.test_hangup import Terminal
from tests.integration.test_round_trips import SHOP, contents
from tests.lab import AppContainer, Lab
from tests.lab.databases import DatabaseContainer
from tests.site import HOUR, PASSPHRASE, Site, expect

pytestmark = [pytest.mark.lab]
PATIENCE = 240.0  # seconds for a step that runs as a job


class Player:
    """Presses keys, and looks at the incident's journal to see what they did."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.terminal = Terminal(site)
        self.id = ""

    def shows(self, *words: str) -> str:
        return self.terminal.until(lambda text: all(w in text for w in words), f"{words}")

    def type(self, text: str) -> None:
        self.terminal._run("send-keys", "-l", "--", text)
        self.terminal.press("Enter")

    @property
    def incident(self) -> Incident:
        return self.site.engine.incidents.get(self.id)

    def state(self, step: str) -> str:
        found = self.incident.runbook.step(step)
        assert found is not None
        return self.incident.of(found).state

    def reach(self, step: str, state: str = "done") -> None:
        end = time.monotonic() + PATIENCE
        while (now := self.state(step)) != state:
            failed = now == "failed" and state != "failed"
            assert not failed and time.monotonic() < end, f"{step} is {now}\n{self.terminal.text}"
            time.sleep(0.3)

    def at(self, title: str) -> None:
        """Wait until the cursor stands on this step."""
        self.terminal.until(
            lambda text: any(title in line and "▸" in line for line in text.splitlines()), title
        )

    def begin(self, title: str, step: str, *, secret: bool = False, name: str = "") -> None:
        """An action or a check: its plan, its name, its passphrase."""
        self.at(title)
        self.terminal.press("Enter")
        self.shows("[ Begin ]")
        if name:
            self.terminal.press("BTab")
            self.type(name)
            self.terminal.press("Enter")
        else:
            self.terminal.press("Right", "Enter")
        if secret:
            self.shows("The passphrase of the private key")
            self.type(PASSPHRASE)

    def acknowledge(self, title: str, note: str) -> None:
        self.at(title)
        self.terminal.press("Enter")
        self.shows("[ Done ]")
        self.type(note)

    def kill(self) -> None:
        """As the worst link does: nothing is told to the console."""
        self.terminal._run("kill-server", check=False)

    def come_back(self) -> None:
        self.terminal = Terminal(self.site)
        self.shows("LIVE INCIDENT")
        self.terminal.press("R")
        self.shows("RTO 1h")


@contextmanager
def shop(lab: Lab, root: Path) -> Iterator[tuple[Site, DatabaseContainer, AppContainer]]:
    with (
        lab.run_mysql() as database,
        lab.run_app("sh", "-c", "while :; do sleep 1; done") as writer,
    ):
        database.client(SHOP)
        source = SourceSettings(
            "shop-db",
            "database",
            HOUR,
            HOUR,
            engine="mysql",
            container=database.name,
            password=Secret(value=database.root_password),
            binlogs={"every": "60s"},
        )
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(root / "site", store, [source], docker=lab.docker_host) as site:
            settings = site.engine.settings
            rows = "SELECT COUNT(*) FROM shop.orders"
            checks = (
                HealthCheck("server", "container", database.name),
                HealthCheck("orders", "sql", source="shop-db", sql=rows, expect="4"),
            )
            save(replace(settings, health=checks))
            yield site, database, writer


def approve(site: Site, step: str) -> None:
    """The second person, logged in by themselves."""
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli.main", "incident", "approve", step],
        env={
            **os.environ,
            "MENTAT_DR_CONFIG": str(site.config),
            "MENTAT_DR_PERSON": "ben",
            "SSH_CONNECTION": "192.0.2.9 5000 192.0.2.1 22",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_from_the_declaration_to_the_report_by_keys(lab: Lab, tmp_path: Path) -> None:
    with shop(lab, tmp_path) as (site, database, writer):
        expect(site.backup())
        database.sql("INSERT INTO shop.orders (customer, note) VALUES (1, 'the last good one')")
        truth = contents(database)
        time.sleep(1.1)
        good = datetime.now(UTC)
        time.sleep(1.1)
        database.sql("SET FOREIGN_KEY_CHECKS=0; DROP TABLE shop.orders")
        play = Player(site)
        try:
            declare(play, writer.name)
            contain(play, writer)
            recover(play, database, good)
            close(play)
        finally:
            play.kill()
        assert contents(database) == truth
        assert writer.state() == "running"
        report = site.engine.incidents.report(play.id, "markdown")
        for words in ("Recovered, RTO met. A release dropped a table.", "| RTO | 1h |", "(met)"):
            assert words in report, report
        assert "ben (as root) from 192.0.2.9 | approves" in report
        assert "log of " in report, "evidence stands in it with its hash"
        assert not site.engine.audit.verify().breaks
        jobs = [job.operation for job in site.engine.jobs()]
        assert jobs.count("restore") == 2, "no step was repeated, none was lost"


def declare(play: Player, writer: str) -> None:
    play.shows("shop-db", "overview")
    play.terminal.press("R")
    play.shows("Database corruption")
    play.terminal.press("Down", "b")
    play.shows("LIVE: it is real")
    play.terminal.press("Enter")
    play.shows("the database source")
    play.terminal.press("Enter")
    play.shows("LIVE INCIDENT", "RTO 1h")
    play.id = play.incident.id
    for down, value in ((1, writer), (2, f"-{secrets.token_hex(3)}")):
        play.terminal.press("v")
        play.shows("Set which value?")
        play.terminal.press(*["Down"] * down, "Enter")
        play.terminal.until(lambda text: "Set which" not in text and "[ Set ]" in text, "a line")
        play.type(value)
        play.terminal.until(lambda text: "[ Set ]" not in text, "the incident again")


def contain(play: Player, writer: AppContainer) -> None:
    play.acknowledge("Confirm the corruption", "shop.orders is gone")
    play.reach("confirm")
    play.begin("Look what can be recovered", "points")
    play.reach("points")
    play.begin("Prove that backups can be", "key", secret=True)
    play.reach("key")
    play.begin("Stop the writers", "writers")
    play.reach("writers")
    assert writer.state() == "exited"
    play.begin("Save the last binlogs", "binlogs")
    play.reach("binlogs", "running")
    play.kill()
    play.come_back()
    play.reach("binlogs")
    play.begin("Keep the evidence", "evidence")
    play.reach("evidence")


def recover(play: Player, database: DatabaseContainer, good: datetime) -> None:
    play.at("Choose the recovery point")
    play.terminal.press("Enter")
    play.shows("[ Decide ]")
    play.terminal.press(*["BSpace"] * len("latest"))
    play.type(f"{good:%Y-%m-%dT%H:%M:%S.%fZ}")
    play.reach("point")
    play.begin("Restore alongside", "alongside", secret=True)
    play.reach("alongside", "running")
    play.kill()
    play.come_back()
    play.reach("alongside")
    play.acknowledge("Look at the restored copy", "the last good order is there")
    play.reach("look")
    play.at("Switch over, or put single")
    play.terminal.press("Enter")
    play.shows("replace the whole database")
    play.terminal.press("Enter")
    play.reach("go")
    play.at("Switch the live database over")
    play.terminal.press("Enter")
    play.shows("asked by")
    approve(play.site, "switch")
    play.shows("approved by ben")
    play.begin("Switch the live database over", "switch", secret=True, name=database.name)
    play.reach("switch")
    play.begin("Health checks", "health")
    play.reach("health")
    play.begin("Let the writers in again", "resume")
    play.reach("resume")


def close(play: Player) -> None:
    play.shows("recovered, target met")
    play.begin("Back up the recovered database", "backup")
    play.reach("backup")
    play.acknowledge("Remove the copy, decide", "removed")
    play.reach("tidy")
    play.acknowledge("Write down why it happened", "a release script")
    play.reach("why")
    play.terminal.press("e")
    play.shows("how did it end?")
    play.terminal.press("Enter")
    play.shows("what happened?")
    play.type("A release dropped a table.")
    play.shows("Recovered, RTO met")
    assert play.incident.closed is not None
