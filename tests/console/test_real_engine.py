"""The console over the real engine and a directory store: back up, hang up, come back, restore."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import pytest

from tests.console.pty_driver import on_pty

MEGABYTES = 24


@pytest.fixture
def place() -> Iterator[Path]:
    """A host with one source of configuration files. The path is short, for gpg's sockets."""
    with TemporaryDirectory(prefix="dr-", dir="/tmp") as name:
        home = Path(name)
        live = home / "live"
        live.mkdir()
        for number in range(4):
            (live / f"part [{number}]").write_bytes(os.urandom(MEGABYTES * 250_000))
        (live / "notes.txt").write_text("kept\n")
        run(
            home,
            *("init", "--host", "landsraad", "--environment", "production", "--plain"),
            *("--directory", str(home / "store"), "--generate-keys", "--no-passphrase"),
            *("--source", f"name=files,kind=config,paths={live}"),
        )
        yield home


def environment(home: Path) -> dict[str, str]:
    return {"MENTAT_DR_CONFIG": str(home / "config.toml"), "MENTAT_DR_STATE": str(home / "state")}


def run(home: Path, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from engine.cli.main import main; main()", *argv],
        env={**os.environ, **environment(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def jobs(home: Path) -> list[dict[str, str]]:
    said: list[dict[str, str]] = json.loads(run(home, "job", "list", "--json"))
    return said


def finished(home: Path, operation: str) -> dict[str, str]:
    """The newest job of this operation, once it has ended."""
    end = monotonic() + 120
    while monotonic() < end:
        found = [job for job in jobs(home) if job["operation"] == operation]
        if found and found[0]["state"] not in ("accepted", "running"):
            return found[0]
        sleep(0.3)
    raise AssertionError(f"{operation} never ended: {jobs(home)}")


def test_back_up_hang_up_come_back_and_restore(place: Path) -> None:
    live, kept = place / "live", {}
    for path in live.iterdir():
        kept[path.name] = path.read_bytes()
    with on_pty("tests.console.opening", env=environment(place)) as console:
        console.until(b"NOTHING IS OFFSITE")
        console.until(b"no backup")
        console.press("b")
        console.until(b"Back up now?")
        console.press("\x1b[C\r")
        console.until(b"Leaving is safe")
        console.hang_up()
        console.child.wait(60)
    assert finished(place, "backup")["state"] == "done"

    (live / "notes.txt").write_text("spoilt\n")
    (live / "part [2]").unlink()
    with on_pty("tests.console.opening", env=environment(place)) as console:
        console.until(b"unproven")
        console.press("r\r\r3\r\tfiles\r\r")
        console.until(b"proven")
        assert finished(place, "restore")["state"] == "done"
        console.until(b"kept")
        console.press("q")
        assert console.end() == 0
    assert {path.name: path.read_bytes() for path in live.iterdir()} == kept
    [before] = [p for p in place.iterdir() if p.name.startswith("live_before_")]
    assert [p.read_text() for p in before.rglob("notes.txt")] == ["spoilt\n"]
