"""The configuration file: what loads, what is refused and in which words."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from engine.core.errors import ConfigurationError, UsageError
from engine.settings import Secret
from engine.settings_file import load, locate, render, save, state_directory

SAMPLE = """
host = "landsraad"
environment = "production"

[repository]
provider = "wasabi"
bucket = "mentat-backups"
prefix = "dr"

[[repository.replica]]
provider = "b2"
bucket = "mentat-backups-eu"

[encryption]
recipients = ["backup@example.org", "verifier@example.org"]
signing_key = "landsraad@example.org"

[retention]
local = { days = 7 }
offsite = { days = 30 }
config = { days = 90 }
minimum_snapshots = 3

[[source]]
name = "shop-db"
kind = "database"
engine = "mysql"
container = "shop-mysql"
methods = { physical = "weekly", logical = "daily" }
binlogs = { every = "60s" }
rpo = "15m"
rto = "1h"

[[source]]
name = "shop-uploads"
kind = "volume"
volume = "shop_uploads"
incremental = { full_every = "7d" }
quiesce = "pause"
rpo = "1h"
rto = "30m"

[[source]]
name = "etc"
kind = "config"
paths = ["/etc", "/opt/mentat"]
exclude = ["*.swp"]
rpo = "24h"
rto = "15m"

[monitoring]
pushgateway = "http://mentat:9091"
prometheus = "http://mentat:9090"
alertmanager = "http://mentat:9093"
textfile_directory = "/var/lib/node_exporter/textfile_collector"

[notify]
urls = ["mailto://...", "slack://..."]
"""
SMALL = """
host = "landsraad"
[repository]
provider = "directory"
path = "/srv/backups"
[encryption]
recipients = ["backup@example.org"]
"""


def write(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, text))
    assert caught.value.remedy
    assert caught.value.exit_code == 3
    return caught.value.message


def test_the_documented_sample_loads(tmp_path: Path) -> None:
    settings = load(write(tmp_path, SAMPLE))
    assert (settings.host, settings.environment) == ("landsraad", "production")
    assert (settings.repository.provider, settings.repository.prefix) == ("wasabi", "dr")
    assert [replica.bucket for replica in settings.replicas] == ["mentat-backups-eu"]
    assert settings.retention.config.days == 90
    database, volume, config = settings.sources
    assert database.methods == {"physical": "weekly", "logical": "daily"}
    assert (database.rpo, database.rto) == (timedelta(minutes=15), timedelta(hours=1))
    assert (volume.quiesce, volume.incremental) == ("pause", {"full_every": "7d"})
    assert config.paths == ("/etc", "/opt/mentat")
    assert settings.notify[1].reveal() == "slack://..."


def test_a_saved_file_loads_as_the_same_settings(tmp_path: Path) -> None:
    settings = load(write(tmp_path, SAMPLE))
    save(settings)
    assert load(settings.file) == settings
    assert settings.file.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["config.toml"]


def test_targets_come_from_the_kind_when_the_file_gives_none(tmp_path: Path) -> None:
    text = SMALL + '[[source]]\nname="db"\nkind="database"\nhost="db.internal"\n'
    (source,) = load(write(tmp_path, text)).sources
    assert (source.rpo, source.rto) == (timedelta(minutes=15), timedelta(hours=1))
    assert (source.address, source.port) == ("db.internal", 3306)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ('bucket = "m', 'bukcet = "m'),
            'repository: unknown key "bukcet"; did you mean "bucket"?',
        ),
        (
            ('host = "l', 'hots = "l'),
            'the top of the file: unknown key "hots"; did you mean "host"',
        ),
        (('rpo = "15m"', "rpo = 15"), "source.shop-db.rpo: expected a duration"),
        (('rpo = "15m"', 'rpo = "15 minutes"'), "source.shop-db.rpo: '15 minutes' is no duration"),
        (('rpo = "15m"', 'rpo = "0s"'), "source.shop-db.rpo: '0s' must be more than nothing"),
        (('quiesce = "pause"', 'quiesce = "halt"'), '"halt" is not one of none, pause, stop'),
        (('name = "etc"', 'name = "Etc"'), 'source.Etc.name: "Etc" is no name'),
        (('name = "etc"', 'name = "../x"'), '"../x" is no name'),
        (('name = "etc"', 'name = "shop-db"'), 'two sources are called "shop-db"'),
        (('name = "etc"', 'name = "sets"'), "is a folder of the repository"),
        (
            ('exclude = ["*.swp"]', 'volume = "v"'),
            "source.etc.volume: does not belong to kind conf",
        ),
        (('"/opt/mentat"', '"opt/mentat"'), 'source.etc.paths: "opt/mentat" must be an absolute'),
        (('container = "shop-mysql"', ""), "give one of container, host or socket; found none"),
        (('container = "shop-mysql"', 'container="a"\nhost="b"'), "found container and host"),
        (('engine = "mysql"', 'engine = "postgres"'), "is not one of mysql, mariadb"),
        (('every = "60s"', 'evry = "60s"'), 'source.shop-db.binlogs: unknown key "evry"'),
        (('physical = "weekly"', 'physical = "often"'), "'often' is no frequency"),
        (('provider = "wasabi"', 'provider = "azure"'), '"azure" is not one of s3, b2, wasabi'),
        (('provider = "wasabi"', 'provider = "minio"'), "repository.endpoint: is missing"),
        (('prefix = "dr"', 'access_key = "A"'), "repository.secret_key: is missing, although"),
        (('prefix = "dr"', 'path = "/srv"'), "repository.path: belongs to provider"),
        (('bucket = "mentat-backups-eu"', ""), "repository.replica[1].bucket: is missing"),
        (("local = { days = 7 }", "local = {}"), "retention.local: keeps nothing"),
        (("minimum_snapshots = 3", "minimum_snapshots = 0"), "0 is not between 1 and"),
        (("minimum_snapshots = 3", "minimum_snapshots = true"), "expected a whole number, found"),
        (('"http://mentat:9091"', '"mentat:9091"'), "monitoring.pushgateway: must begin with http"),
        (('signing_key = "l', 'passphrase = "x"\nsigning_key = "l'), "recipients or a passphrase"),
        (('["backup@example.org", "verifier@example.org"]', "[]"), "at least one who can decrypt"),
        (('host = "landsraad"', 'host = "lands\\u001braad"'), "must not hold control characters"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    assert change[0] in SAMPLE
    assert said in refusal(tmp_path, SAMPLE.replace(*change, 1))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = SAMPLE.replace("host =", "hots =").replace('"pause"', '"halt"').replace('"24h"', "1")
    message = refusal(tmp_path, text)
    assert "has 4 problems" in message
    assert len(message.splitlines()) == 5


def test_an_empty_file_says_what_is_missing(tmp_path: Path) -> None:
    message = refusal(tmp_path, "")
    for missing in ("host", "[repository]", "[encryption]"):
        assert missing in message


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert "at line 2" in refusal(tmp_path, 'host = "a"\nenvironment = production\n')


def test_a_problem_never_shows_a_secret(tmp_path: Path) -> None:
    text = SAMPLE.replace('prefix = "dr"', 'access_key = "AK"\nsecret_key = ["hunter2"]')
    assert "hunter2" not in refusal(tmp_path, text)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path, SMALL, mode)
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert caught.value.remedy == f"chmod 600 {file}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, SMALL)
    os.chown(file, 1234, 1234)
    with pytest.raises(ConfigurationError, match="belongs to user 1234"):
        load(file)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "nowhere.toml")
    assert "mentat-dr init" in caught.value.remedy


def test_an_unknown_source_is_named_with_its_nearest(tmp_path: Path) -> None:
    settings = load(write(tmp_path, SAMPLE))
    with pytest.raises(UsageError) as caught:
        settings.source("shop-bd")
    assert "shop-db" in caught.value.remedy


def test_places_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file = tmp_path / "password"
    secret_file.write_text("from a file\n")
    secret_file.chmod(0o600)
    monkeypatch.setenv("SHOP_PASSWORD", "from the environment")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert Secret("in place").reveal() == "in place"
    assert Secret(file=str(secret_file)).reveal() == "from a file"
    assert Secret(env="SHOP_PASSWORD").reveal() == "from the environment"
    assert Secret(credential="password").reveal() == "from a file"
    assert "in place" not in repr(Secret("in place"))


def test_secrets_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_file = tmp_path / "open"
    open_file.write_text("x")
    open_file.chmod(0o644)
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    for secret, said in [
        (Secret(file=str(open_file)), "can be read or changed by others"),
        (Secret(file=str(tmp_path / "none")), "cannot be read"),
        (Secret(file=str(empty)), "is empty"),
        (Secret(env="MENTAT_DR_NO_SUCH"), "is not set"),
        (Secret(credential="c"), "CREDENTIALS_DIRECTORY"),
    ]:
        with pytest.raises(ConfigurationError, match=said):
            secret.reveal()


def test_secrets_of_the_file_keep_their_places(tmp_path: Path) -> None:
    text = SAMPLE.replace(
        'prefix = "dr"', 'access_key = { env = "AK" }\nsecret_key = { file = "/etc/secret" }'
    )
    settings = load(write(tmp_path, text))
    assert settings.repository.access_key == Secret(env="AK")
    assert settings.repository.secret_key == Secret(file="/etc/secret")
    assert "/etc/secret" in render(settings)


def test_where_configuration_and_state_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MENTAT_DR_CONFIG", raising=False)
    monkeypatch.delenv("MENTAT_DR_STATE", raising=False)
    assert locate() == Path("/etc/mentat-dr/config.toml")
    monkeypatch.setenv("MENTAT_DR_CONFIG", "/x.toml")
    assert (locate(), locate(Path("/y.toml"))) == (Path("/x.toml"), Path("/y.toml"))
    assert state_directory("/given") == Path("/given")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "mentat-dr"
    monkeypatch.setenv("MENTAT_DR_STATE", "/override")
    assert state_directory("/given") == Path("/override")
