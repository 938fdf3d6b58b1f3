"""The demo's story, as `make demo HEADLESS=1` plays it, and that its comparison can fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from tests.demo import shop as shops
from tests.demo import story
from tests.demo.phases import Phases
from tests.demo.shop import Shop, make_config
from tests.demo.truth import Look, differences, of_tree
from tests.lab import Lab

# Its names are those of the shop, so only one of its tests may run at a time.
pytestmark = pytest.mark.xdist_group("demo")

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, "-m", "tests.lab.demo"]
SMALL = 8 << 20


def leftovers(lab: Lab) -> set[str]:
    """Containers, volumes and networks of the lab's engine, and the processes of demos."""
    found = set(lab.docker("ps", "--all", "--format", "{{.Names}}").split())
    found |= set(lab.docker("volume", "ls", "--quiet").split())
    found |= set(lab.docker("network", "ls", "--format", "{{.Name}}").split())
    return {name for name in found if "shop" in name}


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A small shop that is closed: what is looked at stays as it is."""
    made = Shop.open(lab, tmp_path_factory.mktemp("shop"), SMALL)
    made.close()
    yield made
    for each in (made.customers, made.app, made.database):
        each.close()


@pytest.mark.lab
class TestStory:
    def test_headless_recovers_everything_and_leaves_nothing(self, lab: Lab) -> None:
        before = leftovers(lab)
        done = subprocess.run(
            DEMO,
            cwd=REPOSITORY,
            env={**os.environ, "HEADLESS": "1", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert lines[-1] == "RESULT: recovered"
        assert all(len(line) <= 80 for line in lines), done.stdout
        assert leftovers(lab) <= before

    def test_a_file_altered_after_the_restore_is_found(self, lab: Lab) -> None:
        """The comparison of the story itself is handed altered data."""

        def altering(wanted: Look, _found: Look) -> list[str]:
            site = stage.shop.config / "conf.d" / "07-site.conf"
            site.write_text(site.read_text().replace("workers", "wreckers", 1))
            row = "UPDATE customers SET name = 'Nobody' WHERE id = 4711"
            stage.shop.database.sql(row, database=shops.SCHEMA)
            return differences(wanted, stage.shop.look())

        out = StringIO()
        with story.stage(lab, Phases(out), SMALL) as stage:
            differing = story.play(stage, altering)
        said = out.getvalue()
        assert any("07-site.conf" in line for line in differing), said
        assert any("Nobody" in line for line in differing), said
        assert said.endswith("RESULT: NOT recovered\n")

    @pytest.mark.parametrize(
        "number",
        [
            signal.SIGHUP,
            pytest.param(signal.SIGINT, marks=pytest.mark.full),
            pytest.param(signal.SIGTERM, marks=pytest.mark.full),
        ],
    )
    def test_a_signal_ends_it_cleanly(self, lab: Lab, number: signal.Signals) -> None:
        before = leftovers(lab)
        demo = subprocess.Popen(
            DEMO,
            cwd=REPOSITORY,
            env={**os.environ, "HEADLESS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert demo.stdout is not None
        with demo, demo.stdout:
            for line in demo.stdout:
                if "Open the shop" in line:
                    break
            time.sleep(1)  # in the midst of what comes next
            demo.send_signal(number)
            assert demo.wait(120) == 128 + number
        assert leftovers(lab) <= before


@pytest.mark.lab
class TestLookAtDatabase:
    def test_the_same_data_looks_the_same(self, shop: Shop) -> None:
        assert differences(shop.look(), shop.look()) == []

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ("UPDATE products SET name = CONCAT(name, ' ') WHERE id = 17", "table shop.products"),
            ("UPDATE products SET thumbnail = REVERSE(thumbnail) WHERE id = 18", "shop.products"),
            ("DELETE FROM order_lines WHERE order_id = 5 AND line = 2", "table shop.order_lines"),
            ("DROP TRIGGER take_from_stock", "programs of shop"),
            ("ALTER EVENT forget_the_unpaid DISABLE", "programs of shop"),
            ("DROP PROCEDURE place_order", "programs of shop"),
            ("ALTER TABLE customers MODIFY note MEDIUMTEXT", "definition shop.customers"),
            ("CREATE OR REPLACE VIEW sales AS SELECT 1 AS sku", "view shop.sales"),
            ("REVOKE DELETE ON shop.* FROM 'shop'@'%'", "accounts"),
            ("ALTER USER 'shop'@'%' IDENTIFIED BY 'another'", "accounts"),
        ],
    )
    def test_each_change_is_named(self, shop: Shop, change: str, named: str) -> None:
        before = shop.look()
        shop.database.sql(change, database=shops.SCHEMA)
        assert any(named in line for line in differences(before, shop.look()))


class TestLookAtTree:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        if os.geteuid() != 0:
            pytest.fail("run as root: the tree has other owners")
        make_config(tmp_path / "etc")
        return tmp_path / "etc"

    def change_content(self, root: Path) -> None:
        (root / "suid-tool").write_text("#!/bin/sh\nexit 1\n")

    def change_mode(self, root: Path) -> None:
        (root / "suid-tool").chmod(0o750)

    def change_owner(self, root: Path) -> None:
        os.chown(root / "locked", 1, 0)

    def change_time(self, root: Path) -> None:
        os.utime(root / "locked", ns=(0, 1))

    def change_link(self, root: Path) -> None:
        (root / "dangling").unlink()
        (root / "dangling").symlink_to("/nowhere/else")

    def change_hard_link(self, root: Path) -> None:
        text = (root / "alias.conf").read_bytes()
        found = (root / "alias.conf").stat()
        (root / "alias.conf").unlink()
        (root / "alias.conf").write_bytes(text)
        os.chown(root / "alias.conf", found.st_uid, found.st_gid)
        (root / "alias.conf").chmod(found.st_mode)
        os.utime(root / "alias.conf", ns=(found.st_atime_ns, found.st_mtime_ns))

    def change_attribute(self, root: Path) -> None:
        os.setxattr(root / "conf.d", "user.owner", b"nobody")

    def change_absence(self, root: Path) -> None:
        (root / "control").unlink()

    @pytest.mark.parametrize(
        "what", ["content", "mode", "owner", "time", "link", "hard_link", "attribute", "absence"]
    )
    def test_each_change_is_named(self, root: Path, what: str) -> None:
        before = of_tree("etc", root)
        assert differences(before, of_tree("etc", root)) == []
        getattr(self, f"change_{what}")(root)
        assert differences(before, of_tree("etc", root)) != []

    def test_a_missing_place_is_named(self) -> None:
        look = Look({"table shop.orders": ["1"], "accounts": ["root"]})
        without = replace(look, places={"accounts": ["root"]})
        assert differences(look, without) == ["table shop.orders: gone"]
        assert differences(without, look) == ["table shop.orders: was not there before"]
