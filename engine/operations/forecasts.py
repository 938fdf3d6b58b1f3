"""The RTO forecast of this host: what was measured here, applied to what there is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from engine.core.durations import format_duration
from engine.core.forecast import Forecast, Today, forecast
from engine.core.objectives import Posture, SourcePosture, worst
from engine.core.report import DRILLS, ReportKind
from engine.operations import reports
from engine.settings import Settings

_KINDS: tuple[ReportKind, ...] = (*DRILLS, "verify-restore")
_EACH = 5  # reports of a kind that are looked at


def of(settings: Settings, posture: Posture) -> Mapping[str, Forecast]:
    """By source, and under "" for the whole host."""
    return taken(settings.state, posture, settings.drill.rto.total_seconds())


def taken(state: Path, posture: Posture, whole_target: float) -> Mapping[str, Forecast]:
    """See `of`; from the reports below this state directory."""
    today = [
        Today(
            source.source,
            source.kind,
            source.newest_bytes,
            source.rto.total_seconds(),
        )
        for source in posture.sources
        if source.host == posture.host
    ]
    return forecast(reports.recent(state, _KINDS, _EACH), today, whole_target)


def put_in(settings: Settings, posture: Posture) -> Posture:
    """The posture with each source's forecast; one that would miss its RTO is a warning, before a
    recovery finds it out."""
    found = of(settings, posture)
    sources = tuple(_with(source, found.get(source.source)) for source in posture.sources)
    whole = found[""]
    notices = posture.notices
    if whole.met is False:
        said = f"the whole host would miss its RTO: {_words(whole)}"
        notices = (*notices, ("warning", said))
    return replace(posture, sources=sources, notices=notices)


def _with(source: SourcePosture, found: Forecast | None) -> SourcePosture:
    if found is None or found.seconds is None:
        return source
    if found.met:
        return replace(source, rto_forecast=found.seconds)
    return replace(
        source,
        rto_forecast=found.seconds,
        level=worst([source.level, "warning"]),
        reasons=(*source.reasons, f"would miss its RTO: {_words(found)}"),
    )


def _words(found: Forecast) -> str:
    took = format_duration(timedelta(seconds=found.seconds or 0.0))
    return f"{took} of {format_duration(timedelta(seconds=found.target_seconds))}, {found.basis}"


def seconds(settings: Settings, posture: Posture) -> Mapping[str, float]:
    """Only what is known, in seconds: for metrics."""
    return {
        name: found.seconds
        for name, found in of(settings, posture).items()
        if found.seconds is not None
    }
