"""What runs when: the entries that the crontab and the systemd timers are both made from.

Hosts are spread over half an hour by their name, so that they do not all meet at the store. No
entry needs a lock of its own: jobs hold leases, and a second one is refused with who holds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from engine.core.durations import format_duration
from engine.settings import Settings, SourceSettings

SPREAD = 30  # minutes over which hosts are spread
_STEPS = (15, 30, 60, 120, 180, 240, 360, 720)  # minutes that divide a day evenly
_DAY = timedelta(days=1)
REMINDER = (
    "Quarterly: hold a complete drill with the team, measure RTO and RPO, review the runbooks, "
    "and prove the offline key with mentat-dr key escrow-test."
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When: at minutes past hours of days; an empty part means each. every: minutes between runs
    instead, counted from `minute` past midnight. weekday: 0 is Sunday."""

    minute: int = 0
    hour: int | None = None
    weekday: int | None = None
    monthday: int | None = None
    months: tuple[int, ...] = ()
    every: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the schedule. arguments go to mentat-dr; why is for people."""

    name: str
    arguments: tuple[str, ...]
    when: Moment
    why: str


def offset(host: str) -> int:
    """This host's minutes, 0 to 29: always the same for the same name."""
    return int.from_bytes(hashlib.sha256(host.encode()).digest()[:4]) % SPREAD


def entries(settings: Settings, passphrase_file: str = "") -> tuple[Entry, ...]:
    """The schedule of a host. A passphrase file is given to what must decrypt."""
    at = offset(settings.host)
    key = ("--passphrase-file", passphrase_file) if passphrase_file else ()
    found = [
        Entry("backup", ("backup",), Moment(at, 2), "every source, daily"),
        *_often(settings.sources, at),
        *_binlogs(settings.sources),
        Entry("verify", ("verify", "all", *key), Moment(at, 3), "prove what is stored, daily"),
        Entry("prune", ("prune",), Moment(at, 6), "let go what the retention no longer keeps"),
        Entry(
            "drill-database",
            ("drill", "database", *key),
            Moment(at, 4, weekday=0),
            "restore a database and time it, weekly",
        ),
        Entry(
            "drill-full",
            ("drill", "full", *key),
            Moment(at, 5, monthday=1),
            "recover everything into throw-away containers, monthly",
        ),
        Entry("keys", ("key", "check"), Moment(at, 1, weekday=1), "expiry and use of keys, weekly"),
        Entry("lint", ("runbook", "lint"), Moment(at, 7, weekday=1), "runbooks due for review"),
        Entry("publish", ("publish",), Moment(at % 15, every=15), "metrics: the dead-man's switch"),
        Entry(
            "reminder",
            ("publish", "--say", REMINDER),
            Moment(at, 8, monthday=1, months=(1, 4, 7, 10)),
            "what no machine can do, quarterly",
        ),
    ]
    if settings.replicas:
        found.append(Entry("replicate", ("replicate",), Moment(at, 7), "copy to other regions"))
    return tuple(found)


def notes(settings: Settings) -> tuple[str, ...]:
    """What the schedule cannot reach, for people."""
    return tuple(
        f"{source.name}: its RPO of {format_duration(source.rpo)} needs binlogs; backups alone run "
        f"every {format_duration(timedelta(minutes=_interval(source)))}"
        for source in settings.sources
        if source.kind == "database"
        and not source.binlogs
        and timedelta(minutes=_interval(source)) > source.rpo
    )


def _often(sources: Sequence[SourceSettings], at: int) -> list[Entry]:
    """Backups between the daily ones, where an RPO asks for them and binlogs do not serve it."""
    return [
        Entry(
            f"backup-{source.name}",
            ("backup", source.name),
            Moment(at % min(60, _interval(source)), every=_interval(source)),
            f"RPO {format_duration(source.rpo)}",
        )
        for source in sources
        if source.rpo < _DAY and not source.binlogs
    ]


def _interval(source: SourceSettings) -> int:
    """Minutes between backups: half the RPO, since the backup itself takes its time; for a
    database, whose dump is heavy, an hour at least."""
    least = 60 if source.kind == "database" else _STEPS[0]
    wanted = max(source.rpo.total_seconds() / 60 / 2, least)
    return max(step for step in _STEPS if step <= wanted)


def _binlogs(sources: Sequence[SourceSettings]) -> list[Entry]:
    names = [source.name for source in sources if source.binlogs]
    if not names:
        return []
    return [Entry("binlogs", ("ship-binlogs", *names), Moment(every=1), "binlogs, each minute")]
