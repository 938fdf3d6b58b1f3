"""Sets of a host: their keys, their documents, and which one is meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.core.errors import DamageError
from engine.core.host_set import HostSet, Member, SetEntry, SetId, newest_before, parse_set_key
from engine.core.snapshot import parse_key
from engine.ports import StoredObject
from engine.repository.sets import decode, encode, entries

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
ONE = SetId("landsraad", AT, "1a2b3c4d")


def member(source: str, minutes: int, *, fresh: bool = True) -> Member:
    at = AT - timedelta(minutes=minutes)
    return Member(source, "volume", f"{source}-ref", at, 10, 5, fresh)


def test_keys_tell_the_set_and_no_key_is_taken_for_a_snapshot() -> None:
    assert ONE.key == "v1/landsraad/sets/20261122T020000Z-1a2b3c4d.json"
    for name in ("json", "json.sig", "facts.json.zst.gpg"):
        key = ONE.artifact_key(name)
        assert parse_set_key(key) == (ONE, name)
        assert parse_key(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "v1/landsraad/sets/20261122T020000Z-1a2b3c4d",
        "v1/landsraad/sets/20261399T020000Z-1a2b3c4d.json",
        "v1/Lands raad/sets/20261122T020000Z-1a2b3c4d.json",
        "v1/landsraad/journal/20261122T020000Z-1a2b3c4d.json",
        "v2/landsraad/sets/20261122T020000Z-1a2b3c4d.json",
        "v1/landsraad/sets/x/20261122T020000Z-1a2b3c4d.json",
    ],
)
def test_other_keys_are_no_sets(key: str) -> None:
    assert parse_set_key(key) is None


def test_a_listing_tells_which_sets_exist() -> None:
    other = SetId("landsraad", AT + timedelta(hours=1), "00000000")
    keys = [ONE.key, ONE.signature_key, other.artifact_key("facts.json.zst.gpg"), "RECOVERY.md"]
    found = entries(StoredObject(key, 7, AT) for key in keys)
    assert found == [SetEntry(other, 7, False, False), SetEntry(ONE, 14, True, True)]


def test_a_document_comes_back_and_says_how_far_apart_its_members_are() -> None:
    members = (member("db", 5), member("uploads", 2, fresh=False))
    made = HostSet("1.0", ONE, AT, AT, members, missing=("etc",), warnings=("w",))
    assert decode(encode(made)) == made
    assert made.spread == timedelta(minutes=3)
    assert made.recoverable_to == AT - timedelta(minutes=5)
    assert not made.complete
    assert b'"spread_seconds": 180.0' in encode(made)


def test_an_unknown_major_version_and_nonsense_are_refused() -> None:
    document = encode(HostSet("1.0", ONE, AT, AT, ())).replace(b'"1.0"', b'"2.0"', 1)
    with pytest.raises(DamageError, match=r"format 2\.0"):
        decode(document)
    with pytest.raises(DamageError):
        decode(b"[]")


def test_unknown_fields_of_a_later_minor_version_are_no_error() -> None:
    document = encode(HostSet("1.1", ONE, AT, AT, (member("db", 1),)))
    later = document.replace(b'"missing"', b'"new": {"a": 1},\n "missing"')
    assert decode(later).members == (member("db", 1),)


def test_the_newest_before_a_time_is_meant() -> None:
    sets = [
        SetEntry(SetId("h", AT + timedelta(hours=n), f"0000000{n}"), 1, n != 3, True)
        for n in range(4)
    ]
    assert newest_before(sets, None) == sets[2]  # the fourth is not committed
    assert newest_before(sets, AT + timedelta(minutes=90)) == sets[1]
    assert newest_before(sets, AT - timedelta(seconds=1)) is None
