"""What the wizard's pages share."""

from __future__ import annotations

from typing import ClassVar

from console.acts import BACK, Act
from console.screens.base import MentatScreen
from console.screens.restore.draft import PAGES, Draft


class Page(MentatScreen[None]):
    """Page `number` of the wizard, from 1; `draft` is the one that all pages fill in."""

    number = 1
    acts: ClassVar[tuple[Act, ...]] = (Act("enter", "go on"), BACK)

    def __init__(self, draft: Draft | None = None) -> None:
        super().__init__()
        self.draft = draft or Draft()

    def on_mount(self) -> None:
        dot = self.ink.glyphs.dot
        self.heading = f"restore {self.number}/{len(PAGES)} {dot} {PAGES[self.number - 1]}"
        super().on_mount()

    def selected(self) -> object:
        """r inside the wizard begins it again, with nothing chosen."""
        return None
