"""The command line on a real bucket: set up by options, looked at, backed up, asked for posture."""

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
from tests.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def place(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mdr-"))
    monkeypatch.setenv("MENTAT_DR_CONFIG", str(folder / "etc" / "config.toml"))
    monkeypatch.setenv("MENTAT_DR_STATE", str(folder / "state"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for name, secret in {"id": lab.s3.access_key, "key": lab.s3.secret_key}.items():
        (folder / name).write_text(secret)
        (folder / name).chmod(0o600)
    yield folder
    home = folder / "state" / "gnupg"
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    shutil.rmtree(folder)


def test_a_bucket_from_nothing_to_posture(
    lab: Lab, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--provider", "custom", "--bucket", lab.s3.new_bucket("cli"), "--prefix", "dr"]
    store += ["--endpoint", lab.s3.endpoint, "--region", lab.s3.region]
    store += ["--access-key-file", str(place / "id"), "--secret-key-file", str(place / "key")]
    keys = ["--generate-keys", "--no-passphrase"]
    assert run(["init", "--host", "landsraad", *store, *keys, "--source", "config:/etc/apt"]) == 0
    assert "NOTHING IS OFFSITE" not in capsys.readouterr().out
    secret = (place / "key").read_text()
    assert secret not in (place / "etc" / "config.toml").read_text()

    assert run(["doctor", "--json"]) == 8
    found = {f["message"]: f["level"] for f in json.loads(capsys.readouterr().out)}
    assert found["same clock within 60 s"] == "ok"
    assert found["refuses to overwrite when asked to (conditional writes)"] == "ok"
    assert "critical" not in found.values()

    assert run(["backup"]) == 0
    capsys.readouterr()
    assert run(["status", "--refresh", "--json"]) == 1
    posture = json.loads(capsys.readouterr().out)
    assert (posture["store"]["reachable"], posture["store"]["offsite"]) == (True, True)
    assert posture["sources"][0]["snapshots"] == 1


def test_status_without_the_store_says_so(
    lab: Lab, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--provider", "custom", "--bucket", "gone", "--endpoint", "http://127.0.0.1:9"]
    store += ["--access-key-file", str(place / "id"), "--secret-key-file", str(place / "key")]
    keys = ["--generate-keys", "--no-passphrase"]
    assert run(["init", "--host", "landsraad", *store, *keys, "--source", "config:/etc/apt"]) == 0
    capsys.readouterr()
    assert run(["status"]) == 2
    assert "DOES NOT ANSWER" in capsys.readouterr().out
    assert run(["snapshots"]) == 4
    shown = capsys.readouterr().err
    assert shown.startswith("mentat-dr: ")
    assert "Traceback" not in shown
    assert run(["doctor"]) == 1
