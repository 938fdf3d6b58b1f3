"""How values are spelled on screen. Pure: strings in and out, the time is passed in."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from console.glyphs import UNICODE, Glyphs

_PLAIN = re.compile(r"[ -~]*\Z")
# Control, format (bidi, zero width), surrogate, private, unassigned, line and paragraph
# separators: characters that move the cursor, hide, reorder or have no known width.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_VARIATION = range(0xFE00, 0xFE10)  # makes the width of the character before it a guess


def safe(text: str, ascii_only: bool = False) -> str:
    """One line of text that cannot act on the terminal: what would is spelled out (`\\x1b`)."""
    if _PLAIN.match(text):
        return text
    return "".join(_spell(char, ascii_only) for char in text)


@lru_cache(4096)
def _spell(char: str, ascii_only: bool) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    hidden = unicodedata.category(char) in _UNSAFE or code in _VARIATION
    if hidden or (ascii_only and code > 126):
        return char.encode("unicode_escape", "surrogatepass").decode("ascii")
    return " " if char == "\xa0" else char


def width(text: str) -> int:
    """Terminal cells of safe text."""
    return cell_len(text)


def clip(text: str, cells: int, ellipsis: str = "…") -> str:
    """At most `cells` wide; a cut text ends in the ellipsis. Wide characters are never halved."""
    if cell_len(text) <= cells:
        return text
    room = cells - cell_len(ellipsis)
    if room <= 0:
        return set_cell_size(text, max(0, cells))
    return set_cell_size(text, room).rstrip() + ellipsis


def fit(text: str, cells: int, align: str = "left", ellipsis: str = "…") -> str:
    """Exactly `cells` wide: clipped, or padded on the side that `align` leaves free."""
    text = clip(text, cells, ellipsis)
    pad = " " * max(0, cells - cell_len(text))
    return pad + text if align == "right" else text + pad


def size(count: float | None) -> str:
    """Bytes in decimal units: `3.1 GB`, `812 kB`, `0 B`."""
    if count is None:
        return "?"
    value, power = float(count), 0
    while abs(value) >= 999.5 and power < len(_UNITS) - 1:
        value, power = value / 1000, power + 1
    digits = 0 if power == 0 or value >= 99.95 else 1
    return f"{value:.{digits}f} {_UNITS[power]}"


def rate(per_second: float, unit: str = "bytes") -> str:
    """`118 MB/s`, or `1,200 rows/s` for another unit."""
    return f"{size(per_second)}/s" if unit == "bytes" else f"{per_second:,.0f} {unit}/s"


def amount(count: float, unit: str = "bytes") -> str:
    return size(count) if unit == "bytes" else f"{count:,.0f} {unit}"


def duration(seconds: float | None) -> str:
    """`25 s`, `1m40`, `2h05`, `3 d 4 h`; `?` when unknown."""
    if seconds is None:
        return "?"
    if 0.05 <= seconds < 0.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def span(delta: timedelta) -> str:
    """A length of time in words for ages: `12 s`, `22 min`, `3 h 10 min`, `2 d`, `2 d 5 h`."""
    seconds = max(0, int(delta.total_seconds()))
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 60:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if hours < 10 and minutes % 60 else f"{hours} h"
    days = hours // 24
    return f"{days} d {hours % 24} h" if days < 3 and hours % 24 else f"{days} d"


def age(moment: datetime | None, now: datetime) -> str:
    """`22 min ago`, `in 5 min` for the future, `never` for None."""
    if moment is None:
        return "never"
    if moment > now + timedelta(seconds=2):
        return f"in {span(moment - now)}"
    return f"{span(now - moment)} ago"


def brief_age(moment: datetime | None, now: datetime) -> str:
    """An age for narrow columns: `12 s ago`, `22 min ago`, `1h14 ago`, `31h ago`, `5 d ago`."""
    if moment is None or moment > now + timedelta(seconds=2):
        return age(moment, now)
    seconds = max(0, int((now - moment).total_seconds()))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours >= 48:
        return f"{hours // 24} d ago"
    if hours >= 10:
        return f"{hours}h ago"
    return f"{hours}h{minutes:02d} ago" if hours else age(moment, now)


def target(delta: timedelta) -> str:
    """An objective as the configuration spells it: `15m`, `1h`, `24h`, `7d`."""
    seconds = int(delta.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        whole, rest = divmod(seconds, length)
        if rest == 0 and whole and not (unit == "d" and whole == 1):
            return f"{whole}{unit}"
    return f"{seconds}s"


def utc(moment: datetime | None, seconds: bool = True) -> str:
    """`2026-11-22 02:14:07 UTC`."""
    if moment is None:
        return "never"
    form = "%Y-%m-%d %H:%M:%S UTC" if seconds else "%Y-%m-%d %H:%M UTC"
    return moment.astimezone(UTC).strftime(form)


def clock(moment: datetime, seconds: bool = True) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S UTC" if seconds else "%H:%M UTC")


def stamp(moment: datetime) -> str:
    """A time for journal lines: `02:14:07`."""
    return moment.astimezone(UTC).strftime("%H:%M:%S")


def fraction(done: float, expected: float | None) -> float | None:
    """How far, 0 to 1; None when the whole is unknown."""
    if not expected or expected <= 0:
        return None
    return min(1.0, max(0.0, done / expected))


def bar(part: float | None, cells: int, glyphs: Glyphs = UNICODE) -> str:
    """`████░░░░`; all empty when the part is unknown. Full only when really done."""
    if part is None:
        return glyphs.empty * cells
    filled = cells if part >= 1 else min(cells - 1, int(part * cells))
    return glyphs.full * filled + glyphs.empty * (cells - filled)


def percent(part: float | None) -> str:
    """`61%`, `  ?` when unknown; never 100% before the end."""
    return "  ?%" if part is None else f"{int(part * 100):3d}%"


def count(number: int, one: str, many: str = "") -> str:
    """`1 snapshot`, `12,000 snapshots`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
