"""The dropped table and the DELETE without WHERE: back to just before, nothing else lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.errors import UsageError
from engine.core.recovery import RestoreRequest, Target, Until
from tests.integration.binlog_shop import shop
from tests.lab import Lab
from tests.site import expect

pytestmark = [pytest.mark.lab]


def test_a_dropped_table_comes_back_in_place_by_its_statement(lab: Lab, tmp_path: Path) -> None:
    with shop(lab, tmp_path, "mysql") as made:
        database, engine = made.database, made.site.engine
        expect(made.site.backup("shop-db"))
        database.sql("INSERT INTO shop.orders VALUES (1, 1, 'one'), (2, 2, 'two')")
        made.ship()
        database.sql("ALTER TABLE shop.orders ADD paid INT NOT NULL DEFAULT 7")
        database.sql("CREATE USER 'late'@'%' IDENTIFIED BY 'x'")
        database.sql("INSERT INTO shop.orders VALUES (3, 3, 'three', 9)")
        truth = database.sql("SELECT * FROM shop.orders ORDER BY id")
        held = database.value("SELECT @@GLOBAL.gtid_executed")
        database.sql("DROP TABLE shop.orders")
        database.sql("CREATE TABLE shop.orders (id INT PRIMARY KEY)")
        database.sql("INSERT INTO shop.orders VALUES (99)")
        made.ship()
        with pytest.raises(UsageError, match="no 'DROP TABLE shop\\.stock' was found"):
            engine.plan(made.request(Until(before="DROP TABLE shop.stock")))
        request = RestoreRequest(
            "shop-db",
            "latest",
            Target("in-place"),
            confirm=database.name,
            until=Until(before="drop table `shop`.`orders`"),
        )
        plan = engine.plan(request)
        assert plan.steps[-1].phase == "replay" and "--before-position mysql-bin." in plan.command
        job = expect(made.site.finish(engine.start_restore(request, made.site.passphrase)))
        assert job.result is not None
        assert "DROP" not in str(job.result.facts["last_transaction"])
        database.wait_ready()
        assert database.sql("SELECT * FROM shop.orders ORDER BY id") == truth
        assert database.value("SELECT COUNT(*) FROM mysql.user WHERE user = 'late'") == "1"
        now = database.value("SELECT @@GLOBAL.gtid_executed")
        assert held.replace("\\n", "") in now, "replicas and later replays can go on from here"
        # What is in place now has a history of its own.
        job = made.ship("warnings")
        assert "binlog-gap" in [w.code for w in job.warnings]


def test_a_delete_without_where_is_found_and_left_out(lab: Lab, tmp_path: Path) -> None:
    with shop(lab, tmp_path, "mariadb") as made:
        database = made.database
        database.sql("INSERT INTO shop.orders VALUES (1, 1, 'one')")
        expect(made.site.backup("shop-db"))
        database.sql("INSERT INTO shop.orders VALUES (2, 2, 'two')")
        truth = database.sql("SELECT * FROM shop.orders ORDER BY id")
        database.sql("DELETE FROM shop.orders")
        database.sql("INSERT INTO shop.orders VALUES (3, 3, 'three')")
        made.ship()
        back, facts = made.restore(Until(before="DELETE FROM shop.orders"))
        assert back.sql("SELECT * FROM shop.orders ORDER BY id") == truth
        assert facts["first_left_out"]
        database.sql("DELETE FROM shop.orders")
        made.ship()
        with pytest.raises(UsageError, match="2 such statements") as refused:
            made.site.engine.plan(made.request(Until(before="DELETE FROM shop.orders")))
        assert "--before-transaction 0-" in refused.value.remedy
