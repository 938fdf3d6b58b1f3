"""GTID sets, statements and moments, as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.binlog_gtid import MariaDBGtids, MySQLGtids, is_gtid, parse
from engine.core.binlog_moment import parse_time, parse_until
from engine.core.binlog_statements import asked, ddl_words, dml_words, fits
from engine.core.errors import UsageError
from engine.core.recovery import Until

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
OTHER = "b73d9de9-e6d2-11f0-8c54-0242ac110002"


@given(st.lists(st.integers(1, 60), max_size=60), st.lists(st.integers(1, 60), max_size=60))
def test_a_mysql_set_holds_what_was_put_in(first: list[int], second: list[int]) -> None:
    one, two = MySQLGtids(), MySQLGtids()
    for number in first:
        one.add(f"{UUID}:{number}")
    for number in second:
        two.add(f"{UUID}:{number}")
    assert [n for n in range(62) if one.has(f"{UUID}:{n}")] == sorted(set(first))
    assert one.covers(two) == (set(second) <= set(first))
    assert MySQLGtids(str(one)) == one
    assert (one == two) == (set(first) == set(second))


def test_mysql_sets_are_read_as_the_server_writes_them() -> None:
    text = f"{UUID}:1-5:7,\n{OTHER}:1-3:audit:1-2"
    found = MySQLGtids(text)
    assert str(found) == f"{UUID}:1-5:7,{OTHER}:1-3,{OTHER}:audit:1-2"
    assert found.has(f"{OTHER}:audit:2") and not found.has(f"{UUID}:6")
    assert not found.covers(MySQLGtids(f"{UUID}:5-7"))
    with pytest.raises(ValueError, match="no set of GTIDs"):
        MySQLGtids("0-1-5")


def test_mariadb_sets_grow_within_a_domain() -> None:
    found = MariaDBGtids("0-1-100,1-1-5")
    found.add("0-2-103")
    assert str(found) == "0-1-100,0-2-103,1-1-5"
    assert found.position() == "0-2-103,1-1-5"
    assert found.has("0-1-102") and not found.has("0-1-104") and not found.has("7-1-1")
    assert found.covers(parse("mariadb", "0-1-103")) and not found.covers(MySQLGtids())


def test_a_gtid_is_told_from_a_time() -> None:
    assert is_gtid("0-1-100") and is_gtid(f"{UUID.upper()}:7") and is_gtid(f"{UUID}:tag:7")
    assert not is_gtid(f"{UUID}:1-5") and not is_gtid("2026-11-22T01:52:07Z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DROP TABLE shop.orders", "DROP TABLE shop.orders"),
        ("drop table if exists `a`.`b``c`, d /* generated */", "DROP TABLE a.b`c, now.d"),
        ("/* app */ ALTER TABLE orders ADD x INT", "ALTER TABLE now.orders"),
        ("TRUNCATE orders", "TRUNCATE TABLE now.orders"),
        ("DROP SCHEMA shop", "DROP DATABASE shop"),
        ("CREATE UNIQUE INDEX i ON shop.t (a)", "CREATE INDEX ON shop.t"),
        ("CREATE USER 'x'@'%' IDENTIFIED BY 'DROP TABLE t'", ""),
        ("INSERT INTO t VALUES ('DROP TABLE t')", ""),
        ("DROP USER x", ""),
    ],
)
def test_definitions_become_words_without_their_bodies(text: str, words: str) -> None:
    assert ddl_words(text, "now") == words


def test_a_statement_is_found_whatever_its_spelling() -> None:
    assert fits("DROP TABLE shop.orders, shop.items", asked("drop table `orders`;"))
    assert fits("DROP DATABASE shop", asked("drop schema shop"))
    assert not fits("DROP TABLE shop.orders", asked("DROP TABLE old.orders"))
    assert not fits("TRUNCATE TABLE shop.orders", asked("DROP TABLE shop.orders"))
    assert dml_words("DELETE FROM shop.orders") == "DELETE shop.orders without WHERE"
    assert dml_words("DELETE FROM shop.orders WHERE id = 1") == ""
    assert fits("DELETE shop.orders without WHERE", asked("DELETE FROM shop.orders"))
    assert fits("DELETE shop.orders", asked("delete from orders"))
    with pytest.raises(ValueError, match="names no change"):
        asked("SELECT 1")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T01:52:07Z", datetime(2026, 11, 22, 1, 52, 7, tzinfo=UTC)),
        ("2026-11-22 01:52:07.123", datetime(2026, 11, 22, 1, 52, 7, 123000, tzinfo=UTC)),
        ("2026-11-22 01:52", datetime(2026, 11, 22, 1, 52, tzinfo=UTC)),
        ("2026-11-22 02:52:07+01:00", datetime(2026, 11, 22, 1, 52, 7, tzinfo=UTC)),
        ("2026-07-22 03:52:07 Europe/Paris", datetime(2026, 7, 22, 1, 52, 7, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_a_zone(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


def test_uncertain_and_foolish_times_are_refused() -> None:
    for text in ("yesterday", "2026-13-01", "2026-11-22 25:00", "01:52:07", "2026-11-22 01:52 CET"):
        with pytest.raises(UsageError):
            parse_time(text)
    with pytest.raises(UsageError, match="the clocks were changed") as refused:
        parse_time("2026-10-25 02:30 Europe/Paris")
    assert "2026-10-25T00:30:00Z or 2026-10-25T01:30:00Z" in refused.value.remedy


def test_one_moment_only() -> None:
    assert parse_until() is None
    assert parse_until(at="latest") == Until(last=True)
    assert parse_until(at="0-1-100") == Until(gtid="0-1-100")
    assert parse_until(before_position="mysql-bin.000003:88123") == Until(
        file="mysql-bin.000003", position=88123
    )
    for wrong in (
        {"at": "latest", "before": "DROP TABLE t"},
        {"before_transaction": "x"},
        {"before_position": "nowhere"},
    ):
        with pytest.raises(UsageError):
            parse_until(**wrong)
