"""`mentat-dr init` without a terminal, with real keys: what it writes, and what it refuses."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import run
from engine.cli.source_spec import parse
from engine.core.errors import UsageError
from engine.settings_file import load
from engine.settings_file.classic import read_classic

CLASSIC = r"""
# Disaster recovery: offsite backups
export S3_PROVIDER=minio
S3_BUCKET="mentat-backups"          # the bucket
S3_ENDPOINT=https://s3.example.org:9000
AWS_ACCESS_KEY_ID=AKIAEXAMPLE
AWS_SECRET_ACCESS_KEY='s3cr$t "quoted"'
GPG_RECIPIENT=
ENCRYPTION_PASSPHRASE="correct \"horse\" battery"
LOCAL_RETENTION_DAYS=7
RETENTION_DAYS=30
CONFIG_RETENTION_DAYS=90
BACKUP_DIR=/var/backups/mentat
PUSHGATEWAY_URL=mentat.example.org:9091
MYSQL_CONTAINER=shop-mysql
MYSQL_USER=backup
MYSQL_PASSWORD='p@ss word'
MYSQL_DATABASE=all
DOCKER_VOLUMES="shop_uploads Shop_Media"
CONFIG_PATHS=(/etc "/opt/mentat")
S3_STORAGE_CLASS=STANDARD_IA
LOG_LEVEL=debug
LOG_FILE=$(touch /tmp/executed)/x.log
BACKUP_HOST=landsraad
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path: the agent's sockets below it have a limit."""
    folder = Path(tempfile.mkdtemp(prefix="mdr-"))
    monkeypatch.setenv("MENTAT_DR_CONFIG", str(folder / "etc" / "config.toml"))
    monkeypatch.setenv("MENTAT_DR_STATE", str(folder / "state"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (folder / "pass").write_text("correct horse battery\n")
    (folder / "pass").chmod(0o600)
    yield folder
    home = folder / "state" / "gnupg"
    if home.is_dir():
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    shutil.rmtree(folder)


def init(place: Path, *arguments: str) -> int:
    return run(["init", "--host", "landsraad", "--directory", str(place / "store"), *arguments])


def make_keys(place: Path) -> tuple[str, ...]:
    return ("--generate-keys", "--passphrase-file", str(place / "pass"))


def gpg(home: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    home.mkdir(mode=0o700, exist_ok=True)
    command = ["gpg", "--homedir", str(home), "--batch", "--yes", "--pinentry-mode", "loopback"]
    done = subprocess.run([*command, *arguments], input=stdin, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_it_makes_all_that_a_backup_needs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(place, *make_keys(place), "--source", "config:/etc/apt", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    settings = load()
    assert told["offsite"] is False
    names = [Path(file).name.rsplit("-", 1)[0] for file in told["carry_away"]]
    assert names == ["backup-private-key", "backup-public-key", "signing-public-key"]
    assert list(settings.encryption.recipients) == told["recipients"]
    assert settings.sources[0].paths == ("/etc/apt",)
    assert (place / "store").is_dir()
    for file in [place / "etc" / "config.toml", *map(Path, told["carry_away"])]:
        assert file.stat().st_mode & 0o777 == 0o600
    assert "horse" not in (place / "etc" / "config.toml").read_text()


def test_what_is_carried_away_decrypts(place: Path) -> None:
    assert init(place, *make_keys(place)) == 0
    recipient = load().encryption.recipients[0]
    home = place / "state" / "gnupg"
    secret = gpg(home, "--trust-model", "always", "-r", recipient, "--encrypt", stdin=b"kept")
    (private,) = (place / "etc" / "carry-away").glob("backup-private-*.asc")
    elsewhere = place / "elsewhere"
    gpg(elsewhere, "--import", str(private))
    try:
        passphrase = ["--passphrase-file", str(place / "pass")]
        assert gpg(elsewhere, *passphrase, "--decrypt", stdin=secret) == b"kept"
    finally:
        subprocess.run(["gpgconf", "--homedir", str(elsewhere), "--kill", "all"], check=True)


def test_nothing_offsite_is_said_loudly(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(place, *make_keys(place)) == 0
    shown = capsys.readouterr().out
    assert "NOTHING IS OFFSITE" in shown
    assert "CARRY THE PRIVATE KEY AWAY" in shown
    assert "scp -p 'root@landsraad:" in shown


def test_a_second_run_changes_nothing_without_force(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(place, *make_keys(place)) == 0
    before = (place / "etc" / "config.toml").read_text()
    assert init(place, *make_keys(place)) == 3
    assert "--force" in capsys.readouterr().err
    assert (place / "etc" / "config.toml").read_text() == before
    assert init(place, *make_keys(place), "--environment", "staging", "--force") == 0
    (copy,) = (place / "etc").glob("config.toml.before-*")
    assert copy.read_text() == before
    assert load().environment == "staging"


def test_importing_a_public_key(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = place / "desk"
    try:
        gpg(desk, "--passphrase", "", "--quick-gen-key", "safe@example.org", "default", "default")
        (place / "safe.asc").write_bytes(gpg(desk, "--armor", "--export", "safe@example.org"))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(desk), "--kill", "all"], check=True)
    assert init(place, "--recipient", "safe@example.org") == 2
    assert "no public key of safe@example.org" in capsys.readouterr().err
    assert not (place / "etc").exists()
    assert init(place, "--import-key", str(place / "safe.asc")) == 0
    encryption = load().encryption
    assert len(encryption.recipients[0]) == 40
    assert encryption.signing_key not in encryption.recipients


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ([], "who can decrypt the backups?"),
        (["--generate-keys"], "needs a passphrase"),
        (["--recipient", "a@b.c", "--bucket", "b"], "--directory and a bucket"),
        (["--recipient", "a@b.c", "--source", "what"], "is not understood"),
        (["--recipient", "a@b.c", "--source", "name=x,kind=database,password=y"], "command line"),
        (["--generate-keys", "--no-passphrase", "--source", "name=X,kind=volume"], "2 problems"),
    ],
)
def test_mistakes_write_nothing(
    place: Path, arguments: list[str], wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(place, *arguments) in (2, 3)
    assert wrong in capsys.readouterr().err
    assert not (place / "etc").exists()


def test_a_classic_configuration_is_taken_over(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = place / "backup-config.env"
    env.write_text(CLASSIC)
    assert run(["init", "--from-env", str(env)]) == 0
    told = capsys.readouterr().err
    settings = load()
    store = settings.repository
    assert (settings.host, store.provider, store.bucket) == ("landsraad", "minio", "mentat-backups")
    assert store.secret_key.reveal() == 's3cr$t "quoted"'
    assert settings.encryption.passphrase is not None
    assert settings.encryption.passphrase.reveal() == 'correct "horse" battery'
    assert (settings.retention.local.days, settings.retention.offsite.days) == (7, 30)
    assert settings.local is not None
    assert settings.monitoring.pushgateway == "http://mentat.example.org:9091"
    names = [(source.name, source.kind) for source in settings.sources]
    assert names == [
        ("database", "database"),
        ("shop_uploads", "volume"),
        ("shop_media", "volume"),
        ("config", "config"),
    ]
    database, _, media, config = settings.sources
    assert database.password is not None
    assert (database.user, database.password.reveal()) == ("backup", "p@ss word")
    assert media.volume == "Shop_Media"
    assert config.paths == ("/etc", "/opt/mentat")
    assert "LOG_LEVEL is not known here" in told
    assert "S3_STORAGE_CLASS left out" in told
    assert "LOG_FILE left out: a shell would compute it" in told
    assert not Path("/tmp/executed").exists()
    text = settings.file.read_text()
    assert "p@ss" not in text and "horse" not in text and "s3cr" not in text
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in settings.file.parent.rglob("*.*"))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("S3_BUCKET=plain", "plain"),
        ("S3_BUCKET=plain # and a remark", "plain"),
        ('S3_BUCKET="a # b"', "a # b"),
        ("S3_BUCKET='$HOME'", "$HOME"),
        ("S3_BUCKET=$HOME", None),
        ('S3_BUCKET="$(id)"', None),
        ("S3_BUCKET=`id`", None),
        ("S3_BUCKET=${OTHER:-x}", None),
        ("S3_BUCKET='a'\"b\"", None),
        ("S3_BUCKET=your-bucket-name", None),
        ("#S3_BUCKET=commented", None),
        ("S3_BUCKET='two\nlines'", "two\nlines"),
        ("  export   S3_BUCKET=x\r", "x"),
    ],
)
def test_shell_values_are_read_as_data(line: str, value: str | None) -> None:
    found = read_classic(line + "\nS3_REGION=after\n")
    assert found.values.get("bucket") == value
    assert found.values["region"] == "after"


def test_of_two_keys_for_one_thing_the_other_is_told() -> None:
    found = read_classic("RETENTION_DAYS=30\nOFFSITE_RETENTION_DAYS=60\n")
    assert found.values["offsite_days"] == "60"
    assert found.left_out[0][0] == "RETENTION_DAYS"


@pytest.mark.parametrize(
    ("spec", "table"),
    [
        ("volume:Shop_Up", {"name": "shop_up", "kind": "volume", "volume": "Shop_Up"}),
        ("config:/etc/apt", {"name": "etc-apt", "kind": "config", "paths": ["/etc/apt"]}),
        ("database:db", {"name": "db", "kind": "database", "container": "db"}),
        ("name=a,paths=/x:/y,port=1", {"name": "a", "paths": ["/x", "/y"], "port": 1}),
        ("name=a,password-env=P", {"name": "a", "password": {"env": "P"}}),
    ],
)
def test_sources_in_short(spec: str, table: dict[str, Any]) -> None:
    assert parse(spec) == table


@pytest.mark.parametrize("spec", ["x", "volume:", "kind=", "=x", "name=a,,"])
def test_sources_that_make_no_sense(spec: str) -> None:
    with pytest.raises(UsageError):
        parse(spec)
