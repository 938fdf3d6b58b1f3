"""Which methods of a database are due: from the configuration's intervals and the snapshots that
there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.snapshot import Method

DEFAULT: Method = "logical"
_SLACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """One method to back up by now, and why."""

    method: Method
    reason: str


def slack(interval: timedelta) -> timedelta:
    """How early a run may come and still count as the next one: cron is never on the second. A
    tenth of the interval, at most an hour."""
    return min(interval / 10, _SLACK)


def due(
    every: Mapping[Method, timedelta], newest: Mapping[Method, datetime], now: datetime
) -> tuple[Due, ...]:
    """The methods to back up by at `now`, physical first, never none: who asks for a backup gets
    one, so when nothing is due it is the method that comes most often.

    every   the configured interval of each method; empty: the default method at each run
    newest  when the newest committed snapshot of each method was begun; absent: there is none

    A newest snapshot that lies in the future tells of a wrong clock, and delays nothing.
    """
    if not every:
        return (Due(DEFAULT, "the default method"),)
    found = []
    for method in sorted(every, key=lambda m: m != "physical"):
        last = newest.get(method)
        if last is None:
            found.append(Due(method, "there is none yet"))
        elif last > now + slack(every[method]):
            found.append(Due(method, "the newest one lies in the future"))
        elif now - last >= every[method] - slack(every[method]):
            found.append(Due(method, f"the newest one is of {last:%Y-%m-%d %H:%M} UTC"))
    if found:
        return tuple(found)
    often = min(every, key=lambda m: (every[m], m != DEFAULT))
    return (Due(often, "none is due yet; this one comes most often"),)
