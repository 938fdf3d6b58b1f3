"""The recovery kit: what is in it, what is not, and when a new one is due."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine import settings_file
from engine.core.kit import KitId, install_script, newest_kits, steps
from engine.operations import kit, kit_wheels
from engine.settings import EncryptionSettings, Secret, Settings, SourceSettings, StoreSettings

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def settings(tmp_path: Path) -> Settings:
    store = StoreSettings(
        "custom",
        bucket="b",
        endpoint="http://x",
        access_key=Secret(value="AKIA-in-place"),
        secret_key=Secret(value="very secret"),
    )
    database = SourceSettings(
        "db", "database", HOUR, HOUR, container="db", password=Secret(value="root's own")
    )
    return Settings(
        file=tmp_path / "config.toml",
        host="landsraad",
        environment="production",
        repository=store,
        replicas=(replace(store, bucket="b2"),),
        encryption=EncryptionSettings(recipients=("A" * 40,), signing_key="B" * 40),
        sources=(database,),
        notify=(Secret(value="slack://token"),),
        state=tmp_path / "state",
    )


def test_the_configuration_in_the_kit_holds_no_secret_and_loads(tmp_path: Path) -> None:
    text = kit.configuration(settings(tmp_path))
    for secret in ("AKIA-in-place", "very secret", "root's own", "slack://", "token"):
        assert secret not in text
    file = tmp_path / "kit.toml"
    file.write_text(text)
    file.chmod(0o600)
    loaded = settings_file.load(file)
    assert loaded.repository.secret_key.env == "AWS_SECRET_ACCESS_KEY"
    assert loaded.replicas[0].access_key.env == "REPLICA_1_ACCESS_KEY"
    assert loaded.sources[0].password is not None and loaded.sources[0].password.file
    assert loaded.host == "landsraad" and loaded.encryption.recipients == ("A" * 40,)


def test_only_whole_kits_count_and_the_newest_of_each_host() -> None:
    old, new = KitId("a", AT, "0" * 16), KitId("a", AT + HOUR, "1" * 16)
    half = KitId("a", AT + 2 * HOUR, "2" * 16)
    other = KitId("b", AT, "3" * 16)
    keys = [k.artifact_key("SHA256SUMS.sig") for k in (old, new, other)]
    keys += [half.artifact_key("kit.tar.zst.gpg"), "kit/../x/y", "kit/c/zzz/SHA256SUMS.sig"]
    assert newest_kits(keys) == {"a": new, "b": other}


def test_a_bare_machine_needs_at_most_six_commands() -> None:
    text = steps(KitId("a", AT, "0" * 16), 'cat "$1"', ("python3",), "/state", ())
    block = text.split("```")[1]
    script = "\n".join(block.splitlines()[1:]).replace("\\\n", " ")
    commands = [line for line in script.splitlines() if line.strip()]
    assert len(commands) <= 6, commands
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0


def test_wheels_made_from_what_is_installed_are_whole_and_run(tmp_path: Path) -> None:
    made = kit_wheels.write(tmp_path / "wheels")
    names = {file.name.split("-")[0] for file in made}
    assert {"mentat_dr", "click", "msgspec", "boto3", "textual"} <= names
    assert "pytest" not in names and "mypy" not in names
    library = tmp_path / "lib"
    for wheel in made:
        with zipfile.ZipFile(wheel) as archive:
            assert archive.testzip() is None
            assert len(set(archive.namelist())) == len(archive.namelist())
            archive.extractall(library)
    assert list((library / "runbooks").glob("*.toml"))
    script = "import engine.cli.main, console, boto3, docker, sys; print(engine.__file__)"
    said = subprocess.run(
        [sys.executable, "-S", "-P", "-c", script],
        env={"PYTHONPATH": str(library), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip().startswith(str(library))


def test_the_install_script_is_a_shell_script_that_refuses_another_python() -> None:
    script = install_script((3, 99), "/state", "/config", "/opt/x")
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
    ended = subprocess.run(["sh", "-s"], input=script, text=True, capture_output=True)
    assert ended.returncode == 1 and "Python 3.99" in ended.stderr
