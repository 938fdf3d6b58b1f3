"""The [transfer] table: limits by the time of day, parallelism, politeness."""

from __future__ import annotations

from datetime import time
from typing import Any

from engine.core.transfer import (
    DAYS,
    IO_CLASSES,
    Rates,
    TransferSettings,
    Window,
    format_rate,
    parse_rate,
    parse_time,
)
from engine.settings_file.table import Table


def read_transfer(table: Table) -> TransferSettings:
    usual = TransferSettings()
    settings = TransferSettings(
        rates=_rates(table),
        windows=tuple(_window(window) for window in table.tables("window")),
        parallel=table.count("parallel", usual.parallel, low=1, high=32),
        nice=table.count("nice", usual.nice, low=0, high=19),
        io=table.choice("io", IO_CLASSES, usual.io),
        limit_restores=bool(table.flag("limit_restores", False)),
    )
    table.close()
    return settings


def _rates(table: Table) -> Rates:
    return Rates(
        table.parsed("upload", parse_rate, None), table.parsed("download", parse_rate, None)
    )


def _window(table: Table) -> Window:
    start = table.parsed("from", parse_time, time(0))
    end = table.parsed("to", parse_time, time(0))
    for key in ("from", "to"):
        if not table.has(key):
            table.problem(key, 'is missing; a window needs a time like "08:00", UTC')
    given = table.texts("days")
    unknown = [day for day in given if day not in DAYS]
    if unknown:
        table.problem("days", f'"{unknown[0]}" is not one of {", ".join(DAYS)}')
    days = tuple(DAYS.index(day) for day in given if day in DAYS) or tuple(range(7))
    window = Window(start, end, _rates(table), days)
    table.close()
    return window


def transfer_document(settings: TransferSettings) -> dict[str, Any]:
    """The table, without what is usual."""
    usual = TransferSettings()
    found = _rates_document(settings.rates)
    for name in ("parallel", "nice", "io", "limit_restores"):
        value = getattr(settings, name)
        if value != getattr(usual, name):
            found[name] = value
    if settings.windows:
        found["window"] = [_window_document(window) for window in settings.windows]
    return found


def _window_document(window: Window) -> dict[str, Any]:
    found: dict[str, Any] = {"from": f"{window.start:%H:%M}", "to": f"{window.end:%H:%M}"}
    if window.days != tuple(range(7)):
        found["days"] = [DAYS[day] for day in window.days]
    return found | _rates_document(window.rates)


def _rates_document(rates: Rates) -> dict[str, Any]:
    pairs = (("upload", rates.upload), ("download", rates.download))
    return {name: format_rate(rate) for name, rate in pairs if rate is not None}
