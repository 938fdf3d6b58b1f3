"""What a verification makes of what it measured: pure judgements, each a Check with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

from engine.core.durations import format_duration
from engine.core.report import Check, failed, passed, warning

DUMP_MARKER = b"-- Dump completed"  # mysqldump's and mariadb-dump's last line
_DAY = timedelta(days=1)
_CLOCKS = timedelta(minutes=5)  # how far two clocks may differ
_GRACE = timedelta(days=2)  # for prune, after the last day of retention
_SMALL = 0.5  # of the average of its own history
_FULL = 0.1  # of a disk that must be free
COVERAGE_DAYS = 7
_SHOWN = 3


def judge_age(source: str, recoverable_to: datetime | None, rpo: timedelta, now: datetime) -> Check:
    """The newest recovery point against the RPO. `age_seconds` and `rpo_seconds` are measured."""
    remedy = f"mentat-dr backup {source}"
    if recoverable_to is None:
        return failed("age", source, "there is no snapshot: nothing can be recovered", remedy)
    age = now - recoverable_to
    facts = {"age_seconds": age.total_seconds(), "rpo_seconds": rpo.total_seconds()}
    if age < -_CLOCKS:
        return warning(
            "age",
            source,
            "the newest snapshot lies in the future",
            "Check the clocks of this host and of those that write here.",
            **facts,
        )
    words = f"the newest recovery point is {format_duration(age)} old"
    if age > rpo:
        return failed("age", source, f"{words}; the RPO is {format_duration(rpo)}", remedy, **facts)
    return passed("age", source, f"{words}, within {format_duration(rpo)}", **facts)


def judge_size(source: str, size: int, before: Sequence[int]) -> Check:
    """The newest snapshot's plain size against those before it (of the same method)."""
    average = sum(before) / len(before) if before else 0.0
    facts: dict[str, float] = {"bytes": size, "average_bytes": round(average)}
    look = f"Look at what {source} holds now; then at the backup's journal: mentat-dr job list"
    if size == 0:
        return failed("size", source, "the newest snapshot is empty", look, **facts)
    if before and size < _SMALL * average:
        return warning(
            "size",
            source,
            f"the newest snapshot has {size} bytes, {size / average:.0%} of the average of the "
            f"{len(before)} before it",
            look,
            **facts,
        )
    return passed("size", source, f"{size} bytes", **facts)


def judge_days(
    source: str, times: Sequence[datetime], window: timedelta, rpo: timedelta, now: datetime
) -> Check:
    """A snapshot on each day (UTC) since the first, within the window; for an RPO over a day, none
    further apart than that. Today is not over and does not count."""
    inside = sorted(t for t in times if now - t <= window)
    if not inside:
        return failed(
            "daily-presence", source, "there is no snapshot", f"mentat-dr backup {source}"
        )
    if rpo > _DAY:
        wide = [(a, b) for a, b in pairwise(inside) if b - a > rpo]
        missing = [f"{a:%Y-%m-%d} to {b:%Y-%m-%d}" for a, b in wide]
        expected = f"one each {format_duration(rpo)}"
    else:
        have = {t.date() for t in inside}
        missing = [f"{day}" for day in _days(inside[0].date(), now.date()) if day not in have]
        expected = "one each day"
    if not missing:
        since = f"{inside[0]:%Y-%m-%d}"
        return passed("daily-presence", source, f"{expected} since {since}", missing_days=0)
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return warning(
        "daily-presence",
        source,
        f"no snapshot of {', '.join(missing[-_SHOWN:])}{more}",
        "See why the backups of that time failed: mentat-dr job list",
        missing_days=len(missing),
    )


def _days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((end - first).days)]


def judge_coverage(
    source: str, times: Sequence[datetime], first_seen: datetime | None, now: datetime
) -> Check:
    """How many days back recovery points reach. `first_seen` is the oldest snapshot ever known:
    a source that is younger than a week cannot reach back a week."""
    past = [t for t in times if t <= now]
    days = (now - min(past)) / _DAY if past else 0.0
    age = (now - min([*past, first_seen] if first_seen else past)) / _DAY if past else 0.0
    words = f"recovery points reach back {days:.1f} days"
    if days < min(COVERAGE_DAYS, age - 0.01):
        return warning(
            "coverage",
            source,
            f"{words} only, though the first was taken {age:.1f} days ago",
            "See what removed the older ones, and [retention] in the configuration.",
            coverage_days=round(days, 2),
        )
    return passed("coverage", source, words, coverage_days=round(days, 2))


def judge_retention(
    source: str,
    kept: Sequence[datetime],
    gone: Sequence[datetime],
    days: int,
    minimum: int,
    now: datetime,
) -> Check:
    """Nothing that the days of retention keep may be gone; what they do not keep is to be pruned.

    `gone` are snapshots seen here before that are not there any more. With days 0 (retention by
    counts) only `gone` among the newest `minimum` counts."""
    keep = timedelta(days=days)
    early = [t for t in gone if now - t < keep] if days else _among_newest(kept, gone, minimum)
    if early:
        shown = ", ".join(f"{t:%Y-%m-%d %H:%M}" for t in sorted(early)[-_SHOWN:])
        return failed(
            "retention",
            source,
            f"{len(early)} snapshots are gone that retention keeps: {shown}",
            "Nothing of ours removes them so early. Look at the bucket's lifecycle rules, versions "
            "and access log.",
            gone=len(early),
        )
    late = [t for t in kept if now - t > keep + _GRACE] if days else []
    if late and len(kept) - len(late) >= minimum:
        return warning(
            "retention",
            source,
            f"{len(late)} snapshots are older than the {days} days they are to be kept",
            "mentat-dr prune",
            late=len(late),
        )
    return passed("retention", source, f"{len(kept)} snapshots are kept", gone=0, late=0)


def _among_newest(
    kept: Sequence[datetime], gone: Sequence[datetime], minimum: int
) -> list[datetime]:
    newest = sorted([*kept, *gone], reverse=True)[:minimum]
    return [t for t in gone if t in newest]


def judge_space(where: str, free: int, total: int) -> Check:
    """At least a tenth of a disk that backups are written to must be free."""
    part = free / total if total else 0.0
    facts = {"free_bytes": free, "total_bytes": total}
    words = f"{part:.0%} of the disk of {where} is free"
    if part < _FULL:
        return failed(
            "disk-space",
            "",
            f"only {words} ({free / 1e9:.1f} GB)",
            f"Free space there, or keep fewer days in the local tier ([retention] local): {where}",
            **facts,
        )
    return passed("disk-space", "", words, **facts)
