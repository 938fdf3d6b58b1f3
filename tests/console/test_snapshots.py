"""The main screens as pictures, so that no change of looks comes unseen.

`pytest tests/console/test_snapshots.py --snapshot-update` takes them anew; look at them first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from console.app import MentatApp
from tests.console.driving import Drive
from tests.console.fake_engine import NOW, FakeEngine

SIZES = {"80x24": (80, 24), "140x45": (140, 45)}
LOOKS: dict[str, dict[str, bool]] = {
    "colour": {},
    "plain": {"ascii_only": True, "no_colour": True, "many_colours": False},
}
Way = Callable[[Drive], Awaitable[None]]


async def overview(d: Drive) -> None:
    await d.press("down", "down")
    await d.until("misses its RPO by")


async def inventory(d: Drive) -> None:
    await d.press("i")
    await d.arrive("InventoryScreen")
    await d.until("60 snapshots")
    if d.app.screen.size.width >= 132:
        await d.until("1,294,963 rows")


async def target(d: Drive) -> None:
    await d.press("r")
    await d.arrive("SourcePage")
    await d.press("enter")
    await d.arrive("PointPage")
    await d.press("enter")
    await d.arrive("TargetPage")
    await d.until("opens")


async def plan(d: Drive) -> None:
    await target(d)
    await d.press("3", "enter")
    await d.arrive("PlanPage")
    await d.until("READS")


async def jobs(d: Drive) -> None:
    await d.press("j", "down")
    await d.arrive("JobsScreen")
    await d.until("1,294,963")


async def job(d: Drive) -> None:
    await d.press("w")
    await d.arrive("JobScreen")
    await d.until("15.2 GB of 25.0 GB")


async def asking(d: Drive) -> None:
    await d.press("b")
    await d.arrive("ConfirmDialog")


WAYS: dict[str, Way] = {
    way.__name__: way for way in (overview, inventory, target, plan, jobs, job, asking)
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_looks_as_before(
    snap_compare: Any, monkeypatch: pytest.MonkeyPatch, way: str, size: str, look: str
) -> None:
    if LOOKS[look].get("no_colour"):
        monkeypatch.setenv("NO_COLOR", "1")
    engine = FakeEngine()
    app = MentatApp(engine, clock=lambda: NOW, ticking=False, **LOOKS[look])

    async def go(pilot: Pilot[Any]) -> None:
        d = Drive(app, engine, pilot)
        await d.settled()
        await d.until("backup media")
        await WAYS[way](d)
        await pilot.pause(0.1)

    assert snap_compare(app, run_before=go, terminal_size=SIZES[size])
