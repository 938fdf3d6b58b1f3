"""Words and numbers for people. Pure: time is passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_BIDI = {0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_SEPARATORS = {0x2028, 0x2029, 0xFEFF}
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def visible(text: object, *, lines: bool = False) -> str:
    r"""External text made safe for a terminal: control characters and what turns the direction
    of writing are spelt out (`\x1b`, `\u202e`). With `lines`, line ends and tabs stay."""
    return "".join(char if _harmless(char, lines) else _spelt(char) for char in str(text))


def _harmless(char: str, lines: bool) -> bool:
    code = ord(char)
    if char in "\n\t":
        return lines
    if code < 0x20 or 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF:
        return False
    return code not in _BIDI and code not in _SEPARATORS


def _spelt(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def size(count: float | None) -> str:
    """`3.1 GB`; decimal units."""
    if count is None:
        return "?"
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def span(seconds: float | None) -> str:
    """`12s`, `2m10s`, `1h05m`, `3d04h`: two units, for clocks that run."""
    if seconds is None:
        return "?"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def age(then: datetime | None, now: datetime) -> str:
    """`12 s ago`, `22 min ago`, `3 h 10 min ago`, `2 d ago`, `in 5 min`, `never`."""
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    words = _spoken(abs(seconds))
    if seconds < -1:
        return f"in {words}"
    return "now" if seconds < 1 else f"{words} ago"


def _spoken(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"
    return f"{hours // 24} d"


def target(value: timedelta) -> str:
    """A target as the configuration spells it: `15m`, `24h`."""
    from engine.core.durations import format_duration

    return format_duration(value)


def moment(then: datetime | None, now: datetime) -> str:
    """An age beside its time: `22 min ago  11-22 01:52Z`."""
    if then is None:
        return "never"
    there = then.astimezone(UTC)
    day = "%m-%d" if there.year == now.astimezone(UTC).year else "%Y-%m-%d"
    return f"{age(then, now)}  {there.strftime(f'{day} %H:%MZ')}"


def utc(moment: datetime | None) -> str:
    """`2026-11-22 02:14:05 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "-"
