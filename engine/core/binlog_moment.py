"""Moments as operators write them: times with their zone, transactions, places in a log."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.core.binlog_gtid import is_gtid
from engine.core.errors import UsageError
from engine.core.recovery import Until

SPELLING = '"2026-11-22T01:52:07Z", "2026-11-22 02:52:07+01:00" or "2026-11-22 02:52 Europe/Paris"'
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?\s*"
    r"(Z|UTC|[+-]\d\d:?\d\d|[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+)?\Z"
)
_PLACE = re.compile(r"([A-Za-z0-9_.-]{1,80}):(\d+)\Z")


def parse_time(text: str) -> datetime:
    """A time in UTC; UTC is meant where no zone is given. UsageError for anything else, and for a
    local time that a change of the clocks makes happen twice or never."""
    match = _TIME.match(text.strip())
    if not match:
        raise UsageError(f"{text!r} is no time", f"Write one like {SPELLING}.")
    day, clock, zone = match.groups()
    try:
        naive = datetime.fromisoformat(f"{day}T{_padded(clock or '00:00:00')}")
        if zone in (None, "Z", "UTC"):
            return naive.replace(tzinfo=UTC)
        if zone[0] in "+-":
            return datetime.fromisoformat(f"{naive.isoformat()}{zone}").astimezone(UTC)
        return _local(naive, zone)
    except ValueError as error:
        raise UsageError(f"{text!r} is no time: {error}", f"Write one like {SPELLING}.") from error


def _padded(clock: str) -> str:
    """Three or six digits of a second, as Python reads them."""
    whole, dot, part = clock.partition(".")
    return f"{whole}.{part:0<6}" if dot else whole


def _local(naive: datetime, zone: str) -> datetime:
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"there is no time zone {zone!r}", "Give UTC, or an offset.") from error
    early, late = (naive.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early != late:
        raise UsageError(
            f"{naive} in {zone} is not certain: the clocks were changed",
            f"Give it in UTC: {early:%Y-%m-%dT%H:%M:%SZ} or {late:%Y-%m-%dT%H:%M:%SZ}",
        )
    return early


def parse_until(
    *, at: str = "", before_transaction: str = "", before: str = "", before_position: str = ""
) -> Until | None:
    """What the options say; None when none is given. UsageError for several, and for nonsense."""
    given = [text for text in (at, before_transaction, before, before_position) if text]
    if not given:
        return None
    if len(given) > 1:
        raise UsageError(
            "only one moment can be gone back to",
            "Give one of --at, --before-transaction, --before and --before-position.",
        )
    if before:
        return Until(before=before)
    if before_transaction:
        return Until(before_gtid=_gtid(before_transaction))
    if before_position:
        match = _PLACE.match(before_position)
        if not match:
            raise UsageError(f"{before_position!r} is no place in a log", "Write FILE:POSITION.")
        return Until(file=match[1], position=int(match[2]))
    if at in ("latest", "now"):
        return Until(last=True)
    if is_gtid(at.strip()):
        return Until(gtid=_gtid(at))
    return Until(at=parse_time(at))


def _gtid(text: str) -> str:
    gtid = text.strip().lower()
    if not is_gtid(gtid):
        raise UsageError(
            f"{text!r} names no transaction",
            "Give one as the server does: UUID:NUMBER (MySQL) or DOMAIN-SERVER-NUMBER (MariaDB).",
        )
    return gtid
