"""What the terminal can do, judged from the environment alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_UNUSABLE = frozenset({"dumb", "unknown", ""})
_ASCII_TERMS = ("linux", "vt1", "vt2", "ansi", "cons25", "sun")


@dataclass(frozen=True, slots=True)
class Terminal:
    """usable: a screen can be drawn; ascii_only: no signs beyond ASCII; many_colours: 256 or
    more; no_colour: the operator wants none."""

    usable: bool
    ascii_only: bool
    many_colours: bool
    no_colour: bool


def judge(environ: Mapping[str, str]) -> Terminal:
    term = environ.get("TERM", "").lower()
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    utf8 = locale.upper().replace("-", "").endswith("UTF8")
    deep = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "256" in term
    return Terminal(
        usable=term not in _UNUSABLE,
        ascii_only=not utf8 or term.startswith(_ASCII_TERMS),
        many_colours=deep,
        no_colour="NO_COLOR" in environ,
    )
