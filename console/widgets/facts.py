"""Labelled lines that wrap inside their own column, so that labels stay readable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from console.formatting import fit
from console.ink import ROLES, Ink

LABEL = 10


@dataclass(frozen=True, slots=True)
class Fact:
    """label in its own column of `cells`; value wraps beside it. cells 0: the widget's."""

    label: str
    value: Content
    role: str = "label"
    cells: int = 0


Row = Fact | Content


class Facts(Widget):
    """Rows of facts; a Content row stands alone and wraps at the full width."""

    def __init__(
        self, ink: Ink, *, id: str | None = None, classes: str | None = None, label: int = LABEL
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._ink, self._label = ink, label
        self._rows: tuple[Row, ...] = ()
        self._seen: list[object] = []

    @property
    def plain(self) -> str:
        """What stands here as text, unwrapped."""
        return "\n".join(
            f"{row.label} {row.value.plain}" if isinstance(row, Fact) else row.plain
            for row in self._rows
        )

    def show(self, rows: Sequence[Row]) -> None:
        """Put these up; drawn only when they differ from what stands there."""
        seen = [_fingerprint(row) for row in rows]
        if seen == self._seen:
            return
        before = self._height(self.size.width)
        self._seen, self._rows = seen, tuple(rows)
        self.clear_cached_dimensions()
        self.refresh(layout=self._height(self.size.width) != before)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._height(width)

    def render(self) -> Content:
        return Content("\n").join(self._wrapped(self.content_size.width))

    def _height(self, width: int) -> int:
        return len(self._wrapped(width)) if width > 0 else len(self._rows)

    def _wrapped(self, width: int) -> list[Content]:
        lines: list[Content] = []
        for row in self._rows:
            if isinstance(row, Content):
                lines += row.wrap(max(2, width)) if row else [row]
                continue
            cells = min(row.cells or self._label, max(1, width - 10))
            head = fit(self._ink.safe(row.label), cells)
            for place, part in enumerate(row.value.wrap(max(10, width - cells)) or [Content("")]):
                label = (head, ROLES[row.role]) if place == 0 else (" " * cells, "")
                lines.append(Content.assemble(label, part))
        return lines


def _fingerprint(row: Row) -> object:
    content = row.value if isinstance(row, Fact) else row
    extra = (row.label, row.role, row.cells) if isinstance(row, Fact) else ()
    return (content.plain, tuple(content.spans), extra)
