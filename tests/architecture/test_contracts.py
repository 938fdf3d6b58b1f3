"""The import contracts of pyproject.toml hold, and each would notice a violation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "console", "runbooks")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

VIOLATIONS = [
    ("layers", "engine/core/errors.py", "import engine.settings"),
    ("layers", "engine/settings.py", "import engine.repository"),
    ("layers", "engine/ports/cipher.py", "import engine.settings"),
    ("layers", "engine/repository/reading.py", "import engine.operations.kept"),
    ("layers", "engine/operations/backup.py", "import engine.adapters.command"),
    ("layers", "engine/operations/kept.py", "import engine.wiring"),
    ("layers", "engine/wiring.py", "import engine.jobs.launch"),
    ("layers", "engine/jobs/launch.py", "import engine.api"),
    ("layers", "engine/api/door.py", "import engine.cli.main"),
    ("layers", "engine/unlisted.py", "import engine.core"),
    ("headless", "engine/api/door.py", "import console"),
    ("headless", "engine/cli/console.py", "def f():\n    import textual.app"),
    ("door", "console/formatting.py", "import engine.core.snapshot"),
    ("door", "console/formatting.py", "def f():\n    from engine import wiring"),
    ("pure-core", "engine/core/snapshot.py", "import msgspec"),
    ("adapters", "engine/adapters/s3.py", "import engine.adapters.local_store"),
    ("adapters", "engine/adapters/providers.py", "import engine.adapters.local_store"),
    ("wiring", "engine/jobs/launch.py", "import engine.adapters.command"),
    ("wiring", "engine/api/door.py", "def f():\n    from engine.adapters import s3"),
    ("vendors", "engine/wiring.py", "def f():\n    import boto3"),
    ("vendors", "engine/operations/kept.py", "import docker"),
    ("command-line", "engine/api/door.py", "import click"),
    ("processes", "engine/operations/kept.py", "import subprocess"),
]


def lint(root: Path, contract: str = "") -> subprocess.CompletedProcess[str]:
    only = ["--contract", contract] if contract else []
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-logo", "--no-cache", *only],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "NO_COLOR": "1", "COLUMNS": "400"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and their contracts, elsewhere, to be broken."""
    root = tmp_path_factory.mktemp("copy")
    without = shutil.ignore_patterns("__pycache__")
    for package in (*PACKAGES, "tests/architecture"):
        shutil.copytree(ROOT / package, root / package, ignore=without)
    (root / "tests" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", root)
    done = lint(root)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("contract", "file", "line"), VIOLATIONS)
def test_a_planted_violation_is_caught(copy: Path, contract: str, file: str, line: str) -> None:
    victim = copy / file
    before = victim.read_text() if victim.exists() else None
    victim.write_text(f"{before or ''}\n{line}\n")
    try:
        done = lint(copy, contract)
    finally:
        victim.unlink() if before is None else victim.write_text(before)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
    assert re.search(r"\b1 broken", done.stdout)


def test_every_contract_has_its_planted_violation() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {c["id"] for c in settings["tool"]["importlinter"]["contracts"]}
    assert contracts == {contract for contract, _, _ in VIOLATIONS}
