"""Shipping and going back by the command line alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.binlog_shop import Shop, shop
from tests.lab import Lab
from tests.site import PASSPHRASE, expect

pytestmark = [pytest.mark.lab]


def run(made: Shop, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "engine.cli.main", *words, "--config", str(made.site.config)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300)


def test_the_command_line_ships_shows_and_goes_back(lab: Lab, tmp_path: Path) -> None:
    with shop(lab, tmp_path, "mariadb") as made:
        made.database.sql("INSERT INTO shop.orders VALUES (1, 1, 'one')")
        expect(made.site.backup("shop-db"))
        made.database.sql("INSERT INTO shop.orders VALUES (2, 2, 'two')")
        shipped = run(made, "ship-binlogs")
        assert shipped.returncode == 0, shipped.stderr
        told = run(made, "show", "latest", "--source", "shop-db")
        assert "any moment 20" in told.stdout and "lead on from this snapshot" in told.stdout
        [source] = json.loads(run(made, "status", "--refresh", "--json").stdout)["sources"]
        assert len(source["range"]["intervals"]) == 1
        where = ("--source", "shop-db", "--to", "container", "--name", f"cli-{made.database.name}")
        late = run(made, "restore", *where, "--at", "2099-01-01T00:00:00Z", "--plan")
        assert late.returncode == 2 and "after the last recoverable time" in late.stderr
        foolish = run(made, "restore", *where, "--at", "tomorrow", "--plan")
        assert foolish.returncode == 2 and "is no time" in foolish.stderr
        plan = run(made, "restore", *where, "--at", "latest", "--plan", "--json")
        assert plan.returncode == 0, plan.stderr
        found = json.loads(plan.stdout)
        assert found["command"].endswith("--at latest")
        assert found["steps"][-1]["phase"] == "replay"
        secret = tmp_path / "passphrase"
        secret.write_text(PASSPHRASE)
        secret.chmod(0o600)
        made.restored.append(where[-1])
        back = run(made, "restore", *where, "--at", "latest", "--passphrase-file", str(secret))
        assert back.returncode == 0, back.stderr
        assert "replayed 1 transactions to the end of the shipped logs" in back.stdout
