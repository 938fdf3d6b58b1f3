"""`make screenshots`: the console's screens as SVG, drawn from a rehearsed fleet at a fixed moment.

The same facts and the same clock each time, so that a picture changes only when a screen does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.console.driving import Drive, drive
from tests.console.test_snapshots import asking, inventory, job, jobs, overview, plan, target

FOLDER = Path(__file__).resolve().parents[2] / "screenshots"
SIZE = (100, 30)
FONTS = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
Way = Callable[[Drive], Awaitable[None]]


async def source(d: Drive) -> None:
    await d.press("r")
    await d.arrive("SourcePage")


async def point(d: Drive) -> None:
    await source(d)
    await d.press("enter")
    await d.arrive("PointPage")


async def keys(d: Drive) -> None:
    await d.press("question_mark")
    await d.arrive("HelpScreen")


SCREENS: dict[str, Way] = {
    "overview": overview,
    "inventory": inventory,
    "restore-1-source": source,
    "restore-2-point": point,
    "restore-4-target": target,
    "restore-5-plan": plan,
    "jobs": jobs,
    "job": job,
    "confirm": asking,
    "help": keys,
}


async def draw(name: str, way: Way) -> Path:
    """Go to a screen and keep its picture."""
    async with drive(size=SIZE) as d:
        await d.settled()
        await way(d)
        await d.pilot.pause()
        file = FOLDER / f"{name}.svg"
        drawn = d.app.export_screenshot(title=f"mentat-dr: {name}")
        # A picture of a tool for the day without a network fetches no fonts.
        file.write_text(FONTS.sub("", drawn), "utf-8")
        return file


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, way in SCREENS.items():
        print(asyncio.run(draw(name, way)).relative_to(FOLDER.parent))


if __name__ == "__main__":
    main()
