"""RECOVERY.md alone replays shipped logs: a stock Debian, without the product, runs what it
prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.binlog_shop import shop
from tests.integration.test_recovery_text import BLOCK, private_key
from tests.lab import Lab
from tests.site import PASSPHRASE, expect

pytestmark = [pytest.mark.lab]


def test_logs_are_replayed_by_the_printed_commands(lab: Lab, tmp_path: Path) -> None:
    with shop(lab, tmp_path, "mariadb") as made:
        database = made.database
        expect(made.site.backup("shop-db"))
        for number in range(1, 6):
            database.sql(f"INSERT INTO shop.orders VALUES ({number}, 1, 'number {number}')")
            if number == 3:
                database.sql("FLUSH BINARY LOGS")
            made.ship()
        handed = tmp_path / "handed"
        handed.mkdir()
        private_key(made.site, handed / "backup-private-key.asc")
        (handed / "passphrase").write_text(PASSPHRASE)
        text = made.site.engine.door.repo().store.get("RECOVERY.md").decode()
        blocks = [(kind, what, script) for kind, what, script in BLOCK.findall(text)]
        setup = "\n".join(script for kind, _, script in blocks if kind == "setup")
        by_kind = {k: s for k, w, s in blocks if w == "landsraad/shop-db"}
        with (
            lab.run_mariadb() as empty,
            lab.run_bare(options=["--network=host", f"--volume={handed}:/handed:ro"]) as bare,
        ):
            begin = (
                "mkdir -p /work && cd /work && export PASSPHRASE_FILE=/handed/passphrase && "
                "gpg --batch --quiet --import /handed/backup-private-key.asc\n" + setup
            )
            client = f"mariadb -h {empty.host_ip} -u root --ssl=FALSE"
            begin += f"\nexport MYSQL='{client}' BINLOG=mariadb-binlog\n"
            environment = dict(lab.s3.environment())
            bare.sh(begin + by_kind["restore"], MYSQL_PWD=empty.root_password, **environment)
            # users.sql gave it the accounts of the snapshot.
            bare.sh(begin + by_kind["replay"], MYSQL_PWD=database.root_password, **environment)
            back = type(empty)(**{**vars(empty), "root_password": database.root_password})
            wanted = database.sql("SELECT * FROM shop.orders ORDER BY id")
            assert back.sql("SELECT * FROM shop.orders ORDER BY id") == wanted
