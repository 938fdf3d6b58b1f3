"""Leases that a holder left behind when it died."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.jobs.lease import lease_path
from engine.jobs.locks import held, read_note


def leases(state: Path, sources: Iterable[str]) -> list[str]:
    """The sources whose lease nobody holds although its last holder never released it."""
    return [source for source in sources if _stale(lease_path(state, source))]


def _stale(path: Path) -> bool:
    note = read_note(path)
    return note is not None and note.released is None and not held(path)
