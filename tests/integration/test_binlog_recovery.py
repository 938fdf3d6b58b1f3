"""Shipped binary logs, replayed onto a snapshot, give exactly what a writer recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.core.recovery import Until
from tests.integration.binlog_shop import KINDS, shop
from tests.integration.binlog_writer import Writer, found, reached, state
from tests.lab import Lab
from tests.site import expect

pytestmark = [pytest.mark.lab]


@pytest.mark.parametrize("kind", KINDS)
def test_random_moments_are_exactly_what_the_writer_recorded(
    lab: Lab, tmp_path: Path, kind: str, full: bool
) -> None:
    moments = 30 if full else 3
    coarse = timedelta(seconds=1) if kind == "mariadb" else timedelta(0)
    with shop(lab, tmp_path, kind) as made:
        with Writer(made.database) as writer:
            writer.await_transactions(50)
            expect(made.site.backup("shop-db"))
            writer.await_transactions(writer.count + 300)
            made.ship()
            writer.await_transactions(writer.count + 300)
            made.database.sql("FLUSH BINARY LOGS")
            writer.await_transactions(writer.count + 300)
            made.ship()
            writer.await_transactions(writer.count + 100)
        made.ship()
        [interval] = made.site.engine.binlogs.range("shop-db").intervals
        chosen = writer.choose(moments, interval.since, interval.until)
        assert len(chosen) == moments
        for place, moment in enumerate(chosen):
            by_time = bool(place % 2)
            at = moment.at.replace(microsecond=0) if coarse else moment.at
            until = Until(at=at) if by_time else Until(gtid=moment.gtid)
            back, facts = made.restore(until)
            number = reached(back)
            if by_time:
                least, most = writer.numbers_at(at, coarse)
                assert least <= number <= most
            else:
                assert number == moment.number
            assert found(back) == state(number), f"{until} gave {number}"
            assert facts["last_transaction"] == writer.commits[number - 1].gtid
            made.forget()


def test_a_killed_server_loses_seconds_when_its_logs_are_followed(
    lab: Lab, tmp_path: Path, full: bool
) -> None:
    bound = timedelta(seconds=5 if full else 15)  # a busy machine makes every look longer
    with shop(lab, tmp_path, "mariadb") as made:
        engine = made.site.engine
        expect(made.site.backup("shop-db"))
        follow = engine.binlogs.start_ship(["shop-db"], follow=True)
        with Writer(made.database) as writer:
            writer.await_transactions(200)
            while not engine.binlogs.range("shop-db").intervals:
                writer.await_transactions(writer.count + 1)
            enough = datetime.now(UTC) + bound + timedelta(seconds=2)
            while datetime.now(UTC) < enough:
                writer.await_transactions(writer.count + 20)
            lab.docker("kill", "--signal=KILL", made.database.name)
            killed = writer.ended_at()
        engine.cancel(follow)
        assert made.site.finish(follow).state == "cancelled"
        back, facts = made.restore(Until(last=True))
        number = reached(back)
        assert found(back) == state(number)
        lost = killed - writer.commits[number - 1].ended
        assert lost <= bound, f"{writer.count - number} transactions of {lost} were lost"
        assert facts["replayed"]
