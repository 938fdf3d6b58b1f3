"""Text for the screen. Everything shown passes through `Ink.say`, which makes it inert: nothing
is parsed as markup and control characters are spelled out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content

from console.formatting import safe
from console.glyphs import ASCII, UNICODE, Glyphs
from engine.api import Level, State

# What a role looks like. Names starting with $ come from the theme; weight repeats the colour so
# that the meaning survives without it.
ROLES: dict[str, str] = {
    "": "",
    "ok": "$success",
    "warning": "$warning",
    "critical": "bold $error",
    "unknown": "$accent",
    "muted": "$quiet",
    "label": "$quiet",
    "strong": "bold",
    "title": "bold $primary",
    "key": "bold $primary",
    "command": "$secondary",
    "loud": "bold reverse $warning",
    "alarm": "bold reverse $error",
    "live": "bold $accent",
    "progress": "$primary",
}

Part = str | tuple[str, str] | Content

LEVEL_ROLE: dict[Level, str] = {
    "ok": "ok",
    "warning": "warning",
    "critical": "critical",
    "unknown": "unknown",
}
STATE_ROLE: dict[State, str] = {
    "accepted": "muted",
    "running": "progress",
    "done": "ok",
    "warnings": "warning",
    "failed": "critical",
    "cancelled": "muted",
    "interrupted": "critical",
}


@dataclass(frozen=True, slots=True)
class Ink:
    """A glyph set and the rule for external text that goes with it."""

    ascii_only: bool = False

    @property
    def glyphs(self) -> Glyphs:
        return ASCII if self.ascii_only else UNICODE

    def safe(self, text: str) -> str:
        return safe(text, self.ascii_only)

    def say(self, *parts: Part) -> Content:
        """One line. A part is text, (text, role), or content said before."""
        ready: list[Content | tuple[str, str] | str] = []
        for part in parts:
            if isinstance(part, Content):
                ready.append(part)
            elif isinstance(part, str):
                ready.append(self.safe(part))
            else:
                ready.append((self.safe(part[0]), ROLES[part[1]]))
        return Content.assemble(*ready)

    def lines(self, lines: Iterable[Content]) -> Content:
        return Content("\n").join(lines)

    def level(self, level: Level) -> str:
        glyphs = self.glyphs
        return {
            "ok": glyphs.ok,
            "warning": glyphs.warning,
            "critical": glyphs.critical,
            "unknown": glyphs.unknown,
        }[level]

    def state(self, state: State) -> str:
        glyphs = self.glyphs
        return {
            "accepted": glyphs.waiting,
            "running": glyphs.running,
            "done": glyphs.done,
            "warnings": glyphs.warning,
            "failed": glyphs.failed,
            "cancelled": glyphs.cancelled,
            "interrupted": glyphs.interrupted,
        }[state]
