"""Spelling of values, and text that cannot act on the terminal."""

from __future__ import annotations

import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import formatting as f
from console.glyphs import ASCII
from tests.console.fake_engine import NOW


@given(st.text())
def test_safe_text_holds_nothing_that_acts(text: str) -> None:
    shown = f.safe(text)
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    shown.encode("utf-8")
    assert f.safe(text, ascii_only=True).isascii()


@given(st.text(), st.integers(0, 60))
def test_fit_is_exactly_as_wide_as_asked(text: str, cells: int) -> None:
    assert f.width(f.fit(f.safe(text), cells)) == cells


@given(st.text(alphabet="日本語🧨ab", min_size=1), st.integers(2, 20))
def test_clip_never_halves_a_wide_character(text: str, cells: int) -> None:
    cut = f.clip(text, cells)
    assert f.width(cut) <= cells
    assert text.startswith(cut.removesuffix("…").rstrip())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold]x[/]", "plain [bold]x[/]"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202eevil", "\\u202eevil"),
        ("caf\udce9", "caf\\xe9"),
        ("日本", "日本"),
    ],
)
def test_safe_spells_out(text: str, shown: str) -> None:
    assert f.safe(text) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_600, "1.0 MB"),
        (3_100_000_000, "3.1 GB"),
        (118e6, "118 MB"),
        (None, "?"),
    ],
)
def test_size(count: float | None, shown: str) -> None:
    assert f.size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (25, "25 s"),
        (60, "1m"),
        (130, "2m10"),
        (3599.7, "1h00"),
        (7500, "2h05"),
        (100_000, "1 d 3 h"),
        (None, "?"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert f.duration(seconds) == shown


@pytest.mark.parametrize(
    ("behind", "shown"),
    [
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(minutes=22), "22 min ago"),
        (timedelta(minutes=190), "3 h 10 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(days=2, hours=5), "2 d 5 h ago"),
        (-timedelta(minutes=5), "in 5 min"),
    ],
)
def test_age(behind: timedelta, shown: str) -> None:
    assert f.age(NOW - behind, NOW) == shown


def test_a_brief_age_fits_ten_cells() -> None:
    for seconds in (1, 59, 60, 3599, 3600, 35_999, 36_000, 100_000, 200_000, 9_000_000):
        assert f.width(f.brief_age(NOW - timedelta(seconds=seconds), NOW)) <= 10


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (timedelta(minutes=15), "15m"),
        (timedelta(hours=1), "1h"),
        (timedelta(hours=24), "24h"),
        (timedelta(days=7), "7d"),
        (timedelta(seconds=90), "90s"),
    ],
)
def test_target_is_spelled_as_configured(delta: timedelta, shown: str) -> None:
    assert f.target(delta) == shown


def test_a_bar_is_full_only_at_the_end() -> None:
    assert f.bar(0.999, 10) == "█" * 9 + "░"
    assert f.bar(1.0, 4, ASCII) == "####"
    assert f.bar(None, 4, ASCII) == "...."
    assert f.percent(0.999) == " 99%"
