"""The audit trail: JSON lines, each naming the SHA-256 of the line before. Pure.

A line that was changed, removed, added or moved breaks the chain at its place. Cutting off the end
breaks nothing by itself: that is found against the copy in the store (`compare`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BEGINNING = "0" * 64


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the trail is not what was written. `line` counts from 1."""

    line: int
    what: str


def digest(line: bytes) -> str:
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def link(before: bytes | None, body: Mapping[str, Any], place: int = 1) -> bytes:
    """The next line, with its newline. `before` is the last one; None begins a trail. After a line
    that is none of ours the trail goes on as its line `place`: meddling must never stop work."""
    number = 1 if before is None else _number(before, place - 1) + 1
    chained = {"n": number, "before": BEGINNING if before is None else digest(before), **body}
    return json.dumps(chained, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _number(line: bytes, otherwise: int) -> int:
    try:
        return int(json.loads(line)["n"])
    except (ValueError, TypeError, KeyError):
        return otherwise


def verify(lines: Sequence[bytes]) -> list[Break]:
    """Every place where the chain breaks; empty for a whole trail."""
    found: list[Break] = []
    expected, number = BEGINNING, 1
    for place, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
            n, before = int(body["n"]), str(body["before"])
        except (ValueError, TypeError, KeyError):
            found.append(Break(place, "it is no line of an audit trail"))
            expected, number = digest(line), number + 1
            continue
        if n != number:
            found.append(Break(place, _order(n, number)))
        elif before != expected:
            what = "the line before it was changed or replaced" if place > 1 else "it was changed"
            found.append(Break(place, what))
        expected, number = digest(line), n + 1
    return found


def _order(n: int, expected: int) -> str:
    if n > expected:
        gone = str(expected) if n == expected + 1 else f"{expected} to {n - 1}"
        return f"line {gone} was removed before it"
    return f"it is out of order: it says {n}, {expected} was due"


def compare(here: Sequence[bytes], there: Sequence[bytes]) -> list[Break]:
    """Where the trail here is not the one that was copied to the store."""
    found = []
    for place, copied in enumerate(there, 1):
        if place > len(here):
            missing = len(there) - len(here)
            found.append(Break(place, f"{missing} lines at the end are in the store and not here"))
            break
        if here[place - 1].rstrip(b"\n") != copied.rstrip(b"\n"):
            found.append(Break(place, "it differs from its copy in the store"))
    return found
