"""Which snapshots the running jobs of this host read now."""

from __future__ import annotations

from pathlib import Path

from engine.core.snapshot import SnapshotId, parse_ref
from engine.jobs import board


def snapshots_in_use(state: Path, host: str) -> dict[SnapshotId, str]:
    """Snapshots that restores under way name, and what to say of each. `host` is this one's name,
    for requests that name none."""
    found: dict[SnapshotId, str] = {}
    for job in board.jobs(state, 50):
        asked = job.request.get("restore")
        if job.final or not isinstance(asked, dict):
            continue
        snapshot = parse_ref(
            str(asked.get("host") or host),
            str(asked.get("source", "")),
            str(asked.get("snapshot", "")),
        )
        if snapshot is not None:
            found[snapshot] = f"job {job.id} restores it now"
    return found
