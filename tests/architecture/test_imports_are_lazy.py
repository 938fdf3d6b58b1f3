"""What a fresh process never imports: start-up stays cheap and headless parts stay headless."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.repository import Listing, ListingFile

HEAVY = {
    "asyncio",
    "boto3",
    "botocore",
    "docker",
    "gnupg",
    "humanize",
    "prometheus_api_client",
    "prometheus_client",
    "requests",
    "rich",
    "s3transfer",
    "sqlite3",
    "textual",
    "urllib3",
}
CPU_LIMIT = 2.8  # times the yardstick, in user and system time
YARDSTICK = "import asyncio, ssl, email.message, xml.dom.minidom, unittest, http.client"

CONFIG = """
host = "landsraad"
[repository]
provider = "directory"
path = "{root}/store"
[encryption]
recipients = ["backup@example.org"]
[[source]]
name = "etc"
kind = "config"
paths = ["/etc/hostname"]
"""


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


def imported(code: str, **env: str) -> set[str]:
    """Top-level modules that a fresh process holds after `code`."""
    tail = "\nimport sys; print('\\nMODULES', *sorted({m.split('.')[0] for m in sys.modules}))"
    done = run(code + tail, **env)
    lines = [line for line in done.stdout.splitlines() if line.startswith("MODULES")]
    assert lines, done.stdout + done.stderr
    return set(lines[-1].split()[1:])


def command(*arguments: str) -> str:
    return f"from engine.cli.main import run\nrun({list(arguments)!r})"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG.format(root=tmp_path))
    file.chmod(0o600)
    (tmp_path / "store").mkdir(mode=0o700)
    return file


@pytest.mark.parametrize(
    "code",
    ["import engine.api", "import engine.cli.main", "import engine.wiring", command("--help")],
)
def test_starting_imports_nothing_heavy(code: str) -> None:
    assert not imported(code) & HEAVY


def test_help_imports_no_command() -> None:
    code = command("--help") + (
        "\nimport sys; print(*[m for m in sys.modules if m.startswith('engine.cli.')])"
    )
    done = run(code)
    last = done.stdout.splitlines()[-1].split()
    assert {"engine.cli.main", "engine.cli.invocation"} <= set(last)
    assert not {"engine.cli.restore", "engine.cli.status", "engine.cli.init"} & set(last)


def test_status_of_a_directory_store_imports_nothing_heavy(config: Path, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    found = imported(command("status", "--config", str(config)), MENTAT_DR_STATE=state)
    assert not found & HEAVY


def test_status_of_a_bucket_imports_nothing_heavy_while_its_listing_is_fresh(
    config: Path, tmp_path: Path
) -> None:
    text = config.read_text().replace('"directory"', '"custom"\nbucket = "b"')
    config.write_text(text.replace(f'path = "{tmp_path}/store"', 'endpoint = "http://127.0.0.1:1"'))
    state = tmp_path / "state"
    now = datetime.now(UTC)
    ListingFile(state).save(Listing(now, "custom:b", ()))
    found = imported(
        command("status", "--config", str(config)), MENTAT_DR_STATE=str(state), PYTHONWARNINGS=""
    )
    assert "tomllib" in found, "status did not run"
    assert not found & HEAVY
    again = run(command("status", "--json", "--config", str(config)), MENTAT_DR_STATE=str(state))
    store = json.loads(again.stdout)["store"]
    assert (store["name"], store["reachable"]) == ("custom:b", True)


def test_the_core_loads_with_the_standard_library_only() -> None:
    code = "import pkgutil, engine.core as c\n" + (
        "for m in pkgutil.iter_modules(c.__path__): __import__('engine.core.' + m.name)"
    )
    before = imported("pass")
    own = {"engine", "_virtualenv"}
    assert imported(code) - before - own <= set(sys.stdlib_module_names)


def test_the_engine_never_loads_what_draws() -> None:
    code = "import pkgutil, engine\n" + (
        "for m in pkgutil.walk_packages(engine.__path__, 'engine.'):\n"
        "    if not m.name.endswith('__main__'): __import__(m.name)"
    )
    assert not imported(code) & {"textual", "rich", "console"}


def cpu_seconds(code: str, **env: str) -> float:
    """User and system time of a fresh process: other work on the machine counts little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(code, **env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [("--help",), ("status",)])
def test_cpu_time(arguments: tuple[str, ...], config: Path, tmp_path: Path) -> None:
    """Measured in units of the same run: importing the yardstick takes 0.09 s on a machine at
    rest, so that the promise of 0.25 s is 2.8 of them. Best of seven, in turn."""
    env = {"MENTAT_DR_CONFIG": str(config), "MENTAT_DR_STATE": str(tmp_path / "state")}
    pairs = [(cpu_seconds(command(*arguments), **env), cpu_seconds(YARDSTICK)) for _ in range(7)]
    spent, unit = (min(column) for column in zip(*pairs, strict=True))
    assert spent < CPU_LIMIT * unit
