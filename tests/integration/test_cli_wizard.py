"""`mentat-dr init` on a terminal, by questions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.settings_file import load
from tests.terminal import Terminal


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mdr-"))
    yield folder
    home = folder / "state" / "gnupg"
    if home.is_dir():
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    shutil.rmtree(folder)


def wizard(place: Path, *arguments: str) -> Terminal:
    env = {
        **os.environ,
        "MENTAT_DR_CONFIG": str(place / "etc" / "config.toml"),
        "MENTAT_DR_STATE": str(place / "state"),
        "DOCKER_HOST": "unix:///no/such.sock",
    }
    return Terminal([sys.executable, "-m", "engine.cli.main", "init", *arguments], env)


def answer(screen: Terminal, *answers: tuple[str, str]) -> None:
    for question, typed in answers:
        screen.expect(question)
        screen.send(typed + "\n")


def test_every_question(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with wizard(place) as screen:
        answer(screen, ("Name of this host", "Bad Name"))
        screen.expect("use lower-case letters")
        answer(screen, ("Name of this host", "landsraad"), ("Environment", "staging"))
        answer(screen, ("Provider", "azure"), ("one of s3", ""), ("NOTHING WILL BE OFFSITE", ""))
        answer(screen, ("Key file to import", ""))
        answer(screen, ("Passphrase for the new key", "one"), ("Again", "two"))
        screen.expect("They differ")
        answer(screen, ("Passphrase for the new key", "one"), ("Again", "one"))
        answer(screen, ("config:/etc? (y/n)", "n"), ("Source: ", "nonsense"))
        screen.expect("is not understood")
        answer(screen, ("Source: ", "database:shop-mysql"), ("Password of root", "db secret"))
        answer(screen, ("Source: ", ""))
        assert screen.wait() == 0
        assert "db secret" not in screen.shown
    monkeypatch.setenv("MENTAT_DR_STATE", str(place / "state"))
    settings = load(place / "etc" / "config.toml")
    assert (settings.host, settings.environment) == ("landsraad", "staging")
    (source,) = settings.sources
    assert source.password is not None
    assert source.password.reveal() == "db secret"
    assert source.password.file.startswith(str(place / "etc" / "secrets"))


def test_ctrl_c_writes_nothing(place: Path) -> None:
    with wizard(place, "--directory", str(place / "store")) as screen:
        answer(screen, ("Name of this host", ""), ("Environment", ""))
        screen.expect("Key file to import")
        screen.send("\x03")
        assert screen.wait() == 130
    assert list(place.iterdir()) == []
