"""Histories that broke: each is told, and never joined to a wrong state."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.core.errors import UsageError
from engine.core.recovery import Until
from tests.integration.binlog_shop import KINDS, Shop, shop
from tests.lab import Lab
from tests.site import expect

pytestmark = [pytest.mark.lab]
RESET = {"mysql": "RESET BINARY LOGS AND GTIDS", "mariadb": "RESET MASTER"}


def insert(made: Shop, number: int) -> None:
    made.database.sql(f"INSERT INTO shop.orders VALUES ({number}, 1, 'number {number}')")


def purge(made: Shop) -> None:
    """All but the log in use; MariaDB keeps some for a moment, until they are checkpointed."""
    until = time.monotonic() + 60
    while len(logs := made.database.sql("SHOW BINARY LOGS")) > 1:
        assert time.monotonic() < until, logs
        made.database.sql(f"PURGE BINARY LOGS TO '{logs[-1][0]}'")
        time.sleep(0.1)


def refuses(made: Shop, at: datetime, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        made.site.engine.plan(made.request(Until(at=at)))
    assert "nearest possible: --at 20" in refused.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_purged_reset_and_rebuilt_logs_alarm_and_leave_a_gap(
    lab: Lab, tmp_path: Path, kind: str
) -> None:
    with shop(lab, tmp_path, kind) as made:
        database, engine = made.database, made.site.engine
        insert(made, 1)
        expect(made.site.backup("shop-db"))
        insert(made, 2)
        assert not made.ship().warnings
        [whole] = engine.binlogs.range("shop-db").intervals

        insert(made, 3)
        database.sql("FLUSH BINARY LOGS")
        database.sql("FLUSH BINARY LOGS")
        purge(made)
        insert(made, 4)
        purged = made.ship("warnings")
        told = [w.message for w in purged.warnings if w.code == "binlog-gap"]
        assert len(told) == 1 and "purged" in told[0]
        assert "binlog-unanchored" in [w.code for w in purged.warnings]
        found = engine.binlogs.range("shop-db")
        assert [i.until for i in found.intervals] == [whole.until] and not found.gaps
        refuses(made, datetime.now(UTC), "after the last recoverable time")
        assert "leads into" in str(engine.posture().sources[0].reasons) or found.last

        expect(made.site.backup("shop-db"))
        insert(made, 5)
        assert not made.ship().warnings
        found = engine.binlogs.range("shop-db")
        assert len(found.intervals) == 2 and len(found.gaps) == 1
        refuses(made, found.gaps[0].since + timedelta(milliseconds=500), "in a gap")

        database.sql(RESET[kind])
        insert(made, 6)
        reset = made.ship("warnings")
        told = [w.message for w in reset.warnings if w.code == "binlog-gap"]
        assert len(told) == 1 and ("reset" in told[0] or "another file" in told[0])
        back, _ = made.restore(Until(last=True))
        rows = [row[0] for row in back.sql("SELECT id FROM shop.orders ORDER BY id")]
        assert rows == ["1", "2", "3", "4", "5"]


def test_a_segment_missing_in_the_bucket_is_a_gap_until_it_is_shipped_again(
    lab: Lab, tmp_path: Path
) -> None:
    with shop(lab, tmp_path, "mysql") as made:
        database, engine = made.database, made.site.engine
        expect(made.site.backup("shop-db"))
        for number in range(1, 4):
            insert(made, number)
            made.ship()
            database.sql("FLUSH BINARY LOGS")
        made.ship()
        store = engine.door.repo().store
        keys = [o.key for o in store.list("v1/landsraad/shop-db/binlog/")]
        wholes = sorted(k for k in keys if k.endswith("-whole.zst.gpg"))
        assert len(wholes) >= 3
        for key in keys:
            if key.startswith(wholes[1].removesuffix(".zst.gpg")) or "-tail" in key:
                store.delete(key)
        found = engine.binlogs.range("shop-db")
        refuses(made, datetime.now(UTC), "after the last recoverable time")
        assert found.last is not None
        insert(made, 4)
        made.ship()  # the server has that log still: it goes up again
        back, _ = made.restore(Until(last=True))
        rows = [row[0] for row in back.sql("SELECT id FROM shop.orders ORDER BY id")]
        assert rows == ["1", "2", "3", "4"]


def test_altered_bytes_and_indexes_are_refused(lab: Lab, tmp_path: Path) -> None:
    with shop(lab, tmp_path, "mysql") as made:
        expect(made.site.backup("shop-db"))
        insert(made, 1)
        made.ship()
        engine = made.site.engine
        store = engine.door.repo().store
        keys = [o.key for o in store.list("v1/landsraad/shop-db/binlog/")]
        [index] = [k for k in keys if k.endswith(".json")]
        document = store.get(index)
        store.put(index, document.replace(b'"transactions": ', b'"transactions": 1'))
        with pytest.raises(Exception, match="cannot be trusted"):
            engine.plan(made.request(Until(last=True)))
        store.put(index, document)
        content = index.removesuffix(".json") + ".zst.gpg"
        body = bytearray(store.get(content))
        body[len(body) // 2] ^= 1
        store.put(content, bytes(body))
        request = made.request(Until(last=True))
        job = made.site.finish(engine.start_restore(request, made.site.passphrase))
        assert job.state == "failed" and job.exit_code == 7
        assert "damaged" in str(job.failure)
