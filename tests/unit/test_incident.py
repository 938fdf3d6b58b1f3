"""An incident as a fold: what may be done, what the clocks say, what the report tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from engine.core import document, incident_report
from engine.core import incident_events as said
from engine.core.incident import (
    Incident,
    approval_refusal,
    declare,
    fold,
    lead_refusal,
    refusal,
)
from engine.core.incident_clock import clock, history, took
from engine.core.incident_events import IncidentEvent, Line, Who
from engine.core.runbook import LIFE, Move, Step
from engine.operations import incident_journal, runbook_reading

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
ANNA = Who("anna", "root", "10.0.0.7", "landsraad", "ssh-1")
BEN = Who("ben", "root", "10.0.0.9", "landsraad", "ssh-2")
SHELF = runbook_reading.shelf(Path("/nonexistent"))
BOOK = SHELF.books["database-corruption"]
DOCUMENT = (SHELF.documents or {})["database-corruption"]


def declared(at: datetime = NOW) -> tuple[Incident, list[Line]]:
    event = said.Declared(
        "20261122T020000Z-database-corruption-0001",
        "LIVE",
        "landsraad",
        "production",
        at - timedelta(minutes=5),
        DOCUMENT,
        {"source": "shop-db"},
    )
    line = Line(1, at, ANNA, event)
    return declare(line, BOOK), [line]


class Told:
    """An incident and its journal, a minute a line."""

    def __init__(self) -> None:
        self.incident, self.lines = declared()

    def say(self, *events: IncidentEvent, who: Who = ANNA, minutes: float = 1) -> Incident:
        for event in events:
            at = self.lines[-1].at + timedelta(minutes=minutes)
            line = Line(len(self.lines) + 1, at, who, event)
            self.lines.append(line)
            self.incident = fold(self.incident, [line])
        return self.incident

    def settle(self, *names: str, answer: str = "") -> Incident:
        return self.say(*(said.StepFinished(name, answer=answer) for name in names))


def step(name: str) -> Step:
    found = BOOK.step(name)
    assert found is not None
    return found


def test_steps_wait_for_what_they_need() -> None:
    told = Told()
    assert told.incident.standing(step("writers")) == "waiting"
    assert "it waits for: 1 Confirm" in refusal(told.incident, step("writers"), "begin")
    assert not refusal(told.incident, step("confirm"), "finish")
    told.settle("confirm")
    assert told.incident.standing(step("writers")) == "ready"


def test_a_decision_leaves_steps_out() -> None:
    told = Told()
    told.settle("confirm", "points", "key", "writers", "binlogs")
    told.say(said.StepFinished("point", answer="latest"))
    told.settle("alongside", "look")
    told.say(said.StepFinished("go", answer="tables"))
    assert told.incident.standing(step("switch")) == "unneeded"
    assert told.incident.standing(step("tables")) == "ready"
    assert told.incident.known()["answer.point"] == "latest"
    told.say(said.StepReversing("go", "wrong"), said.StepReversed("go"))
    assert told.incident.standing(step("switch")) == "waiting"


def test_a_second_person_must_approve() -> None:
    told = Told()
    told.settle("confirm", "points", "key", "writers", "binlogs")
    told.say(said.StepFinished("point", answer="latest"))
    told.settle("alongside", "look")
    told.say(said.StepFinished("go", answer="whole"))
    switch = step("switch")
    assert "second person" in refusal(told.incident, switch, "begin")
    assert approval_refusal(told.incident, switch, BEN) == "nobody has asked for approval yet"
    told.say(said.ApprovalAsked("switch"))
    assert "another person" in approval_refusal(told.incident, switch, ANNA)
    twin = Who("ben", "root", "10.0.0.7", "landsraad", ANNA.session)
    assert "this very login" in approval_refusal(told.incident, switch, twin)
    assert not approval_refusal(told.incident, switch, BEN)
    told.say(said.Approved("switch"), who=BEN)
    assert not refusal(told.incident, switch, "begin")
    told.say(said.StepBegan("switch"), said.StepFailed("switch", "no room"))
    assert not refusal(told.incident, switch, "begin"), "the same doing, once more"
    told.say(said.StepReversing("switch", "x"), said.StepReversed("switch"))
    assert "second person" in refusal(told.incident, switch, "begin"), "another doing"


def test_only_the_lead_acts_until_it_is_handed_over() -> None:
    told = Told()
    assert not lead_refusal(told.incident, ANNA)
    assert "anna (as root) from 10.0.0.7 leads" in lead_refusal(told.incident, BEN)
    told.say(said.HandedOver("ben", "all of it"))
    assert told.incident.lead == ANNA and told.incident.offered == ("ben", "all of it")
    told.say(said.HandOverAccepted(), who=BEN)
    assert told.incident.lead == BEN and told.incident.roles["lead"] == "ben"
    assert lead_refusal(told.incident, ANNA) and not lead_refusal(told.incident, BEN)
    elsewhere = Who("ben", "root", "10.0.0.9", "mentat", "ssh-9")
    assert "on landsraad" in lead_refusal(told.incident, elsewhere)


def test_the_clock_says_when_the_target_will_be_missed() -> None:
    told = Told()
    start = clock(told.incident, NOW)
    assert start.rto == timedelta(hours=1) and start.elapsed == timedelta()
    assert start.deadline == NOW + timedelta(hours=1)
    assert start.projected == NOW + BOOK.expected, "of an open decision its longest way"
    assert not start.missed
    measured = {s.id: timedelta(seconds=30) for s in BOOK.steps}
    quick = clock(told.incident, NOW, measured)
    assert not quick.missed and quick.projected is not None
    assert quick.projected < NOW + timedelta(minutes=10)
    late = clock(told.incident, NOW + timedelta(minutes=59), measured)
    assert late.missed and late.deadline == NOW + timedelta(hours=1)


def test_a_running_step_counts_what_is_left_of_it() -> None:
    told = Told()
    told.settle("confirm")
    told.say(said.StepBegan("writers"))
    began = told.lines[-1].at
    at_once = clock(told.incident, began).projected
    later = clock(told.incident, began + timedelta(seconds=40)).projected
    overdue = clock(told.incident, began + timedelta(minutes=5)).projected
    assert at_once == later and overdue is not None and later is not None
    assert overdue - later == timedelta(minutes=4)
    assert took(told.incident, step("writers"), began + timedelta(minutes=5)) == timedelta(
        minutes=5
    )


def recovered() -> Told:
    told = Told()
    told.settle("confirm", "points", "key")
    told.say(said.StepBegan("writers"), said.StepJob("writers", "job-1", "landsraad"))
    told.say(said.StepFinished("writers", "stopped shop-web"))
    told.say(said.StepSkipped("binlogs", "the server does not answer"))
    told.say(said.EvidenceKept("log", "ab" * 32, 12, "v1/x", "evidence"))
    told.settle("evidence")
    told.say(said.StepFinished("point", answer="2026-11-22T01:52:07Z"))
    told.settle("alongside", "look")
    told.say(said.StepFinished("go", answer="whole"))
    told.say(said.ApprovalAsked("switch"))
    told.say(said.Approved("switch"), who=BEN)
    told.say(said.StepBegan("switch", facts={"recoverable_to": "2026-11-22T01:52:07+00:00"}))
    told.settle("switch", "health", "resume")
    return told


def test_the_clock_stops_at_the_recovery() -> None:
    told = recovered()
    times = clock(told.incident, NOW + timedelta(days=1))
    assert told.incident.recovered_at == told.lines[-1].at
    assert times.elapsed == told.lines[-1].at - NOW and times.projected is None
    assert not times.missed and times.lost == timedelta(minutes=2, seconds=53)
    assert told.incident.closed is None and told.incident.next_step is not None
    assert told.incident.next_step.id == "backup"


def test_the_report_tells_all_of_it() -> None:
    told = recovered()
    told.say(said.FollowUp("Ben mends the release script by 12-01"))
    told.say(said.Closed("recovered", "A release dropped a table."))
    text = document.markdown(
        incident_report.title(told.incident),
        incident_report.blocks(told.incident, told.lines, NOW + timedelta(days=1)),
    )
    for wanted in (
        "Recovered, RTO met. A release dropped a table.",
        "| RPO | 15m | 2m 53s (met) |",
        "skipped",
        "the server does not answer",
        "ben (as root) from 10.0.0.9 | approves 11 Switch the live database over",
        "ab" * 32,
        "- [ ] Ben mends the release script by 12-01",
    ):
        assert wanted in text, wanted
    assert refusal(told.incident, step("backup"), "begin").startswith("the incident was closed")


def test_the_hand_over_fits_a_page() -> None:
    told = recovered()
    text = incident_report.handover(told.incident, told.lines, told.lines[-1].at)
    assert "15 Back up the recovered database" in text and "source=shop-db" in text
    assert len(text.splitlines()) < 24


def test_earlier_incidents_give_the_durations() -> None:
    assert history([recovered().incident])["writers"] == timedelta(minutes=2)


ALL_MOVES: list[Move] = ["begin", "finish", "fail", "skip", "reverse", "undone"]
EVENTS: dict[Move, Callable[[str], IncidentEvent]] = {
    "begin": said.StepBegan,
    "finish": lambda s: said.StepFinished(s, answer="whole" if s == "go" else "latest"),
    "fail": lambda s: said.StepFailed(s, "why"),
    "skip": lambda s: said.StepSkipped(s, "why"),
    "reverse": lambda s: said.StepReversing(s, "why"),
    "undone": said.StepReversed,
}


@hypothesis.settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([s.id for s in BOOK.steps]), st.sampled_from(ALL_MOVES))))
def test_whatever_is_allowed_follows_the_table(acts: list[tuple[str, Move]]) -> None:
    told = Told()
    for name, move in acts:
        before = told.incident.of(step(name)).state
        if refusal(told.incident, step(name), move):
            continue
        told.say(EVENTS[move](name))
        assert told.incident.of(step(name)).state == LIFE[(before, move)]
    again = b"".join(incident_journal.encode(line) for line in told.lines)
    refolded = incident_journal.folded(incident_journal.lines(again), told.incident.id)
    book = replace(refolded.runbook, origin=BOOK.origin)
    assert replace(refolded, runbook=book) == told.incident
