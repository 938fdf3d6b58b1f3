"""The host is gone: a new one, with what was carried away, reads and restores its backups."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.main import run


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mdr-"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for name, body in {"pass": "correct horse\n", "tree/file": "kept"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(body)
        (folder / name).chmod(0o600)
    yield folder
    for home in folder.glob("*/state/gnupg"):
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    shutil.rmtree(folder)


def live_on(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTAT_DR_CONFIG", str(host / "etc" / "config.toml"))
    monkeypatch.setenv("MENTAT_DR_STATE", str(host / "state"))


def test_a_new_host_brings_it_back(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["init", "--host", "landsraad", "--directory", str(root / "store")]
    live_on(root / "old", monkeypatch)
    source = f"name=tree,kind=config,paths={root / 'tree'}"
    passphrase = ["--passphrase-file", str(root / "pass")]
    assert run([*shared, "--source", source, "--generate-keys", *passphrase]) == 0
    assert run(["backup"]) == 0
    carried = root / "carried"
    shutil.copytree(root / "old" / "etc" / "carry-away", carried)
    subprocess.run(
        ["gpgconf", "--homedir", str(root / "old" / "state" / "gnupg"), "--kill", "all"],
        check=True,
    )
    shutil.rmtree(root / "old")
    shutil.rmtree(root / "tree")

    live_on(root / "new", monkeypatch)
    (private,) = carried.glob("backup-private-*")
    (signing,) = carried.glob("signing-public-*")
    assert run([*shared, "--import-key", str(private), "--trust-key", str(signing)]) == 0
    capsys.readouterr()
    assert run(["show", "latest", "--source", "tree", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signature"]["good"] is True
    back = root / "back"
    assert run(["restore", "latest", "--source", "tree", "--to", str(back), *passphrase]) == 0
    assert (back / str(root / "tree" / "file").lstrip("/")).read_text() == "kept"


def test_without_the_signing_key_the_name_must_be_typed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["init", "--host", "landsraad", "--directory", str(root / "store")]
    live_on(root / "old", monkeypatch)
    source = f"name=tree,kind=config,paths={root / 'tree'}"
    assert run([*shared, "--source", source, "--generate-keys", "--no-passphrase"]) == 0
    assert run(["backup"]) == 0
    (private,) = (root / "old" / "etc" / "carry-away").glob("backup-private-*")

    live_on(root / "new", monkeypatch)
    assert run([*shared, "--import-key", str(private)]) == 0
    assert run(["show", "latest", "--source", "tree"]) == 7
    restore = ["restore", "latest", "--source", "tree", "--to", str(root / "back")]
    assert run(restore) != 0
    assert not (root / "back").exists()
    capsys.readouterr()
    assert run(["snapshots", "--json"]) == 0
    ref = json.loads(capsys.readouterr().out)[0]["ref"]
    assert run([*restore, "--accept-unsigned", ref]) == 0
    assert (root / "back").is_dir()
