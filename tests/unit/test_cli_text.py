"""Words, numbers, and external text that must not reach the terminal raw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli import text

NOW = datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)


@given(st.text())
def test_whatever_comes_from_outside_cannot_steer_the_terminal(raw: str) -> None:
    shown = text.visible(raw)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in shown)
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
    )
    shown.encode("utf-8")


def test_what_was_stripped_is_still_to_be_seen() -> None:
    assert text.visible("a\x1b[31mred\x07") == r"a\x1b[31mred\x07"
    assert text.visible("x\u202egnp.exe") == r"x\u202egnp.exe"
    assert text.visible("caf\udce9") == r"caf\udce9"
    assert text.visible("two\nlines") == r"two\x0alines"
    assert text.visible("two\nlines", lines=True) == "two\nlines"
    assert text.visible("[bold]ünchanged[/] 数") == "[bold]ünchanged[/] 数"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_140_000_000, "3.1 GB"), (118e6, "118 MB")],
)
def test_sizes(count: float, shown: str) -> None:
    assert text.size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(12, "12s"), (130, "2m10s"), (3900, "1h05m"), (273600, "3d04h"), (None, "?")],
)
def test_spans(seconds: float | None, shown: str) -> None:
    assert text.span(seconds) == shown


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(minutes=22), "22 min ago"),
        (timedelta(hours=3, minutes=10), "3 h 10 min ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(minutes=-5), "in 5 min"),
        (timedelta(), "now"),
    ],
)
def test_ages(before: timedelta, shown: str) -> None:
    assert text.age(NOW - before, NOW) == shown


def test_an_age_stands_beside_its_time() -> None:
    assert text.moment(NOW - timedelta(minutes=22), NOW) == "22 min ago  11-22 01:52Z"
    assert text.moment(NOW - timedelta(days=400), NOW) == "400 d ago  2025-10-18 02:14Z"
    assert text.moment(None, NOW) == "never"
