"""The console over a real terminal: a restore outlives it, and the next console finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.settings import SourceSettings, StoreSettings
from tests import site as sites
from tests.site import HOUR, Site, expect

SECONDS = 60.0


class Terminal:
    """A tmux server of our own with one 80x24 pane that runs the console."""

    def __init__(self, site: Site) -> None:
        self._name = f"mentat-dr-{uuid.uuid4().hex[:8]}"
        environment = {
            **os.environ,
            "MENTAT_DR_CONFIG": str(site.config),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
        }
        self._run(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            "mentat-dr; echo it ended with $?; sleep 600",
            env=environment,
        )

    def _run(self, *words: str, env: dict[str, str] | None = None, check: bool = True) -> str:
        return subprocess.run(
            ["tmux", "-L", self._name, *words], check=check, capture_output=True, text=True, env=env
        ).stdout

    @property
    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def until(self, holds: Callable[[str], bool], what: str) -> str:
        """The screen once it holds; AssertionError with the screen when it never does."""
        end = time.monotonic() + SECONDS
        while not holds(text := self.text):
            assert time.monotonic() < end, f"never: {what}\n{text}"
            time.sleep(0.1)
        return text

    def hang_up(self) -> None:
        """What a dropped link does: the terminal goes, and its programs get SIGHUP."""
        self._run("kill-server", check=False)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "etc"
    folder.mkdir()
    for index in range(6):
        (folder / f"noise-{index}").write_bytes(os.urandom(96 << 20))
    (tmp_path / "store").mkdir()
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(folder),))
    store = StoreSettings("directory", path=str(tmp_path / "store"))
    with sites.site(tmp_path / "site", store, [source], passphrase=None) as made:
        expect(made.backup())
        yield made


def test_a_restore_outlives_its_terminal(site: Site) -> None:
    terminal = Terminal(site)
    try:
        terminal.until(lambda text: "etc" in text and "overview" in text, "the overview")
        terminal.press("r")
        terminal.until(lambda text: "restore 1/5" in text and "▸ etc" in text, "the sources")
        terminal.press("Enter")
        terminal.until(lambda text: "restore 2/5" in text and "▸ 20" in text, "the points")
        terminal.press("Enter")
        terminal.until(lambda text: "restore 4/5" in text, "the targets")
        terminal.press("1")
        until_plan(terminal)
        terminal.press("Tab", "Enter")
        job_id = started(site)
    finally:
        terminal.hang_up()
    assert not site.engine.job(job_id).final, "the restore must still run after the hang-up"
    again = Terminal(site)
    try:
        again.until(lambda text: "restore etc" in text, "the restore offered or shown")
        expect(site.finish(job_id))
        again.press("j")
        again.until(lambda text: "restore" in text and "done" in text, "its end in the job list")
    finally:
        again.hang_up()


def until_plan(terminal: Terminal) -> None:
    """Go on with enter, as a person would: again when the page still looks at the key."""
    end = time.monotonic() + SECONDS
    while "restore 5/5" not in terminal.text:
        assert time.monotonic() < end, terminal.text
        terminal.press("Enter")
        time.sleep(1)
    terminal.until(lambda text: "[ Restore ]" in text, "the plan")


def started(site: Site) -> str:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for job in site.engine.jobs():
            if job.operation == "restore" and job.state == "running":
                return job.id
        time.sleep(0.02)
    raise AssertionError("no restore was started")
