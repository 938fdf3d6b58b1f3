"""Jobs as the console sees them: found on return, followed live, cancelled only when asked."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from console.door import Door
from console.feed import Feed
from console.messages import JobAdvanced, JobsListed
from engine.api import events
from tests.console.driving import drive
from tests.console.fake_engine import NOW, FakeEngine, running_job

RUNNING = "20261122T020900Z-backup-77aa"


async def test_a_returning_operator_is_offered_what_runs() -> None:
    async with drive() as d:
        await d.settled()
        await d.until("backup media")
        assert "w watch" in d.flat
        await d.press("w")
        await d.arrive("JobScreen")
        await d.until("15.2 GB of 25.0 GB")
        assert "118 MB/s" in d.text and "1m22 left" in d.text
        assert "$ tar --xattrs" in d.text
        assert "a[1].jpg: file changed as we read it" in d.text
        assert f"mentat-dr job attach {RUNNING}" in d.text
        await d.press("backspace")
        await d.arrive("JobsScreen")


async def test_a_job_is_followed_to_its_end() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("w")
        await d.arrive("JobScreen")
        d.engine.append(
            RUNNING, events.Progress("pack media", 20_000_000_000, 25_000_000_000, 99e6, 50.0)
        )
        await d.until("20.0 GB of 25.0 GB")
        d.engine.append(
            RUNNING,
            events.PhaseEnded("pack media", 212.0, 25_000_000_000),
            events.Warned("changed", "a[1].jpg changed while it was read"),
            events.Result("warnings", "1 snapshot, 9.1 GB stored; 1 warnings"),
        )
        await d.until("done with warnings")
        assert "3m32" in d.text and "a[1].jpg changed while it was read" in d.text
        assert d.engine.cancelled == []


async def test_silence_is_said() -> None:
    now = [NOW]
    async with drive(clock=lambda: now[0]) as d:
        await d.settled()
        await d.press("w")
        await d.arrive("JobScreen")
        await d.until("last output 0 s ago")
        now[0] = NOW + timedelta(seconds=95)
        d.app.screen.tick(now[0])  # type: ignore[attr-defined]
        await d.until("last output 1 min ago")


async def test_an_interrupted_job_says_what_next() -> None:
    engine = FakeEngine()
    engine.interrupted = {RUNNING}
    async with drive(engine) as d:
        await d.settled()
        await d.press("j")
        await d.arrive("JobsScreen")
        await d.until("interrupted")
        assert "Start it again." in d.text
        await d.press("enter")
        await d.arrive("JobScreen")
        await d.until("its process died")


async def test_a_job_that_dies_while_watched_is_said_to_be_interrupted() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("w")
        await d.arrive("JobScreen")
        await d.until("15.2 GB of 25.0 GB")
        d.engine.interrupted = {RUNNING}
        await d.until("the job was interrupted: its process died")


async def test_cancel_asks_and_the_safe_answer_has_the_focus() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("j", "c")
        await d.arrive("ConfirmDialog")
        assert f"mentat-dr job cancel {RUNNING}" in d.flat
        await d.press("enter")
        await d.arrive("JobsScreen")
        assert d.engine.cancelled == []
        await d.press("c")
        await d.arrive("ConfirmDialog")
        await d.press("tab", "enter")
        await d.until(lambda: d.engine.cancelled == [RUNNING])
        await d.until("cancelled")


async def test_the_log_shows_every_record_and_follows() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("j", "l")
        await d.arrive("LogScreen")
        await d.until("$ tar --xattrs -C /var/lib/docker/volumes/media -c .")
        d.engine.append(RUNNING, events.Output("the newest line [of] all"))
        await d.until("the newest line [of] all")
        await d.press("slash")
        await d.write("newest")
        await d.until(lambda: "--xattrs" not in d.text)
        assert "the newest line [of] all" in d.text


async def test_leaving_the_console_touches_no_job() -> None:
    engine = FakeEngine()
    async with drive(engine) as d:
        await d.settled()
        await d.press("w")
        await d.arrive("JobScreen")
        await d.press("q")
    assert engine.cancelled == [] and engine.started == []
    assert not engine.job(RUNNING).final


async def test_the_feed_coalesces_and_goes_on_where_it_stopped() -> None:
    engine = FakeEngine()
    engine.journals = [running_job()]
    posted: list[object] = []
    feed = Feed(Door(engine), posted.append, busy=0.01, idle=0.01)
    task = asyncio.get_running_loop().create_task(feed.run())

    async def until(count: int) -> list[JobAdvanced]:
        for _ in range(1000):
            found = [m for m in posted if isinstance(m, JobAdvanced)]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"{count} messages never came: {posted}")

    [first] = await until(1)
    assert first.first and len(first.records) == 6 and first.job.state == "running"
    engine.append(RUNNING, *(events.Output(f"line {n}") for n in range(50)))
    second = (await until(2))[1]
    assert not second.first and second.job.last_output.startswith("line ")
    engine.append(RUNNING, events.Result("done", "done"))
    await asyncio.sleep(0.2)
    found = [m for m in posted if isinstance(m, JobAdvanced)]
    assert found[-1].job.state == "done"
    assert sum(len(m.records) for m in found) == 57
    assert len(found) < 20
    assert any(isinstance(m, JobsListed) for m in posted)
    task.cancel()
