"""The command palette: every action of this screen and of the console, and the sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from console.acts import GLOBAL_ACTS, Act
from console.formatting import clip, safe
from console.screens.base import Dialog, MentatScreen

if TYPE_CHECKING:
    from console.app import MentatApp

NAME_CELLS = 48  # fuzzy matching takes far longer on longer names


class Actions(Provider):
    """Names of sources come from outside: they are shown as Content, never as markup."""

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, more, command in self._all():
            score = matcher.match(name)
            if score > 0:
                _, offsets = matcher.fuzzy_search.match(query, name)
                shown = Content(name)
                for offset in offsets:
                    shown = shown.stylize(matcher.match_style, offset, offset + 1)
                yield Hit(score, shown, command, text=name, help=more or None)

    async def discover(self) -> Hits:
        for name, more, command in self._all():
            yield DiscoveryHit(Content(name), command, text=name, help=more or None)

    def _all(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        desk = cast("MentatApp", self.app)
        screen = self.screen
        here = screen.current_acts() if isinstance(screen, MentatScreen | Dialog) else ()
        for act in (*here, *GLOBAL_ACTS):
            if act.action and act.action != "app.command_palette":
                yield self._name(act), act.more, partial(self._do, act)
        for source in desk.model.posture.sources if desk.model.posture else ():
            name = clip(safe(source.source, desk.ascii_only), NAME_CELLS, desk.ink.glyphs.ellipsis)
            yield f"back up {name}", "", partial(desk.asking.backup, [source.source])
            yield f"restore {name}", "", partial(desk.begin_restore, source.source, source.host)
            yield f"snapshots of {name}", "", partial(desk.show_inventory, source.source)

    def _name(self, act: Act) -> str:
        return f"{act.words}  ({act.key})"

    async def _do(self, act: Act) -> None:
        await self.screen.run_action(act.action)
