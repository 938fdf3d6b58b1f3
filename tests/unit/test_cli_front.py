"""The command line's front: help, errors, exit codes, JSON, completion."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from engine.cli.main import COMMANDS, run
from engine.cli.output import Output, plain_value
from engine.core.errors import DamageError, MentatError, StoreUnreachable
from engine.settings import Secret

CONFIG = """
host = "landsraad"
[repository]
provider = "directory"
path = "{root}/store"
[encryption]
recipients = ["backup@example.org"]
[[source]]
name = "shop-db"
kind = "database"
container = "shop-mysql"
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG.format(root=tmp_path))
    file.chmod(0o600)
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("MENTAT_DR_CONFIG", str(file))
    monkeypatch.setenv("MENTAT_DR_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("MENTAT_DR_DEBUG", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return file


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "--config" in capsys.readouterr().out or name == "job"


@pytest.mark.parametrize(
    ("arguments", "wrong", "remedy"),
    [
        (["stats"], "there is no command 'stats'", "status"),
        (["backup", "--fast"], "No such option", "mentat-dr backup --help"),
        (["backup", "shop-bd"], "no source is called 'shop-bd'", "shop-db"),
        (["restore", "latest"], "where to?", "--to"),
        (["restore", "latest", "--to", "/x"], "latest of which source?", "--source"),
        (["restore"], "which snapshot?", "--source NAME"),
        (["restore", "x", "--to", "/x", "--at", "now"], "No such option '--at'", "--help"),
        (["restore", "x", "--to", "/x", "--name", "n"], "no snapshot", "snapshots"),
        (["restore", "--release", "x"], "no old data is kept as 'x'", "--kept"),
        (["snapshots", "--since", "soon"], "--since: 'soon' is no duration", "7d"),
        (["snapshots", "--host", "a", "--all-hosts"], "exclude each other", "one of them"),
        (["show", "20261122"], "no snapshot is called", "mentat-dr snapshots"),
        (["job", "attach", "nothing"], "there is no job", "job list"),
        ([], "the console needs a terminal", "--help"),
    ],
)
def test_a_mistake_takes_two_lines_and_exit_code_2(
    arguments: list[str], wrong: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    first, second = shown.err.splitlines()
    assert wrong in first
    assert first.startswith("mentat-dr: ")
    assert remedy in second
    assert shown.out == ""


def test_a_wrong_configuration_is_exit_code_3(
    surroundings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    surroundings.chmod(0o644)
    assert run(["status"]) == 3
    assert f"chmod 600 {surroundings}" in capsys.readouterr().err


def test_errors_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json", "--config", "/nowhere.toml"]) == 3
    shown = capsys.readouterr()
    found = json.loads(shown.out)["error"]
    assert (found["code"], found["exit_code"]) == ("configuration", 3)
    assert "mentat-dr init" in found["remedy"]
    assert "no configuration" in shown.err


def raising(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnreachable("no answer", "wait"), 4),
        (DamageError("flipped", "another"), 7),
        (KeyboardInterrupt(), 130),
        (ValueError("a defect"), 1),
    ],
)
def test_each_failure_has_its_exit_code_and_no_traceback(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("engine.api.Engine.jobs", raising(error))
    assert run(["job", "list"]) == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) == 2


def test_a_traceback_comes_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTAT_DR_DEBUG", "1")
    monkeypatch.setattr("engine.api.Engine.jobs", raising(ValueError("a defect")))
    with pytest.raises(ValueError, match="a defect"):
        run(["job", "list"])


def test_an_error_from_outside_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output().error(MentatError("bad \x1b[2J name\nnext\rline", "try \x07"))
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert r"\x1b[2J" in shown
    assert len(shown.splitlines()) == 3


def test_no_colour_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Output().line("loud", "critical")
    assert capsys.readouterr().out == "loud\n"


def test_json_never_holds_a_secret() -> None:
    assert "hunter2" not in json.dumps(plain_value(Secret("hunter2")))


def test_tables_align(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("ok", "a", 1), ("critical", "long\x1b", 1000)]
    Output().table(("", "NAME", "SIZE"), rows, right=("SIZE",))
    assert capsys.readouterr().out.splitlines() == [
        "          NAME      SIZE",
        "ok        a            1",
        r"critical  long\x1b  1000",
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_MENTAT_DR_COMPLETE" in capsys.readouterr().out


def test_completion_knows_the_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_MENTAT_DR_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "mentat-dr backup sh")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 0
    assert "plain,shop-db" in capsys.readouterr().out
