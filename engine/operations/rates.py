"""Measured rates, kept between jobs: what an ETA rests on. None of it is needed to restore."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec


@dataclass(slots=True)
class Rate:
    """Bytes per second of plain data, and when it was measured."""

    bytes_per_second: float
    at: datetime


@dataclass(slots=True)
class Rates:
    """Rates by step (`load shop-db`, `unpack volume`)."""

    known: dict[str, Rate] = field(default_factory=dict)

    def seconds(self, steps: tuple[str, ...], size: int) -> tuple[float | None, str]:
        """Expected seconds for `size` bytes and what that rests on, by the first step known."""
        for step in steps:
            rate = self.known.get(step)
            if rate and rate.bytes_per_second > 0:
                return size / rate.bytes_per_second, f"measured {rate.at:%Y-%m-%d}"
        return None, "not measured on this host yet"


def _file(state: Path) -> Path:
    return state / "rates.json"


def load(state: Path) -> Rates:
    """What was measured so far; empty when nothing was or it cannot be read."""
    try:
        return msgspec.json.decode(_file(state).read_bytes(), type=Rates)
    except (OSError, msgspec.MsgspecError):
        return Rates()


def record(state: Path, steps: tuple[str, ...], size: int, seconds: float, at: datetime) -> None:
    """Remember a rate under each of the step's names. Too small a sample is not kept."""
    if size <= 0 or seconds <= 0:
        return
    rates = load(state)
    for step in steps:
        rates.known[step] = Rate(size / seconds, at)
    temporary = _file(state).with_name(f".rates.{os.getpid()}")
    with contextlib.suppress(OSError):
        temporary.write_bytes(msgspec.json.encode(rates))
        temporary.replace(_file(state))
