"""Findings: what `doctor` looked at, how it is, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.errors import MentatError
from engine.core.objectives import Level


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of doctor. `remedy` is empty only where nothing is to be mended."""

    check: str
    level: Level
    message: str
    remedy: str = ""


def failure(check: str, error: MentatError, level: Level = "critical") -> Finding:
    """The finding for something that could not be done."""
    remedy = error.remedy or "Mend that, then run mentat-dr doctor again."
    return Finding(check, level, error.message, remedy)
