"""status as a monitoring plug-in: one line, performance data, never an exception."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from engine.api import StoreError
from engine.cli import status_plugin
from tests.unit.test_metrics import posture

DATUM = re.compile(r"'?[^'= ]+'?=(?:[\d.]+(?:s|B)?|U);?[\d.]*;?[\d.]*;?[\d.]*;?[\d.]*\Z")


def test_one_line_with_performance_data() -> None:
    said = status_plugin.line(posture())
    head, _, data = said.partition(" | ")
    assert head == "MENTAT-DR OK: all 1 sources are recoverable"
    assert all(DATUM.match(datum) for datum in data.split()), data
    assert "'shop-db_age'=1800s;;3600;0" in data
    assert "\n" not in said


def test_what_is_wrong_stands_in_the_line() -> None:
    bad = posture(level="critical", reasons=("misses its RPO | badly\n",), recoverable_to=None)
    said = status_plugin.line(bad)
    assert said.startswith("MENTAT-DR CRITICAL: shop-db misses its RPO / badly\\x0a | ")
    assert "'shop-db_age'=U" in said


def test_a_store_that_is_away_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    away = posture()
    away = replace(away, store=replace(away.store, reachable=False))
    assert status_plugin.run(lambda: away) == 3
    assert "does not answer" in capsys.readouterr().out


def test_what_cannot_be_told_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise StoreError("no configuration | here")

    assert status_plugin.run(fail) == 3  # type: ignore[arg-type]
    assert capsys.readouterr().out == "MENTAT-DR UNKNOWN: no configuration / here\n"
