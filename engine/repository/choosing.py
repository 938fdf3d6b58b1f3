"""Which snapshot is meant by `latest`, a ref, or the start of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from engine.core.chains import Links
from engine.core.errors import UsageError
from engine.core.retention import CLOCKS
from engine.core.snapshot import SnapshotEntry


def choose(
    rows: Sequence[SnapshotEntry], wanted: str, source: str, now: datetime | None = None
) -> SnapshotEntry:
    """The committed snapshot behind `latest`, a ref or a unique start of a ref or an id.

    `rows` are of one source, newest first. `latest` passes over what was saved before a restore
    replaced it, since that may be what was ruined, over what is dated after `now` (this moment,
    where it is not given), since a clock that was wrong made it, and over incrementals that lack
    what they build on. UsageError, with candidates, when none or several fit.
    """
    usable = [row for row in rows if row.committed]
    if not usable:
        raise UsageError(
            f"there is no snapshot of {source}", "`mentat-dr snapshots` lists all there are."
        )
    if wanted == "latest":
        return _latest(usable, now or datetime.now(UTC))
    fits = [
        r for r in usable if wanted and (r.id.ref.startswith(wanted) or r.id.id.startswith(wanted))
    ]
    if len(fits) == 1:
        return fits[0]
    near = ", ".join(row.id.ref for row in (fits or usable)[:3])
    problem = f"{len(fits)} snapshots" if fits else "no snapshot"
    raise UsageError(
        f"{problem} of {source} match {wanted!r}", f"Give one of them in full, such as: {near}"
    )


def _latest(usable: Sequence[SnapshotEntry], now: datetime) -> SnapshotEntry:
    """The newest that is to be trusted with a recovery; what is less so where there is no other."""
    links = Links(usable)
    past = [row for row in usable if row.id.at <= now + CLOCKS]
    whole = [row for row in past if links.whole(row.id)]
    return next((row for row in whole if not row.aside), (whole or past or usable)[0])


def without_uncommitted(rows: Sequence[SnapshotEntry]) -> list[SnapshotEntry]:
    return [row for row in rows if row.committed]
