"""Text on screen that is written to the terminal only when it changed."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Say(Static):
    """A Static that takes Content only: no markup, no redraw of the same."""

    def __init__(
        self, content: Content | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(content or Content(""), id=id, classes=classes, markup=False)
        self._shown = content or Content("")

    @property
    def said(self) -> Content:
        return self._shown

    def show(self, content: Content) -> None:
        """Put this up. Lays the screen out anew only when the number of lines may differ."""
        old = self._shown
        if old.plain == content.plain and list(old.spans) == list(content.spans):
            return
        self._shown = content
        fixed = self.styles.height is not None and not self.styles.auto_dimensions
        self.update(content, layout=not fixed)
