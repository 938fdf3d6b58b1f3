"""`mentat-dr status --plugin`: one line and performance data, as monitoring plug-ins print it.

Format: https://www.monitoring-plugins.org/doc/guidelines.html (Plugin Output, Performance data).
"""

from __future__ import annotations

from collections.abc import Callable

from engine.api import MentatError, Posture, SourcePosture
from engine.cli.text import visible
from engine.core.objectives import EXIT_CODES

_LONGEST = 3  # sources named in the line


def run(take: Callable[[], Posture]) -> int:
    """Print the line; the exit code. Whatever keeps it from being told is UNKNOWN."""
    try:
        posture = take()
    except MentatError as error:
        print(f"MENTAT-DR UNKNOWN: {visible(error.message).replace('|', '/')}")
        return EXIT_CODES["unknown"]
    print(line(posture))
    return EXIT_CODES[posture.level]


def line(posture: Posture) -> str:
    """`MENTAT-DR CRITICAL: shop-db misses its RPO | 'shop-db_age'=5400s;;900;0 ...`"""
    said = visible(_summary(posture)).replace("|", "/")
    return f"MENTAT-DR {posture.level.upper()}: {said} | {' '.join(_performance(posture))}"


def _summary(posture: Posture) -> str:
    parts = []
    if not posture.store.reachable:
        parts.append(f"store {posture.store.name} does not answer")
    parts += [text for level, text in posture.notices if level != "ok"]
    bad = [source for source in posture.sources if source.level != "ok"]
    parts += [f"{source.source} {', '.join(source.reasons)}" for source in bad[:_LONGEST]]
    if len(bad) > _LONGEST:
        parts.append(f"and {len(bad) - _LONGEST} more sources")
    if not posture.sources:
        parts.append("no source is configured")
    return "; ".join(parts) or f"all {len(posture.sources)} sources are recoverable"


def _performance(posture: Posture) -> list[str]:
    found = [
        f"sources={len(posture.sources)};;;0",
        f"bad={sum(source.level != 'ok' for source in posture.sources)};;;0",
        f"store={int(posture.store.reachable)};;;0;1",
    ]
    for source in posture.sources:
        found += _source(posture, source)
    return found


def _source(posture: Posture, source: SourcePosture) -> list[str]:
    """Seconds behind, against the RPO; bytes stored; snapshots. U: unknown."""
    behind = source.age(posture.now)
    age = f"{max(0, behind.total_seconds()):.0f}s" if behind is not None else "U"
    target = f"{source.rpo.total_seconds():.0f}"
    proven = posture.now - source.proven_to if source.proven_to else None
    proof = f"{max(0, proven.total_seconds()):.0f}s" if proven is not None else "U"
    return [
        f"'{source.source}_age'={age};;{target};0",
        f"'{source.source}_proven_age'={proof};{target};;0",
        f"'{source.source}_stored'={source.stored_bytes}B;;;0",
        f"'{source.source}_snapshots'={source.snapshots};;;0",
    ]
