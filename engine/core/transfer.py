"""How much of the line and the machine background work may take, by the time of day. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal

IoClass = Literal["none", "best-effort", "idle"]
IO_CLASSES: tuple[IoClass, ...] = ("none", "best-effort", "idle")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RATE_SPELLING = 'bytes per second, like "800KB/s", "20MB/s" or "1GB/s"; decimal units'
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)B/s\Z")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")
_UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second up to the stores and down from them; None: no limit."""

    upload: int | None = None
    download: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day, UTC, in which other rates hold. One that ends at or before its start
    goes on past midnight and belongs to the day it began on."""

    start: time
    end: time
    rates: Rates
    days: tuple[int, ...] = tuple(range(7))  # Monday is 0


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """rates hold outside all windows; where windows overlap, the first one's. `parallel`: parts
    on their way at a time. nice and io: of background jobs and their children; a restore runs at
    full speed and without limits, unless limit_restores is set."""

    rates: Rates = Rates()
    windows: tuple[Window, ...] = ()
    parallel: int = 4
    nice: int = 10
    io: IoClass = "idle"
    limit_restores: bool = False


def rates_at(settings: TransferSettings, now: datetime) -> Rates:
    """The rates that hold now."""
    for window in settings.windows:
        if _inside(window, now):
            return window.rates
    return settings.rates


def _inside(window: Window, now: datetime) -> bool:
    clock, today = now.time(), now.weekday()
    if window.start < window.end:
        return today in window.days and window.start <= clock < window.end
    if clock >= window.start:
        return today in window.days
    return (today - 1) % 7 in window.days and clock < window.end


def parse_rate(text: str) -> int:
    """Bytes per second. ValueError for what is no rate and for less than 1 KB/s, at which nothing
    would ever end."""
    match = _RATE.match(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no rate; write {RATE_SPELLING}")
    rate = round(float(match[1]) * _UNITS[match[2]])
    if rate < 1000:
        raise ValueError(f"{text!r} is below 1KB/s; leave it out for no limit")
    return rate


def format_rate(rate: int) -> str:
    """The inverse of parse_rate."""
    for unit in ("G", "M", "K"):
        if rate % _UNITS[unit] == 0:
            return f"{rate // _UNITS[unit]}{unit}B/s"
    return f"{rate}B/s"


def parse_time(text: str) -> time:
    """`08:30`. ValueError for anything else."""
    match = _TIME.match(text)
    if not match:
        raise ValueError(f'{text!r} is no time of day; write it like "08:30", UTC')
    return time(int(match[1]), int(match[2]))
