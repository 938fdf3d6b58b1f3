"""Durations as the configuration and the command line spell them: `60s`, `15m`, `1h30m`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_WHOLE = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")
_FREQUENCIES = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
}
FREQUENCIES = tuple(_FREQUENCIES)
SPELLING = 'like "60s", "15m", "1h30m", "24h" or "7d"'


def parse_duration(text: str) -> timedelta:
    """The time that `text` spells, largest unit first. ValueError for anything else and zero."""
    match = _WHOLE.match(text.strip())
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration; write one {SPELLING}")
    values = zip(_UNITS.values(), match.groups(), strict=True)
    seconds = sum(unit * int(number) for unit, number in values if number)
    if not 0 < seconds <= 100 * 365 * 86400:
        raise ValueError(f"{text!r} must be more than nothing and less than 100 years")
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """The shortest spelling that parse_duration reads back; whole seconds, at least one.

    24 hours stay `24h`, since that is how targets are spoken of.
    """
    left = max(1, round(span.total_seconds()))
    if left == 86400:
        return "24h"
    parts: list[str] = []
    for unit, seconds in list(_UNITS.items())[1:]:
        number, left = divmod(left, seconds)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)


def parse_frequency(text: str) -> timedelta:
    """`daily`, `weekly`, ... or a duration. ValueError for anything else."""
    try:
        return _FREQUENCIES[text] if text in _FREQUENCIES else parse_duration(text)
    except ValueError:
        words = ", ".join(FREQUENCIES)
        raise ValueError(f"{text!r} is no frequency; write {words} or one {SPELLING}") from None
