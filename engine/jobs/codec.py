"""Records as JSON lines and back. What comes back from a file is never trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, cast

import msgspec

from engine.core.events import EVENT_NAMES, EVENTS, Event, Output, Record

LINE_LIMIT = 64 * 1024  # bytes of one line, its newline included
_SHOWN = 500  # characters of a strange line that are shown
_CUTS = ((8192, 400), (2048, 100), (512, 40), (128, 12), (32, 4))  # (characters, items)


class _Envelope(msgspec.Struct, frozen=True):
    seq: int
    at: datetime
    event: str


_envelopes = msgspec.json.Decoder(_Envelope)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {}


def encode(record: Record) -> bytes:
    """One line with its newline, at most LINE_LIMIT bytes: long values are cut, and say so."""
    event = record.event
    body: dict[str, Any] = {
        "seq": record.seq,
        "at": record.at,
        "event": EVENT_NAMES[type(event)],
    }
    for item in fields(event):
        body[item.name] = _finite(item.name, getattr(event, item.name))
    line = _dump(body)
    for characters, items in _CUTS:
        if len(line) < LINE_LIMIT:
            break
        line = _dump({name: _cut(value, characters, items) for name, value in body.items()})
    if len(line) >= LINE_LIMIT:  # nested too deep to be cut by width
        line = _dump({name: _flat(_cut(value, *_CUTS[-1])) for name, value in body.items()})
    return line + b"\n"


def _dump(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body, enc_hook=_plain)
    except (UnicodeEncodeError, TypeError):  # undecodable file names, keys that are no strings
        return msgspec.json.encode(_clean(body), enc_hook=_plain)


def _finite(name: str, value: Any) -> Any:
    """JSON has no infinity; it would come back as null and break a float field."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if name == "eta" else 0.0
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    return f"<{type(value).__name__}>"


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_clean(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if hasattr(value, "__fspath__"):
        return _clean(value.__fspath__())
    return value


def _cut(value: Any, characters: int, items: int) -> Any:
    if isinstance(value, str) and len(value) > characters:
        half = characters // 2
        left_out = len(value) - 2 * half
        return f"{value[:half]} … ({left_out} characters left out) … {value[-half:]}"
    if isinstance(value, Mapping):
        kept = list(value.items())[:items]
        cut = {_cut(str(key), characters, items): _cut(i, characters, items) for key, i in kept}
        if len(value) > items:
            cut["…"] = f"{len(value) - items} more left out"
        return cut
    if isinstance(value, list | tuple | set | frozenset):
        listed = [_cut(item, characters, items) for item in list(value)[:items]]
        if len(value) > items:
            listed.append(f"… {len(value) - items} more left out")
        return listed
    return value


def _flat(value: Any) -> Any:
    return {"…": "left out"} if isinstance(value, Mapping) else value


def decode(line: bytes, seq: int, at: datetime) -> Record:
    """The record of a line. One that cannot be read becomes an Output that says so, numbered
    `seq` at time `at`; an event of a later version becomes an Output that shows it."""
    try:
        envelope = _envelopes.decode(line)
        if envelope.at.tzinfo is None:
            raise ValueError("a time without its zone")
    except (ValueError, RecursionError):
        return Record(seq, at, Output(f"unreadable line in the journal: {_shown(line)}"))
    if envelope.event not in EVENTS:
        return Record(envelope.seq, envelope.at, Output(f"unknown event: {_shown(line)}"))
    try:
        event = cast(Event, _decoder(envelope.event).decode(line))
    except (ValueError, RecursionError):
        event = Output(f"unreadable {envelope.event} in the journal: {_shown(line)}")
    return Record(envelope.seq, envelope.at, event)


def _decoder(name: str) -> msgspec.json.Decoder[Any]:
    if name not in _decoders:
        _decoders[name] = msgspec.json.Decoder(EVENTS[name])
    return _decoders[name]


def _shown(line: bytes) -> str:
    text = line[:_SHOWN].decode("utf-8", "backslashreplace")
    return text + (f" … ({len(line)} bytes)" if len(line) > _SHOWN else "")
