"""Which snapshot is meant by `latest`, a ref, or the start of one."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.errors import UsageError
from engine.core.snapshot import SnapshotEntry


def choose(rows: Sequence[SnapshotEntry], wanted: str, source: str) -> SnapshotEntry:
    """The committed snapshot behind `latest`, a ref or a unique start of a ref or an id.

    `rows` are of one source, newest first. `latest` passes over what was saved before a restore
    replaced it, since that may be what was ruined. UsageError, with candidates, when none or
    several fit.
    """
    usable = [row for row in rows if row.committed]
    if not usable:
        raise UsageError(
            f"there is no snapshot of {source}", "`mentat-dr snapshots` lists all there are."
        )
    if wanted == "latest":
        return next((row for row in usable if not row.aside), usable[0])
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


def without_uncommitted(rows: Sequence[SnapshotEntry]) -> list[SnapshotEntry]:
    return [row for row in rows if row.committed]
