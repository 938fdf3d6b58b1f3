"""RECOVERY.md alone: a stock Debian container, without the product, restores each kind by
running the commands that it prints."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.settings import Secret, SourceSettings
from tests import site as sites
from tests.integration.test_round_trips import SHOP, contents, fill, same_tree
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import HOUR, PASSPHRASE, Site, expect

pytestmark = [pytest.mark.lab]
BLOCK = re.compile(r"```sh ([a-z]+)(?: ([^\n]+))?\n(.*?)```", re.DOTALL)


@pytest.fixture
def backed_up(lab: Lab, tmp_path: Path) -> Iterator[tuple[Site, DatabaseContainer, Path, Path]]:
    volume = lab.new_volume()
    fill(lab.volume_path(volume))
    conf = tmp_path / "conf"
    conf.mkdir()
    fill(conf)
    with lab.run_mysql() as database:
        database.client(SHOP)
        sources = [
            SourceSettings(
                "shop-db",
                "database",
                HOUR,
                HOUR,
                engine="mysql",
                container=database.name,
                password=Secret(value=database.root_password),
            ),
            SourceSettings("uploads", "volume", HOUR, HOUR, volume=volume),
            SourceSettings("etc", "config", HOUR, HOUR, paths=(str(conf),)),
        ]
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(tmp_path / "site", store, sources, docker=lab.docker_host) as site:
            expect(site.backup())
            yield site, database, lab.volume_path(volume), conf


def private_key(site: Site, file: Path) -> None:
    """What an operator keeps offline: the exported private key."""
    subprocess.run(
        [
            "gpg",
            "--homedir",
            str(site.state / "gnupg"),
            "--batch",
            "--yes",
            "--pinentry-mode",
            "loopback",
            "--passphrase-fd",
            "0",
            "--output",
            str(file),
            "--armor",
            "--export-secret-keys",
            site.engine.settings.encryption.recipients[0],
        ],
        input=PASSPHRASE.encode(),
        check=True,
        capture_output=True,
    )


def test_each_kind_is_restored_by_the_printed_commands(
    lab: Lab, tmp_path: Path, backed_up: tuple[Site, DatabaseContainer, Path, Path]
) -> None:
    site, database, uploads, conf = backed_up
    handed = tmp_path / "handed"
    handed.mkdir()
    private_key(site, handed / "backup-private-key.asc")
    (handed / "passphrase").write_text(PASSPHRASE)
    text = site.engine.door.repo().store.get("RECOVERY.md").decode()
    blocks = [(kind, what, script) for kind, what, script in BLOCK.findall(text)]
    setup = "\n".join(script for kind, _, script in blocks if kind == "setup")
    restores = {what: script for kind, what, script in blocks if kind == "restore"}
    assert set(restores) == {"landsraad/shop-db", "landsraad/uploads", "landsraad/etc"}
    out = lab.new_volume()
    with (
        lab.run_mysql() as empty,
        lab.run_bare(
            options=["--network=host", f"--volume={handed}:/handed:ro", f"--volume={out}:/out"]
        ) as bare,
    ):
        begin = (
            "mkdir -p /work && cd /work && export PASSPHRASE_FILE=/handed/passphrase && "
            "{ gpg --list-secret-keys 2>/dev/null | grep -q sec || gpg --batch --quiet "
            "--import /handed/backup-private-key.asc; }\n" + setup
        )
        environment = dict(lab.s3.environment())
        bare.sh(
            begin + "export TARGET=/out/uploads\n" + restores["landsraad/uploads"], **environment
        )
        bare.sh(begin + "export TARGET=/out/etc\n" + restores["landsraad/etc"], **environment)
        client = f"mariadb -h {empty.host_ip} -u root --ssl=FALSE"
        bare.sh(
            begin + f'export MYSQL="{client}"\n' + restores["landsraad/shop-db"],
            MYSQL_PWD=empty.root_password,
            **environment,
        )
        restored = lab.volume_path(out)
        assert same_tree(uploads, restored / "uploads") == ""
        assert same_tree(conf, restored / "etc" / str(conf).lstrip("/")) == ""
        found = DatabaseContainer(**{**vars(empty), "root_password": database.root_password})
        assert contents(found) == contents(database)
