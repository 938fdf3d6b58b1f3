"""Journal lines: every event comes back, and nothing in a file can hurt its reader."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import events
from engine.jobs import codec

NOW = datetime(2026, 11, 22, 2, 14, 0, 5, tzinfo=UTC)
whole = st.integers(-(2**62), 2**62)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | whole | text | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(text, json_values, max_size=4)
plain_float = st.floats(allow_nan=False, allow_infinity=False)
STRATEGIES = {
    "str": text,
    "int": whole,
    "int | None": st.none() | whole,
    "float": plain_float,
    "float | None": st.none() | plain_float,
    "tuple[str, ...]": st.lists(text, max_size=4).map(tuple),
    "Mapping[str, Any]": mappings,
    "Outcome": st.sampled_from(["done", "warnings"]),
}


def any_event() -> st.SearchStrategy[events.Event]:
    return st.one_of(
        *(
            st.builds(cls, **{f.name: STRATEGIES[str(f.type)] for f in fields(cls)})
            for cls in events.EVENTS.values()
        )
    )


@given(any_event(), st.integers(1, 2**40))
def test_every_event_comes_back(event: events.Event, seq: int) -> None:
    line = codec.encode(events.Record(seq, NOW, event))
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert codec.decode(line[:-1], 0, datetime.now(UTC)) == events.Record(seq, NOW, event)


@given(st.binary(max_size=200) | text.map(str.encode) | json_values.map(json.dumps).map(str.encode))
def test_strange_lines_become_output(line: bytes) -> None:
    record = codec.decode(line.replace(b"\n", b" "), 7, NOW)
    assert isinstance(record.event, events.Output)
    assert record.event.line.startswith("unreadable line")
    assert (record.seq, record.at) == (7, NOW)


@pytest.mark.parametrize(
    "line",
    [
        b'{"seq":1,"at":"2026-11-22T02:14:00Z","event":"started","pid":"1","host":"h"}',
        b'{"seq":1,"at":"2026-11-22T02:14:00Z","event":"started"}',
        b'{"seq":1,"at":"2026-11-22T02:14:00Z","event":"result","outcome":"great","summary":""}',
        b'{"seq":1,"at":"2026-11-22T02:14:00Z","event":"accepted","request":' + b"[" * 5000,
    ],
)
def test_a_known_event_of_wrong_form_is_shown_not_believed(line: bytes) -> None:
    record = codec.decode(line, 1, NOW)
    assert isinstance(record.event, events.Output)
    assert "unreadable" in record.event.line


def test_a_time_without_zone_is_not_believed() -> None:
    line = b'{"seq":1,"at":"2026-11-22T02:14:00","event":"output","line":"x"}'
    assert codec.decode(line, 3, NOW).at == NOW


def test_later_versions_are_read_as_far_as_they_are_understood() -> None:
    more = b'{"seq":4,"at":"2026-11-22T02:14:00Z","event":"output","line":"x","colour":"red"}'
    assert codec.decode(more, 0, NOW).event == events.Output("x")
    new = b'{"seq":5,"at":"2026-11-22T02:14:00Z","event":"teleported","to":"mars"}'
    record = codec.decode(new, 0, NOW)
    assert record.seq == 5
    assert isinstance(record.event, events.Output) and "teleported" in record.event.line


def test_no_field_is_hidden_by_the_envelope() -> None:
    for cls in events.EVENTS.values():
        assert not {f.name for f in fields(cls)} & {"seq", "at", "event"}


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_lacks_do_not_break_the_line(value: float) -> None:
    event = events.Progress("p", 1, 2, value, value)
    back = codec.decode(codec.encode(events.Record(1, NOW, event))[:-1], 0, NOW).event
    assert back == events.Progress("p", 1, 2, 0.0, None)


def test_file_names_that_are_no_text_are_shown_escaped() -> None:
    event = events.Warned("vanished", b"na\xefve \xff".decode("utf-8", "surrogateescape"))
    back = codec.decode(codec.encode(events.Record(1, NOW, event))[:-1], 0, NOW).event
    assert back == events.Warned("vanished", "na\\udcefve \\udcff")


def test_values_of_other_types_are_named_not_shown() -> None:
    class Key:
        def __repr__(self) -> str:
            return "hunter2"

    facts = {"path": Path("/x"), "map": MappingProxyType({"a": 1}), "key": Key(), "set": {"b"}}
    line = codec.encode(events.Record(1, NOW, events.Result("done", "s", facts)))
    assert json.loads(line)["facts"] == {
        "path": "/x",
        "map": {"a": 1},
        "key": "<Key>",
        "set": ["b"],
    }


def _nested(depth: int) -> object:
    return {f"branch-{n}": _nested(depth - 1) for n in range(5)} if depth else "leaf"


@pytest.mark.parametrize(
    "event",
    [
        events.Output("x" * 1_000_000),
        events.Output("\x00" * 1_000_000),
        events.Failed("unexpected", "m" * 90_000, "r", 1, "d" * 900_000),
        events.Accepted("j", "o", "t", "h", "u", {}, tuple(f"source-{n}" for n in range(20_000))),
        events.Result("done", "s", {f"k{n}": {"v": "y" * 50} for n in range(20_000)}),
        events.Result("done", "s", {"rows": [[n] * 50 for n in range(20_000)]}),
        events.Result("done", "s", {"tree": _nested(7)}),
        events.CommandStarted(tuple("a" * 1000 for _ in range(1000))),
    ],
)
def test_long_events_are_cut_to_the_limit_and_stay_what_they_are(event: events.Event) -> None:
    line = codec.encode(events.Record(1, NOW, event))
    assert len(line) <= codec.LINE_LIMIT
    back = codec.decode(line[:-1], 0, NOW).event
    assert type(back) is type(event)
    assert "left out" in line.decode()
