"""The Costs screen: the bill, the forecast, other providers; and when nothing answers."""

from __future__ import annotations

import threading

from tests.console.driving import drive
from tests.console.fake_engine import HOSTILE, FakeEngine


async def test_the_bill_the_forecast_and_other_providers() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("dollar_sign")
        await d.arrive("CostsScreen")
        await d.until("a month")
        assert "USD a month  by prices of 20" in d.text
        assert "wasabi:mentat-backups/dr" in d.text and "full restore" in d.text
        assert "in 365 days" in d.text and "1.8 TB in 30 snapshots" in d.text
        d.app.screen.query_one("#costs").scroll_end(animate=False)
        await d.until("Backblaze B2, STANDARD")
        await d.press("escape")
        await d.arrive("OverviewScreen")


async def test_it_opens_while_the_engine_hangs() -> None:
    engine = FakeEngine()
    engine.hang = threading.Event()
    try:
        async with drive(engine) as d:
            await d.press("dollar_sign")
            await d.arrive("CostsScreen")
            await d.until("reading the listings")
            assert "LIVE" in d.text
    finally:
        engine.hang.set()


async def test_trouble_and_foreign_text_are_shown_as_they_are() -> None:
    engine = FakeEngine()
    engine.costs.rows = [  # type: ignore[attr-defined]
        type(row)(type(row.id)(HOSTILE, "s", row.id.at, "full", row.id.id), 10, True, True)
        for row in engine.costs.rows  # type: ignore[attr-defined]
    ]
    async with drive(engine) as d:
        await d.press("dollar_sign")
        await d.until("a month")
        assert "\x1b" not in d.text
    engine = FakeEngine()
    engine.broken = "the price table is wrong: [storage]"
    async with drive(engine) as d:
        await d.press("dollar_sign")
        await d.until("the price table is wrong: [storage]")
