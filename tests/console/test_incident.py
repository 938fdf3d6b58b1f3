"""The incident on screen: declared, worked through by keys, taken up by another console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.api.door import Door
from engine.core.health import Contact
from engine.settings import StoreSettings
from tests.console.driving import Drive, drive
from tests.console.fake_engine import FakeEngine
from tests.console.fake_facts import settings


def engine_in(place: Path) -> FakeEngine:
    """A fake engine whose incidents are real ones, below a folder of their own."""
    made = FakeEngine()
    contact = Contact("Anna [lead]", "on call", ("+49 30 1234",))
    (place / "store").mkdir(exist_ok=True)
    store = StoreSettings("directory", path=str(place / "store"))
    own = replace(settings(), state=place / "state", contacts=(contact,), repository=store)
    made.door = Door(replace(own, file=place / "config.toml"))
    return made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    yield engine_in(tmp_path)


def now() -> datetime:
    return datetime.now(UTC)


async def declare(d: Drive) -> None:
    await d.settled()
    await d.press("R")
    await d.arrive("RunbooksScreen")
    await d.until("Database corruption")
    await d.press("down")
    await d.press("b")
    await d.arrive("ChoiceDialog")
    await d.press("2", "enter")
    await d.until("the database source")
    await d.press("enter")
    await d.arrive("IncidentScreen")
    await d.until("RTO 1h")


async def test_an_incident_is_declared_and_worked_through_by_keys(engine: FakeEngine) -> None:
    async with drive(engine, clock=now) as d:
        await declare(d)
        assert "DRILL INCIDENT" in d.text and "Confirm the corruption" in d.text
        assert "Is the server up, is the disk full" in d.flat
        await d.press("enter")
        await d.arrive("TextDialog")
        await d.write("two tables")
        await d.press("enter")
        await d.until("two tables")
        incident = engine.incidents.current()
        assert incident is not None and incident.of(incident.runbook.steps[0]).state == "done"
        await d.press("n")
        await d.arrive("TextDialog")
        await d.write("hello")
        await d.press("enter")
        await d.arrive("IncidentScreen")
        await d.until(lambda: engine.incidents.get().notes == 1)
        await d.press("t")
        await d.arrive("TimelineScreen")
        await d.until("note: hello")
        await d.press("escape")
        await d.arrive("IncidentScreen")


async def test_skipping_wants_a_reason(engine: FakeEngine) -> None:
    engine.incidents.declare("database-corruption", values={"source": "shop-db"})
    async with drive(engine, clock=now) as d:
        await d.settled()
        await d.until("LIVE INCIDENT")
        await d.press("R")
        await d.arrive("IncidentScreen")
        await d.press("s")
        await d.arrive("TextDialog")
        await d.press("enter")
        assert d.at == "TextDialog", "nothing typed is no reason"
        await d.write("known")
        await d.press("enter")
        await d.until("known")
        assert engine.incidents.get().of(engine.incidents.get().runbook.steps[0]).state == "skipped"


async def test_every_screen_says_that_an_incident_is_open(engine: FakeEngine) -> None:
    engine.incidents.declare("network-dns", values={"name": "shop", "address": "192.0.2.1"})
    async with drive(engine, clock=now) as d:
        await d.settled()
        for key in ("o", "i", "j", "r", "C", "R"):
            await d.press(key)
            await d.until("LIVE INCIDENT")
            assert "Network or DNS failure" in d.text


async def test_another_console_takes_it_up(engine: FakeEngine, tmp_path: Path) -> None:
    async with drive(engine, clock=now) as d:
        await declare(d)
    again = engine_in(tmp_path)
    async with drive(again, clock=now) as d:
        await d.settled()
        await d.until("DRILL INCIDENT")
        await d.press("R")
        await d.arrive("IncidentScreen")
        await d.press("enter")
        await d.arrive("TextDialog")


async def test_who_does_not_lead_watches(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MENTAT_DR_PERSON", "ben")
    engine.incidents.declare("network-dns", values={"name": "shop", "address": "192.0.2.1"})
    monkeypatch.setenv("MENTAT_DR_PERSON", "anna")
    async with drive(engine_in(tmp_path), clock=now) as d:
        await d.settled()
        await d.until("LIVE INCIDENT")
        await d.press("R")
        await d.arrive("IncidentScreen")
        await d.until("you WATCH")
        await d.press("enter")
        await d.until(lambda: "You watch" in str([n.message for n in d.app._notifications]))
        await d.press("l")
        await d.arrive("TextDialog")
        await d.write("away")
        await d.press("enter")
        await d.until("lead anna")


async def test_the_cards_stand_with_everything_down(engine: FakeEngine) -> None:
    engine.unreachable = "no route to host"
    async with drive(engine, size=(100, 80)) as d:
        await d.settled()
        await d.press("C")
        await d.arrive("ReferenceScreen")
        await d.until("Contacts and escalation")
        assert "Anna [lead]" in d.text and "gpg --decrypt" in d.text and "AB" * 20 in d.text
        await d.press("enter")
        await d.arrive("ChoiceDialog")
        await d.press("2", "enter")
        await d.arrive("TextScreen")
        await d.until("Database corruption: RTO 1h")


async def test_runbooks_can_be_read_in_ascii_at_80x24(engine: FakeEngine) -> None:
    async with drive(engine, ascii_only=True) as d:
        await d.settled()
        await d.press("R")
        await d.arrive("RunbooksScreen")
        await d.until("Security breach")
        await d.press("enter")
        await d.arrive("TextScreen")
        await d.until("How it looks")
        assert d.text.isascii()
