"""Shipped binary logs, replayed onto a physical snapshot of a busy server, give exactly what a
writer recorded: its files stand at one known place in the logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.recovery import Until
from tests.integration.binlog_shop import shop
from tests.integration.binlog_writer import Writer, found, reached, state
from tests.lab import Lab

pytestmark = [pytest.mark.lab]


@pytest.mark.parametrize("kind", ["mysql", pytest.param("mariadb", marks=pytest.mark.full)])
def test_logs_go_on_where_the_files_stand(lab: Lab, tmp_path: Path, kind: str, full: bool) -> None:
    with shop(lab, tmp_path, kind) as made:
        with Writer(made.database) as writer:
            writer.await_transactions(50)
            job = made.site.finish(made.site.engine.start_backup(("shop-db",), method="physical"))
            assert job.state in ("done", "warnings"), job.failure
            writer.await_transactions(writer.count + 100)
        made.ship()
        [interval] = made.site.engine.binlogs.range("shop-db").intervals
        for moment in writer.choose(8 if full else 1, interval.since, interval.until):
            back, facts = made.restore(Until(gtid=moment.gtid))
            number = reached(back)
            assert number == moment.number
            assert found(back) == state(number)
            assert facts["last_transaction"] == moment.gtid
            made.forget()
