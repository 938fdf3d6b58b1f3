"""Pure decisions about physical snapshots: which method is due, which files fit which server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.database.physical_stream import position_in
from engine.core import physical
from engine.core.schedule import due, slack
from engine.core.snapshot import BinlogPosition, Method

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
EVERY: dict[Method, timedelta] = {"physical": 7 * DAY, "logical": DAY}


def methods(newest: dict[Method, datetime], now: datetime = NOW) -> list[Method]:
    return [each.method for each in due(EVERY, newest, now)]


class TestDue:
    def test_all_are_made_the_first_time_physical_first(self) -> None:
        assert methods({}) == ["physical", "logical"]

    def test_each_by_its_own_interval(self) -> None:
        assert methods({"physical": NOW - 3 * DAY, "logical": NOW - DAY}) == ["logical"]
        assert methods({"physical": NOW - 7 * DAY, "logical": NOW - DAY / 2}) == ["physical"]
        assert methods({"physical": NOW - 8 * DAY, "logical": NOW - DAY}) == ["physical", "logical"]

    def test_cron_is_never_on_the_second(self) -> None:
        assert methods({"physical": NOW, "logical": NOW - DAY + timedelta(seconds=40)}) == [
            "logical"
        ]

    def test_who_asks_for_a_backup_gets_one(self) -> None:
        (only,) = due(EVERY, {"physical": NOW, "logical": NOW}, NOW)
        assert only.method == "logical" and "none is due" in only.reason

    def test_a_clock_that_was_wrong_delays_nothing(self) -> None:
        assert methods({"physical": NOW + 300 * DAY, "logical": NOW}) == ["physical"]

    def test_without_a_schedule_it_is_logical(self) -> None:
        assert [each.method for each in due({}, {}, NOW)] == ["logical"]

    @given(
        st.dictionaries(
            st.sampled_from(["physical", "logical"]),
            st.timedeltas(timedelta(minutes=1), 60 * DAY),
            min_size=1,
        ),
        st.timedeltas(timedelta(minutes=1), 30 * DAY),
    )
    def test_run_at_any_pace_no_method_falls_behind(
        self, every: dict[Method, timedelta], pace: timedelta
    ) -> None:
        newest: dict[Method, datetime] = {}
        for turn in range(60):
            now = NOW + turn * pace
            for each in due(every, newest, now):
                newest[each.method] = now
            for method, interval in every.items():
                assert now - newest[method] < max(interval, pace)
                assert slack(interval) <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("snapshot", "server", "fits"),
    [
        ("10.11.14-MariaDB-0+deb12u2-log", "10.11.6-MariaDB", True),
        ("10.11.14-MariaDB", "11.4.2-MariaDB", False),
        ("10.11.14-MariaDB", "10.6.20-MariaDB", False),
        ("8.0.40", "8.4.3", False),
        ("9.7.0-2", "9.7.1", True),
        ("9.7.0", "mysqld of no number", True),
    ],
)
def test_files_fit_servers_of_their_series(snapshot: str, server: str, fits: bool) -> None:
    assert (physical.mismatch(snapshot, server) == "") is fits


def test_each_artifact_has_its_way() -> None:
    assert physical.way_of("mariadb", [physical.XBSTREAM]) is physical.MARIADB_BACKUP
    assert physical.way_of("mysql", [physical.XBSTREAM]) is physical.XTRABACKUP
    assert physical.way_of("mysql", [physical.TAR]) is physical.CLONE
    assert physical.way_of("mysql", ["dump.sql.zst.gpg"]) is None
    assert physical.MARIADB_BACKUP.prepare_in("/d") == [
        "mariadb-backup",
        "--prepare",
        "--target-dir=/d",
    ]


def test_positions_are_read_from_what_the_programs_say() -> None:
    lines = [
        "[00] 2026-11-22 02:00:00 MySQL binlog position: filename 'mysql-bin.000002', position "
        "'330', GTID of the last change '0-1-5'",
        "[00] 2026-11-22 02:00:01 completed OK!",
    ]
    assert position_in(lines) == BinlogPosition("mysql-bin.000002", 330, "0-1-5")
    assert position_in(["MySQL binlog position: filename 'b.1', position '4'"]) == BinlogPosition(
        "b.1", 4, ""
    )
    assert position_in(["completed OK!"]) is None
