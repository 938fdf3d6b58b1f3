"""The two lines at the bottom: the keys of this screen, and those that work everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from console.acts import GLOBAL_ACTS
from console.formatting import width
from console.ink import Ink
from console.widgets.say import Say

Keys = Sequence[tuple[str, str]]
GLOBAL_KEYS: Keys = tuple((act.key, act.words) for act in GLOBAL_ACTS if act.key != "u")


class KeyBar(Vertical):
    def __init__(self, ink: Ink, keys: Keys) -> None:
        super().__init__()
        self._ink, self._keys = ink, tuple(keys)

    def compose(self) -> ComposeResult:
        yield Say(id="keys-here")
        yield Say(id="keys-global")

    def on_resize(self) -> None:
        self._draw()

    def show(self, keys: Keys) -> None:
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self._draw()

    def _draw(self) -> None:
        room = max(20, self.size.width - 2)
        self.query_one("#keys-here", Say).show(key_line(self._ink, self._keys, room))
        self.query_one("#keys-global", Say).show(key_line(self._ink, GLOBAL_KEYS, room))


def key_line(ink: Ink, keys: Keys, room: int) -> Content:
    """As many keys as fit into room cells; those cut off stand in the help."""
    parts: list[str | tuple[str, str]] = []
    used = 0
    for key, words in keys:
        length = width(key) + 1 + width(words) + (3 if parts else 0)
        if used + length > room:
            break
        if parts:
            parts.append("   ")
        parts += [(key, "key"), (f" {words}", "muted")]
        used += length
    return ink.say(*parts)
