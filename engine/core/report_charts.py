"""Charts of a report as inline SVG: no script, no font or file from elsewhere, readable in print.

Each is a text that can stand in an HTML page as it is; names are escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from engine.core.report import RtoMeasured, TimedPhase

_WIDTH = 720
_LEFT = 220
_ROW = 24
_RIGHT = 110
_MOST = 40  # rows of a chart


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Horizontal bars: (name, value, what stands behind the bar). Empty without rows."""
    rows = rows[:_MOST]
    if not rows:
        return ""
    top = max((value for _, value, _ in rows), default=0.0) or 1.0
    drawn = [
        _bar(index, name, value / top, note, "#3b6ea5")
        for index, (name, value, note) in enumerate(rows)
    ]
    return _svg(len(rows), label, drawn)


def phases_chart(phases: Sequence[TimedPhase]) -> str:
    """How long each phase took."""
    rows = [(f"{p.name}", p.seconds, f"{p.seconds:.1f} s") for p in phases]
    return bars(rows, "Seconds by phase")


def rto_chart(measured: Sequence[RtoMeasured]) -> str:
    """Measured recovery times as a part of their targets; the line is the target."""
    rows = measured[:_MOST]
    if not rows:
        return ""
    parts = [r.seconds / r.target_seconds if r.target_seconds > 0 else 0.0 for r in rows]
    top = max(1.0, *parts)
    drawn = []
    for index, rto in enumerate(rows):
        note = f"{rto.seconds:.1f} of {rto.target_seconds:.0f} s"
        colour = "#2f7d4f" if rto.met else "#b23b3b"
        name = rto.source or "whole"
        drawn.append(_bar(index, name, parts[index] / top, note, colour))
    at = _LEFT + (_WIDTH - _LEFT - _RIGHT) / top
    height = _ROW * len(rows)
    drawn.append(
        f'<line x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="{height}" stroke="#222" '
        'stroke-dasharray="4 3"/>'
    )
    return _svg(len(rows), "Measured recovery time against its target (dashed)", drawn)


def _bar(index: int, name: str, part: float, note: str, colour: str) -> str:
    y = index * _ROW
    width = max(1.0, part * (_WIDTH - _LEFT - _RIGHT))
    shown = name if len(name) <= 32 else name[:31] + "…"
    return (
        f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(shown)}</text>'
        f'<rect x="{_LEFT}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 8}" fill="{colour}"/>'
        f'<text x="{_LEFT + width + 6:.1f}" y="{y + 16}">{escape(note)}</text>'
    )


def _svg(rows: int, label: str, drawn: Sequence[str]) -> str:
    height = rows * _ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(label, quote=True)}" '
        'font-family="sans-serif" font-size="12">' + "".join(drawn) + "</svg>"
    )
