"""alerts: ask everybody who watches, at once; acknowledge by silencing with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from engine.core.alerting import Alert, Board, Silence, Watch, gather, matchers
from engine.core.errors import MonitoringError, UsageError
from engine.ports import AlertSource, Silencer

LONGEST = timedelta(days=30)  # of a silence: a forgotten one is an alarm that was cut off


def look(sources: Sequence[AlertSource], missing: Sequence[Watch], now: datetime) -> Board:
    """The alerts of now. `missing` are watchers that are not configured."""
    if not sources:
        return gather(now, [(watch, ()) for watch in missing])
    with ThreadPoolExecutor(len(sources), thread_name_prefix="alerts") as pool:
        told = list(pool.map(lambda source: source.read(now), sources))
    return gather(now, [*told, *((watch, ()) for watch in missing)])


def choose(board: Board, name: str, host: str = "", source: str = "") -> Alert:
    """The one alert of this name, host and source. UsageError when none or several are."""
    named = [alert for alert in board.alerts if alert.name.casefold() == name.casefold()]
    fits = [a for a in named if (not host or a.host == host) and (not source or a.source == source)]
    if len(fits) == 1:
        return fits[0]
    if not fits:
        known = ", ".join(sorted({alert.name for alert in board.alerts})) or "none at all"
        raise UsageError(f"no such alert fires: {name}", f"Now there are: {known}.")
    where = ", ".join(f"{a.host}/{a.source}".strip("/") for a in fits[:5])
    raise UsageError(
        f"{len(fits)} alerts are called {name}: {where}", "Add --host HOST or --source NAME."
    )


def silence(
    silencer: Silencer | None,
    alert: Alert,
    *,
    reason: str,
    by: str,
    span: timedelta,
    now: datetime,
) -> Silence:
    """Silence this alert and no other, for this long. UsageError without a reason: whoever comes
    next must know why. MonitoringError."""
    if not reason.strip():
        raise UsageError("a silence needs a reason", "Say why, and who looks after it.")
    if not timedelta(0) < span <= LONGEST:
        raise UsageError(
            f"a silence lasts at most {LONGEST.days} days", "Mend what alarms, or silence it again."
        )
    chosen = matchers(alert)
    made = configured(silencer).silence(chosen, reason.strip(), by, now, span)
    return Silence(made, by, reason.strip(), now + span, chosen)


def configured(silencer: Silencer | None) -> Silencer:
    if silencer is None:
        raise MonitoringError(
            "no Alertmanager is configured: nothing can be silenced",
            "Set `alertmanager` under [monitoring].",
        )
    return silencer
