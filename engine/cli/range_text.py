"""To which moments a database can be brought back, in lines."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cli import text
from engine.core.recovery_range import RecoveryRange

_SHOWN = 5  # newest intervals and gaps


def lines(found: RecoveryRange) -> Iterator[tuple[str, str]]:
    """(words, style), newest last."""
    for interval in found.intervals[-_SHOWN:]:
        yield f"any moment {text.utc(interval.since)} to {text.utc(interval.until)}", ""
    for gap in found.gaps[-_SHOWN:]:
        yield f"GAP {text.utc(gap.since)} to {text.utc(gap.until)}: {gap.why}", "warning"
    if not found.intervals:
        yield "its shipped logs lead on from no snapshot", "warning"


def brief(found: RecoveryRange) -> tuple[str, str]:
    """The same in one line: the newest interval, and how many gaps there are."""
    if not found.intervals:
        return next(lines(found))
    interval = found.intervals[-1]
    words = f"any moment {text.utc(interval.since)} to {text.utc(interval.until)}"
    if found.gaps:
        many = f"{len(found.gaps)} gaps" if len(found.gaps) > 1 else "one gap"
        last = found.gaps[-1]
        return (
            f"{words}; {many} before, the last {text.utc(last.since)} to {text.utc(last.until)}",
            "",
        )
    return words, ""
