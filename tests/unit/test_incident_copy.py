"""An incident's journal on the disk and in the store: torn lines, two machines, a store away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.adapters.local_store import LocalStore
from engine.core import incident_events as said
from engine.core.errors import DamageError, UsageError
from engine.core.incident_events import Line
from engine.operations import incident_copy, incident_journal
from engine.operations.incident_journal import Place
from tests.unit.test_incident import ANNA, BEN, NOW, declared

ID = "20261122T020000Z-database-corruption-0001"


def line(seq: int, text: str) -> Line:
    return Line(seq, NOW + timedelta(minutes=seq), ANNA, said.Noted(text))


@pytest.fixture
def here(tmp_path: Path) -> Place:
    where = incident_journal.place(tmp_path / "here", ID)
    incident_journal.append(where, declared()[1])
    return where


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    (tmp_path / "store").mkdir()
    return LocalStore(tmp_path / "store", "store")


def test_a_torn_line_is_ignored_and_then_cut_off(here: Place) -> None:
    incident_journal.append(here, [line(2, "two")])
    with here.journal.open("ab") as file:
        file.write(b'{"seq": 3, "at"')
    assert [found.seq for found in incident_journal.read(here)] == [1, 2]
    incident_journal.append(here, [line(3, "three [bold] \x1b[31m")])
    assert [found.seq for found in incident_journal.read(here)] == [1, 2, 3]
    assert here.journal.stat().st_mode & 0o777 == 0o600


def test_an_event_of_a_later_version_is_passed_over(here: Place) -> None:
    with here.journal.open("ab") as file:
        file.write(incident_journal.encode(line(2, "x")).replace(b'"note"', b'"levitated"'))
    incident_journal.append(here, [line(3, "three")])
    assert [found.seq for found in incident_journal.read(here)] == [1, 3]
    with here.journal.open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(DamageError):
        incident_journal.read(here)


def test_the_store_follows_and_another_machine_takes_it_up(
    here: Place, store: LocalStore, tmp_path: Path
) -> None:
    assert incident_copy.copy(store, here, "landsraad", NOW).seq == 1
    incident_journal.append(here, [line(2, "two"), line(3, "three")])
    assert incident_copy.copy(store, here, "landsraad", NOW).seq == 3
    assert [r.id for r in incident_copy.remote(store, "landsraad")] == [ID]

    there = incident_journal.place(tmp_path / "there", ID)
    incident_copy.adopt(there, incident_copy.fetch(store, "landsraad", ID), NOW)
    assert incident_journal.read(there) == incident_journal.read(here)
    taken = Line(4, NOW, BEN, said.TookOver("the host is gone"))
    incident_journal.append(there, [taken])
    assert incident_copy.copy(store, there, "landsraad", NOW).problem == ""

    incident_journal.append(here, [line(4, "unaware")])
    copied = incident_copy.copy(store, here, "landsraad", NOW)
    assert "another machine has written this incident from line 4 on" in copied.problem
    assert copied.seq == 3 and incident_copy.state_of(here) == copied
    incident_copy.adopt(here, incident_copy.fetch(store, "landsraad", ID), NOW)
    assert incident_journal.read(here)[-1] == taken
    [aside] = here.folder.glob("diverged-*.jsonl")
    assert b"unaware" in aside.read_bytes()


def test_an_answer_that_was_lost_is_no_quarrel(here: Place, store: LocalStore) -> None:
    incident_copy.copy(store, here, "landsraad", NOW)
    here.copied.unlink()
    incident_journal.append(here, [line(2, "two")])
    assert incident_copy.copy(store, here, "landsraad", NOW).seq == 2


def test_a_store_that_is_away_is_told_and_tried_again(here: Place, tmp_path: Path) -> None:
    away = LocalStore(tmp_path / "store", "store")
    copied = incident_copy.copy(away, here, "landsraad", NOW)
    assert copied.seq == 0 and copied.problem
    (tmp_path / "store").mkdir()
    assert incident_copy.copy(away, here, "landsraad", NOW).seq == 1


def test_a_gap_in_the_store_is_refused(here: Place, store: LocalStore) -> None:
    incident_journal.append(here, [line(2, "two")])
    incident_copy.copy(store, here, "landsraad", NOW)
    prefix = incident_copy.folder("landsraad", ID)
    store.put(f"{prefix}000004.jsonl", incident_journal.encode(line(2, "again")))
    with pytest.raises(Exception, match="missing or twice"):
        incident_copy.fetch(store, "landsraad", ID)
    with pytest.raises(UsageError):
        incident_copy.fetch(store, "mentat", ID)
    with pytest.raises(UsageError):
        incident_journal.place(here.folder, "../../etc")
