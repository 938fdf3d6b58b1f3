"""The restore wizard, by keys alone."""

from __future__ import annotations

from dataclasses import replace

from textual.widgets import Input

from console.screens.restore.draft import Draft
from console.widgets.controls import Press
from console.widgets.table import VirtualTable
from engine.api import Target, events
from tests.console.driving import Drive, drive
from tests.console.fake_engine import PASSPHRASE, FakeEngine

MOST_KEYS = 12


async def keys(d: Drive, counted: list[str], *names: str) -> None:
    counted += names
    await d.press(*names)


async def to_plan(d: Drive, where: str = "3") -> list[str]:
    """From the overview to the plan of the first source; the keys it took."""
    counted: list[str] = []
    await keys(d, counted, "r")
    await d.arrive("SourcePage")
    await keys(d, counted, "enter")
    await d.arrive("PointPage")
    await keys(d, counted, "enter")
    await d.arrive("TargetPage")
    await keys(d, counted, where, "enter")
    if where == "1":
        await keys(d, counted, "enter")
    await d.arrive("PlanPage")
    await d.until(lambda: d.app.screen.plan is not None or "There is no plan" in d.text)  # type: ignore[attr-defined]
    await d.pilot.pause()
    return counted


def focused(d: Drive) -> str | None:
    return d.app.screen.focused.id if d.app.screen.focused else None


async def test_a_restore_in_place_takes_few_keys_and_the_typed_name() -> None:
    async with drive() as d:
        await d.settled()
        counted = await to_plan(d)
        assert focused(d) == "cancel"
        for group in ("READS", "CHANGES", "DESTROYS", "STOPS", "UNKNOWN", "TIME"):
            assert group in d.text
        assert "shop_mysql_before_20261122T0214Z" in d.text
        await keys(d, counted, "tab")
        await d.write("shop-mysql")
        await keys(d, counted, "enter")
        await d.until(lambda: focused(d) == "restore")
        await keys(d, counted, "enter")
        await d.arrive("JobScreen")
        assert len(counted) <= MOST_KEYS, counted
        [(operation, (request, passphrase))] = d.engine.started
        assert operation == "restore" and passphrase is None
        assert request.source == "shop-db" and request.host == "landsraad"
        assert request.target == Target("in-place") and request.confirm == "shop-mysql"
        await d.until("141 MB/s")
        assert "1.2 GB of 3.1 GB" in d.text and "13 s left" in d.text
        assert "Leaving is safe" in d.text


async def test_the_cursor_of_the_overview_is_the_source_offered() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("down", "down", "r")
        await d.arrive("SourcePage")
        table = d.app.screen.query_one("#choices", VirtualTable)
        await d.until(lambda: table.row is not None)
        assert table.row.source == "media"


async def test_r_in_the_inventory_takes_that_snapshot() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("i", "down", "down")
        await d.arrive("InventoryScreen")
        row = d.app.screen.query_one("#snapshots", VirtualTable).row
        await d.press("r")
        await d.arrive("TargetPage")
        await d.press("2", "enter")
        await d.arrive("PlanPage")
        await d.until(lambda: d.app.screen.plan is not None)  # type: ignore[attr-defined]
        assert d.app.screen.plan.snapshot == row.id  # type: ignore[attr-defined]


async def test_the_typed_name_must_match_exactly() -> None:
    async with drive() as d:
        await d.settled()
        await to_plan(d)
        restore = d.app.screen.query_one("#restore", Press)
        await d.press("tab")
        for wrong in ("Shop-mysql", "shop-mysq", "shop-mysqlx"):
            d.app.screen.query_one("#confirm", Input).value = wrong
            await d.pilot.pause()
            assert restore.disabled
            await d.press("enter")
            assert focused(d) == "confirm"
        restore.action_press()
        await d.pilot.pause(0.1)
        assert d.engine.started == []


async def test_cancel_and_enter_by_habit_start_nothing() -> None:
    async with drive() as d:
        await d.settled()
        await to_plan(d, "1")
        assert focused(d) == "cancel"
        await d.press("enter")
        await d.arrive("TargetPage")
        assert d.engine.started == []


async def test_a_restore_into_a_directory_wants_no_name() -> None:
    async with drive() as d:
        await d.settled()
        await to_plan(d, "1")
        assert not d.app.screen.query_one("#confirm-line").display
        await d.press("tab", "enter")
        await d.arrive("JobScreen")
        [(_, (request, _))] = d.engine.started
        assert request.target.where == "directory" and request.target.path.startswith("/")
        assert request.confirm == ""


async def test_a_relative_directory_is_refused_at_once() -> None:
    async with drive() as d:
        await d.settled()
        await d.press("r")
        await d.arrive("SourcePage")
        await d.press("enter")
        await d.arrive("PointPage")
        await d.press("enter")
        await d.arrive("TargetPage")
        d.app.screen.query_one("#path", Input).value = "restored/here"
        await d.press("enter", "enter")
        await d.until("Give an absolute path")
        assert d.at == "TargetPage"


async def to_key(d: Drive) -> None:
    await d.press("r")
    await d.arrive("SourcePage")
    await d.press("enter")
    await d.arrive("PointPage")
    await d.press("enter")
    await d.arrive("KeyPage")
    await d.until("wants its passphrase")


async def test_a_wrong_passphrase_stays_and_says_so_and_nothing_keeps_it() -> None:
    engine = FakeEngine()
    engine.passphrase = PASSPHRASE
    async with drive(engine) as d:
        await d.settled()
        await to_key(d)
        await d.write("wrong horse")
        assert "wrong" not in d.text and "*" * 11 in d.text
        await d.press("enter")
        await d.until("the passphrase does not open the key")
        assert d.at == "KeyPage" and focused(d) == "passphrase"
        line = d.app.screen.query_one("#passphrase", Input)
        assert line.value == ""
        await d.write(PASSPHRASE)
        await d.press("enter")
        await d.arrive("TargetPage")
        assert line.value == ""
        assert engine.checked == ["wrong horse", PASSPHRASE]
        draft: Draft = d.app.screen.draft  # type: ignore[attr-defined]
        assert PASSPHRASE not in repr(draft)
        await d.press("3", "enter")
        await d.arrive("PlanPage")
        await d.until("passphrase checked")
        await d.press("tab")
        await d.write("shop-mysql")
        await d.press("enter", "enter")
        await d.arrive("JobScreen")
        [(_, (_, passphrase))] = engine.started
        assert passphrase == PASSPHRASE
        assert draft.passphrase is None
        for widget in d.app.screen_stack[0].walk_children():
            assert PASSPHRASE not in str(getattr(widget, "value", ""))


async def test_leaving_the_wizard_forgets_the_passphrase() -> None:
    engine = FakeEngine()
    engine.passphrase = PASSPHRASE
    async with drive(engine) as d:
        await d.settled()
        await to_key(d)
        await d.write(PASSPHRASE)
        await d.press("enter")
        await d.arrive("TargetPage")
        draft: Draft = d.app.screen.draft  # type: ignore[attr-defined]
        assert draft.passphrase == PASSPHRASE
        await d.press("o")
        await d.arrive("OverviewScreen")
        assert draft.passphrase is None


async def test_a_missing_key_says_what_to_do_and_can_be_tried_again() -> None:
    engine = FakeEngine()
    async with drive(engine) as d:
        await d.settled()
        engine.broken = "the secret key is not on this host"
        await d.press("r")
        await d.arrive("SourcePage")
        await d.press("enter")
        await d.arrive("PointPage")
        await d.press("enter")
        await d.arrive("KeyPage")
        await d.until("the secret key is not on this host")
        assert "Mend it." in d.text
        engine.broken = ""
        await d.press("enter")
        await d.arrive("TargetPage")


async def test_a_blocked_plan_cannot_start() -> None:
    engine = FakeEngine()
    engine.blockers = ("not enough room: 10.4 GB wanted, 2.0 GB free",)
    async with drive(engine) as d:
        await d.settled()
        await to_plan(d)
        await d.until("not enough room: 10.4 GB wanted, 2.0 GB free")
        await d.press("tab")
        await d.write("shop-mysql")
        assert d.app.screen.query_one("#restore", Press).disabled


async def test_an_unproven_manifest_wants_its_id_typed_and_a_second_look() -> None:
    engine = FakeEngine()
    engine.signature = replace(engine.signature, good=False, problem="no signature")
    async with drive(engine) as d:
        await d.settled()
        await to_plan(d)
        await d.until("the manifest cannot be trusted: no signature")
        ref = d.app.screen.plan.snapshot.ref  # type: ignore[attr-defined]
        await d.press("tab")
        await d.write(ref)
        await d.press("enter", "enter")
        await d.until(lambda: "cannot be trusted" not in d.text and "READS" in d.text)
        assert engine.started == [] and focused(d) == "cancel"
        await d.press("tab")
        await d.write("shop-mysql")
        await d.press("enter", "enter")
        await d.arrive("JobScreen")
        assert engine.started[0][1][0].accept_unsigned == ref


async def test_a_plan_that_fails_is_said_with_its_remedy() -> None:
    engine = FakeEngine()
    async with drive(engine) as d:
        await d.settled()
        engine.unreachable = "no route to the store"
        await to_plan(d)
        await d.until("no route to the store")
        assert "Check the network and the endpoint." in d.text
        assert d.app.screen.query_one("#restore", Press).disabled


async def test_the_result_tells_what_was_proven_and_what_is_kept() -> None:
    async with drive() as d:
        await d.settled()
        await to_plan(d, "1")
        await d.press("tab", "enter")
        await d.arrive("JobScreen")
        job_id = d.app.screen.job_id  # type: ignore[attr-defined]
        d.engine.append(
            job_id,
            events.PhaseEnded("fetch", 22.5, 3_100_000_000),
            events.Result("done", "shop-db restored, 1,294,963 rows compared", {"tables": 2}),
        )
        await d.until("shop-db restored, 1,294,963 rows compared")
        assert "✓ done" in d.text and "download and decrypt" in d.text


async def test_a_failure_tells_its_remedy() -> None:
    async with drive() as d:
        await d.settled()
        await to_plan(d, "1")
        await d.press("tab", "enter")
        await d.arrive("JobScreen")
        d.engine.append(
            d.app.screen.job_id,  # type: ignore[attr-defined]
            events.Failed("no-space", "the disk is full", "Free 3 GB and start it again.", 1),
        )
        await d.until("Free 3 GB and start it again.")
        assert "✗ failed" in d.text and "the disk is full" in d.text
