"""Each screen opens whatever is down, shows foreign text as it is, and is reached by keys."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from console.messages import JobAdvanced
from console.screens.inventory import InventoryScreen
from console.screens.job import JobScreen
from console.screens.log import LogScreen
from console.screens.restore.source import SourcePage
from console.widgets.controls import Line
from engine.api import KeptData, SnapshotEntry, SnapshotId, events
from tests.console.driving import drive
from tests.console.fake_engine import HOSTILE, NOW, FakeEngine, running_job, source

PLACES = (
    ("o", "OverviewScreen"),
    ("r", "SourcePage"),
    ("i", "InventoryScreen"),
    ("j", "JobsScreen"),
)
SIZES = ((80, 24), (140, 45), (200, 60))


@pytest.mark.parametrize("size", SIZES)
async def test_every_screen_names_host_environment_and_live(size: tuple[int, int]) -> None:
    async with drive(size=size) as d:
        await d.settled()
        for key, name in PLACES:
            await d.press(key)
            await d.arrive(name)
            first = d.text.splitlines()[0]
            assert "mentat-dr  landsraad · production · LIVE" in first
            assert "02:14:07 UTC" in first
            assert "? help" in d.text and "q quit" in d.text


async def test_overview_answers_the_question() -> None:
    async with drive() as d:
        await d.settled()
        await d.until("118 MB/s")
        assert "2 of 6 sources miss their RPO" in d.text
        assert "■ late" in d.text and "3 h 10 min ago" in d.text
        assert "■ no backup" in d.text and "never" in d.text
        assert "backup media" in d.text and "61%" in d.text and "1m22 left" in d.text
        assert "expires in 212 d" in d.text
        await d.press("down", "down")
        await d.until("misses its RPO by 2 h 10 min")
        assert "held by pid 4121" in d.text and "Wait for it, or cancel it." in d.text


async def test_the_first_paint_waits_for_nothing() -> None:
    engine = FakeEngine()
    engine.hang = threading.Event()
    try:
        async with drive(engine) as d:
            await d.until("reading the last listing")
            for key, name in PLACES:
                await d.press(key)
                await d.arrive(name)
                assert "LIVE" in d.text
    finally:
        engine.hang.set()


async def test_an_unreachable_store_is_said_in_place_with_the_age_of_the_listing() -> None:
    engine = FakeEngine()
    engine.unreachable = "no route to s3.wasabisys.com [Errno 113]"
    async with drive(engine) as d:
        await d.settled()
        await d.until("store unreachable, listing of 3 h ago")
        assert d.shows("no route to s3.wasabisys.com [Errno 113]")
        assert d.shows("what you see was listed 3 h ago")
        await d.press("i")
        await d.arrive("InventoryScreen")
        await d.until("what you see was listed 3 h ago")
        assert d.shows("no route to s3.wasabisys.com [Errno 113]")
        assert "shop-uploads" in d.text
        await d.press("o", "r")
        await d.arrive("SourcePage")
        assert "no route to" in d.text
        await d.press("enter")
        await d.arrive("PointPage")
        await d.until("newer snapshots may exist that are not shown")


async def test_an_engine_that_fails_altogether_leaves_every_screen_open() -> None:
    engine = FakeEngine()
    engine.broken = "the state directory is gone: [Errno 2] \x1b[2J"
    async with drive(engine) as d:
        await d.settled()
        for key, name in PLACES:
            await d.press(key)
            await d.arrive(name)
            await d.until("the state directory is gone: [Errno 2] \\x1b[2J")


async def test_nothing_offsite_is_loud_on_every_screen() -> None:
    engine = FakeEngine()
    engine.offsite = False
    engine.store_name = "directory /srv/backup"
    engine.notices = (("warning", "nothing is offsite: the store is a directory on this host"),)
    async with drive(engine) as d:
        await d.settled()
        for key, name in PLACES:
            await d.press(key)
            await d.arrive(name)
            assert "NOTHING IS OFFSITE" in d.text.splitlines()[1]


def hostile_engine() -> FakeEngine:
    engine = FakeEngine()
    entry = SnapshotEntry(
        SnapshotId("h[red]\x1b[31m", "s[bold]\x1b]0;x\x07", NOW, "full", "deadbeef"), 5, True, False
    )
    engine.entries = [entry, *engine.entries]
    engine.sources = (
        replace(source("x", "database", timedelta(hours=9), timedelta(hours=1)), source=HOSTILE),
    )
    engine.hostile = HOSTILE
    engine.store_name = f"bucket {HOSTILE}"
    engine.notices = (("warning", f"notice {HOSTILE}"), ("critical", f"bad {HOSTILE}"))
    engine.kept_data = (KeptData("1", HOSTILE, f"kept {HOSTILE}", NOW),)
    job_id = "20261122T021000Z-backup-9999"
    records = running_job(job_id)
    accepted = replace(records[0].event, title=HOSTILE, user=HOSTILE, sources=(HOSTILE,))
    engine.journals = [[replace(records[0], event=accepted), *records[1:]]]
    engine.append(
        job_id,
        events.CommandStarted(("tar", HOSTILE), HOSTILE),
        events.Output(f"says {HOSTILE}"),
        events.Warned("w", f"warned {HOSTILE}"),
    )
    return engine


@pytest.mark.parametrize(
    ("size", "ascii_only"), [(SIZES[0], False), (SIZES[1], False), (SIZES[2], True)]
)
async def test_foreign_text_is_shown_as_it_is(size: tuple[int, int], ascii_only: bool) -> None:
    """Markup stays text and escapes are spelled out, on every screen and in the palette."""
    async with drive(hostile_engine(), size=size, ascii_only=ascii_only) as d:
        await d.settled()
        await d.until("[bold]x[/] \\x1b[31mred")
        for keys in (("w",), ("l",), ("j",), ("i",), ("enter",), ("r",), ("?",)):
            await d.press(*keys)
            await d.pilot.pause(0.15)
            assert "\x1b" not in d.text
            assert not ascii_only or d.text.isascii()
        await d.press("escape", "o", "ctrl+p")
        await d.until("back up")
        await d.write("restore red")
        await d.until("[bold]x[/]")
        assert "\x1b" not in d.text


async def test_hostile_snapshot_names_reach_the_wizard_unharmed() -> None:
    async with drive(hostile_engine()) as d:
        await d.settled()
        await d.press("i")
        await d.arrive("InventoryScreen")
        await d.until("s[bold]\\x1b]0")
        await d.press("enter")
        await d.arrive("DetailScreen")
        await d.until("[bold]x[/] \\x1b[31mred")
        await d.press("r")
        await d.arrive("TargetPage")


async def test_filter_as_you_type_and_back() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("i")
        await d.arrive("InventoryScreen")
        await d.press("slash")
        await d.write("shop-db mentat")
        await d.until("of 60 snapshots")
        rows = d.text.splitlines()[4:-3]
        assert rows and all("shop-db" in row for row in rows if "UTC" in row)
        await d.press("enter", "backspace")
        await d.until("1/60 snapshots")


async def test_sorting_by_key() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("i")
        await d.arrive("InventoryScreen")
        await d.press("s")
        await d.until("TIME↓")
        await d.press("S")
        await d.until("TIME↑")
        await d.press("home")
        await d.until("1/60")


async def test_enter_on_the_overview_shows_that_sources_snapshots() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("down", "down", "enter")
        await d.arrive("InventoryScreen")
        await d.until("of 60 snapshots")
        assert d.app.screen.query_one("#filter", Line).value == "media"


async def test_details_tell_signature_and_command() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("i", "enter")
        await d.arrive("DetailScreen")
        await d.until("1,294,963 rows")
        assert "✓ good" in d.text
        await d.press("end")
        await d.until("mentat-dr show 20261122T020000Z-logical-00000000")
        assert "--source shop-db --host mentat" in d.flat


async def test_a_bad_signature_is_loud() -> None:
    engine = FakeEngine()
    engine.signature = replace(engine.signature, good=False, problem="made by a stranger's key")
    async with drive(engine) as d:
        await d.settled()
        await d.press("i", "enter")
        await d.until("NOT PROVEN: made by a stranger's key")


async def test_backup_asks_first_and_shows_the_command() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("space", "down", "space", "b")
        await d.arrive("ConfirmDialog")
        assert "mentat-dr backup shop-db shop-uploads" in d.text and "LIVE" in d.text
        assert d.app.screen.focused is not None and d.app.screen.focused.id == "no"
        await d.press("enter")
        await d.arrive("OverviewScreen")
        assert d.engine.started == []
        await d.press("b")
        await d.arrive("ConfirmDialog")
        await d.press("right", "enter")
        await d.arrive("JobScreen")
        assert d.engine.started == [("backup", ("shop-db", "shop-uploads"))]


async def test_help_lists_the_keys_of_the_screen() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("i")
        await d.arrive("InventoryScreen")
        await d.press("question_mark")
        await d.arrive("HelpScreen")
        await d.until("Manifest, signature and contents.")
        await d.press("question_mark")
        await d.arrive("InventoryScreen")


async def test_the_palette_reaches_every_action() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("ctrl+p")
        await d.until("its snapshots")
        await d.write("restore media")
        await d.until(lambda: "restore media" in d.text)
        await d.pilot.pause(0.3)
        await d.press("enter")
        await d.arrive("SourcePage")
        table = d.app.screen.query_one("#choices")
        await d.until(lambda: table.row is not None and table.row.source == "media")  # type: ignore[attr-defined]


async def test_releasing_kept_data_wants_its_name() -> None:
    engine = FakeEngine()
    engine.kept_data = (KeptData("k1", "shop-db", "shop_mysql_before_20261120", NOW),)
    async with drive(engine) as d:
        await d.settled()
        await d.press("x")
        await d.arrive("ConfirmDialog")
        yes = d.app.screen.query_one("#yes")
        assert yes.disabled and "DESTROYS" in d.text
        await d.press("tab")
        await d.write("shop_mysql_before_2026112")
        assert yes.disabled
        await d.write("0")
        await d.until(lambda: not yes.disabled)
        await d.press("enter", "enter")
        await d.until(lambda: engine.started == [("release", ("k1", "shop_mysql_before_20261120"))])


async def test_ticks_and_answers_before_a_screen_stands_do_no_harm() -> None:
    async with drive() as d:
        await d.settled()
        job_id = d.engine.jobs()[0].id
        for screen in (JobScreen(job_id), LogScreen(job_id), InventoryScreen(), SourcePage()):
            d.app.push_screen(screen)
            d.app._tick()
            d.app.repaint()
            d.app._answers.job(JobAdvanced(d.engine.jobs()[0], ()))
            d.app._tick()
            await d.arrive(type(screen).__name__)


async def test_messages_for_screens_in_other_modes_do_no_harm() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("w")
        await d.arrive("JobScreen")
        await d.press("i")
        await d.arrive("InventoryScreen")
        job = d.app.model.jobs[0] if d.app.model.jobs else None
        assert job is not None
        d.app.post_message(JobAdvanced(job, ()))
        await d.press("o")
        await d.arrive("OverviewScreen")
