"""The command line on a real directory repository: backups, restores, jobs, and a terminal."""

from __future__ import annotations

import filecmp
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import run
from engine.settings import SourceSettings, StoreSettings
from tests.site import HOUR, Site, expect, site
from tests.terminal import Terminal

PASSPHRASE = "correct horse"
HOSTILE = "a[bold]\x1b[2J.txt"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    tree = root / "tree"
    tree.mkdir()
    (tree / HOSTILE).write_text("kept")
    (tree / "big").write_bytes(os.urandom(1 << 20))
    source = SourceSettings("tree", "config", HOUR, HOUR, paths=(str(tree),))
    store = StoreSettings("directory", path=str(root / "store"))
    Path(store.path).mkdir()
    with site(root, store, [source], passphrase=PASSPHRASE) as made:
        (root / "pass").write_text(PASSPHRASE + "\n")
        (root / "pass").chmod(0o600)
        yield made


@pytest.fixture(autouse=True)
def configured(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTAT_DR_CONFIG", str(place.config))
    monkeypatch.setenv("MENTAT_DR_STATE", str(place.state))


@pytest.fixture(scope="module")
def ref(place: Site) -> str:
    """A snapshot of the tree."""
    return expect(place.backup()).snapshots[0].ref


def terminal(*arguments: str) -> Terminal:
    return Terminal([sys.executable, "-m", "engine.cli.main", *arguments], os.environ)


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_backup_is_watched_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", "tree"]) == 0
    shown = capsys.readouterr().out
    assert "tree: Pack" in shown
    assert "snapshot of tree: 20" in shown
    assert shown.splitlines()[-1].startswith("done:")
    assert "\x1b" not in shown and "\r" not in shown


def test_a_backup_in_json_is_its_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", "--json"]) == 0
    job = answer(capsys)
    assert job["state"] == "done"
    assert job["snapshots"][0]["source"] == "tree"


def test_a_detached_job_can_be_attached_to(place: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", "--detach", "--json"]) == 0
    job = answer(capsys)["job"]
    assert run(["job", "attach", job]) == 0
    assert "done:" in capsys.readouterr().out
    assert run(["job", "list", "--json"]) == 0
    assert job in [listed["id"] for listed in answer(capsys)]
    assert run(["job", "log", job, "--json"]) == 0
    assert [record["event"] for record in answer(capsys)][:2] == ["accepted", "started"]
    assert run(["job", "cancel", job]) == 0
    assert "has ended already" in capsys.readouterr().out


def test_the_inventory(place: Site, ref: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshots", "--json", "--kind", "config", "--since", "1h"]) == 0
    assert ref in [entry["ref"] for entry in answer(capsys)]
    for none in (["--kind", "database"], ["--host", "other"], ["--source", "other"]):
        assert run(["snapshots", "--json", *none]) == 0
        assert answer(capsys) == []
    assert run(["show", ref, "--json"]) == 0
    detail = answer(capsys)
    assert detail["signature"]["good"] is True
    assert detail["manifest"]["artifacts"][0]["stored_bytes"] > 1 << 20


def test_status_says_what_is_wrong(ref: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == 2
    posture = answer(capsys)
    assert posture["level"] == "critical"
    assert "NOTHING IS OFFSITE" in json.dumps(posture["notices"])
    assert run(["status"]) == 2
    assert "NOTHING IS OFFSITE" in capsys.readouterr().out


def test_a_restore_to_a_directory(
    place: Site, ref: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "back"
    command = ["restore", ref, "--to", str(target), "--passphrase-file", str(place.root / "pass")]
    assert run([*command, "--plan", "--json"]) == 0
    plan = answer(capsys)
    assert plan["destroys"] == [] and plan["confirm_name"] == ""
    assert not target.exists()
    assert run(command) == 0
    restored = target / str(place.root / "tree").lstrip("/")
    assert filecmp.dircmp(restored, place.root / "tree").diff_files == []
    assert (restored / HOSTILE).read_text() == "kept"
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--passphrase-file", "{root}/wrong"], 5), ([], 2), (["--passphrase-fd", "99"], 2)],
)
def test_a_restore_without_its_key_changes_nothing(
    arguments: list[str], code: int, place: Site, ref: str, tmp_path: Path
) -> None:
    (place.root / "wrong").write_text("wrong\n")
    (place.root / "wrong").chmod(0o600)
    given = [argument.format(root=place.root) for argument in arguments]
    assert run(["restore", ref, "--to", str(tmp_path / "back"), *given]) == code
    assert list(tmp_path.iterdir()) == []


def test_in_place_wants_the_name_and_keeps_the_old(
    place: Site, ref: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = place.root / "tree"
    command = ["restore", ref, "--to", "in-place", "--passphrase-file", str(place.root / "pass")]
    (tree / "since").write_text("new")
    assert run(command) == 2
    assert "--confirm tree" in capsys.readouterr().err
    assert (tree / "since").exists()
    assert run([*command, "--confirm", "tree"]) == 0
    assert not (tree / "since").exists()
    capsys.readouterr()
    assert run(["restore", "--kept", "--json"]) == 0
    (kept,) = answer(capsys)
    assert [old.read_text() for old in Path(kept["what"]).rglob("since")] == ["new"]
    assert run(["restore", "--release", kept["id"], "--confirm", "something"]) == 2
    assert Path(kept["what"]).exists()
    assert run(["restore", "--release", kept["id"], "--confirm", kept["what"]]) == 0
    assert not Path(kept["what"]).exists()


def test_a_restore_typed_on_a_terminal(place: Site, ref: str) -> None:
    tree = place.root / "tree"
    (tree / "since").write_text("new")
    with terminal("restore", "latest", "--source", "tree", "--to", "in-place") as screen:
        screen.expect("DESTROYS")
        screen.expect("type tree: ")
        screen.send("tree\n")
        screen.expect("Passphrase")
        screen.send("wrong\n")
        screen.expect("That is not it")
        screen.expect("Passphrase")
        screen.send(PASSPHRASE + "\n")
        screen.expect("done:")
        assert screen.wait() == 0
        assert PASSPHRASE not in screen.shown
    assert not (tree / "since").exists()


def test_a_wrong_name_typed_starts_nothing(place: Site, ref: str) -> None:
    before = len(place.engine.jobs())
    with terminal("restore", ref, "--to", "in-place") as screen:
        screen.expect("type tree: ")
        screen.send("tee\n")
        screen.expect("'tee' is not 'tree'; nothing was changed")
        assert screen.wait() == 2
    assert len(place.engine.jobs()) == before


@pytest.fixture
def slow(place: Site) -> Iterator[None]:
    """The tree is large enough for a backup that can be interrupted."""
    big = place.root / "tree" / "big"
    with big.open("r+b") as stream:
        stream.truncate(40 << 30)  # sparse: tar maps it without reading, zstd gets little
        for step in range(400):
            stream.seek(step * (100 << 20))
            stream.write(os.urandom(1 << 20))
    yield
    big.write_bytes(os.urandom(1 << 20))


def test_ctrl_c_detaches_and_cancels(place: Site, slow: None) -> None:
    with terminal("backup", "tree") as screen:
        screen.expect("tree: Pack")
        screen.expect("elapsed")
        screen.send("\x03")
        screen.expect("[d]etach")
        screen.send("\n")
        screen.expect("mentat-dr job attach ")
        assert screen.wait() == 0
    job = place.engine.jobs()[0]
    assert job.state == "running"
    with terminal("job", "attach", job.id) as screen:
        screen.expect("elapsed")
        screen.send("\x03")
        screen.expect("[d]etach")
        screen.send("c\n")
        screen.expect("cancelled")
        assert screen.wait() == 130
    assert place.engine.job(job.id).state == "cancelled"
