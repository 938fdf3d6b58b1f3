"""A table that draws only the lines in view: 100,000 rows open, scroll and filter at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.formatting import fit
from console.ink import Ink
from console.widgets.columns import GAP, Cell, Column, lay_out
from console.widgets.rows import SLICE, Rows

T = TypeVar("T")
GUTTER = 2  # cursor sign, mark sign
ROLE_CLASSES = (
    "ok",
    "warning",
    "critical",
    "unknown",
    "muted",
    "strong",
    "title",
    "progress",
    "command",
)


class VirtualTable(ScrollView, Generic[T], can_focus=True):
    """Rows of T under a fixed header line.

    columns  what to show; `identity` tells rows apart over refreshes, `search` is what a filter
             looks at. The cursor stays on its row when rows change.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--cursor",
        "table--blurred",
        "table--row",
        *(f"table--{role}" for role in ROLE_CLASSES),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(0)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row (None: there is none)."""

        def __init__(self, table: VirtualTable[Any], row: Any) -> None:
            super().__init__()
            self.table, self.row = table, row

        @property
        def control(self) -> VirtualTable[Any]:
            return self.table

    class Chosen(Message):
        """Enter, or a click on the row under the cursor."""

        def __init__(self, table: VirtualTable[Any], row: Any) -> None:
            super().__init__()
            self.table, self.row = table, row

        @property
        def control(self) -> VirtualTable[Any]:
            return self.table

    class Ordered(Message):
        """A filter or sort has taken effect."""

        def __init__(self, table: VirtualTable[Any]) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> VirtualTable[Any]:
            return self.table

    def __init__(
        self,
        columns: Sequence[Column[T]],
        *,
        identity: Callable[[T], Hashable],
        search: Callable[[T], str],
        ink: Ink,
        markable: bool = False,
        empty: str = "",
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._identity = identity
        self._rows: Rows[T] = Rows((), search)
        self._search = search
        self._ink = ink
        self._markable = markable
        self.empty = empty
        self.filter = ""
        self.sort_key = ""
        self.reverse = False
        self.order: list[int] = []
        self.cursor = 0
        self.marked: set[Hashable] = set()
        self._ordering: asyncio.Task[None] | None = None
        self._drawn: dict[int, list[Cell]] = {}  # by line: what stands on screen

    # ------------------------------------------------------------ rows

    @property
    def total(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> Sequence[T]:
        """All rows, as they came."""
        return self._rows.rows

    @property
    def row(self) -> T | None:
        """The row under the cursor."""
        if 0 <= self.cursor < len(self.order):
            return self._rows.rows[self.order[self.cursor]]
        return None

    def chosen(self) -> list[T]:
        """The marked rows, or the one under the cursor."""
        marked = [row for row in self._rows.rows if self._identity(row) in self.marked]
        if marked:
            return marked
        return [self.row] if self.row is not None else []

    @property
    def room(self) -> int:
        """Cells of a line, the scrollbar left out."""
        return self.scrollable_content_region.width

    def set_columns(self, columns: Sequence[Column[T]]) -> None:
        self._columns = tuple(columns)
        self.refresh()

    def set_rows(self, rows: Sequence[T]) -> None:
        """Show these rows; filter, sort and cursor stay. The same rows again only bring the
        lines whose cells read differently now (ages) up to date."""
        old = self._rows.rows
        if rows is old or (len(rows) == len(old) <= SLICE and list(rows) == list(old)):
            self._touch()
            return
        keep = self._identity(self.row) if self.row is not None else None
        self._rows = Rows(rows, self._search)
        self._reorder(keep)

    def _touch(self) -> None:
        shown = lay_out(self._columns, self.room - GUTTER)
        for y, drawn in list(self._drawn.items()):
            position = self.scroll_offset.y + y - 1
            if position < len(self.order) and self._cells(position, shown) != drawn:
                self.refresh(Region(0, y, self.room, 1))

    def set_filter(self, text: str) -> None:
        if text != self.filter:
            self.filter = text
            self._reorder(None)

    def sort_by(self, key: str, reverse: bool | None = None) -> None:
        """Sort by the column called key ("" for the order the rows came in)."""
        column = next((c for c in self._columns if c.key == key), None)
        keep = self._identity(self.row) if self.row is not None else None
        self.sort_key = key
        self.reverse = (column.descending if column else False) if reverse is None else reverse
        self._reorder(keep)

    def sort_next(self) -> None:
        """Sort by the next column that can be sorted, in turn; then as the rows came."""
        keys = ["", *(c.key for c in self._columns if c.sort)]
        self.sort_by(keys[(keys.index(self.sort_key) + 1) % len(keys)])

    def sort_reverse(self) -> None:
        self.sort_by(self.sort_key, not self.reverse)

    def select(self, found: Callable[[T], bool]) -> bool:
        """Move the cursor to the first shown row that `found` accepts."""
        for position, index in enumerate(self.order):
            if found(self._rows.rows[index]):
                self._go(position)
                return True
        return False

    def _reorder(self, keep: Hashable) -> None:
        if self._ordering:
            self._ordering.cancel()
            self._ordering = None
        column = next((c for c in self._columns if c.key == self.sort_key), None)
        key = column.sort if column else None
        if len(self._rows) <= SLICE:
            self._show(self._rows.now(self.filter, self.sort_key, key, self.reverse), keep)
            return

        async def work() -> None:
            rows = self._rows
            order = await rows.order(self.filter, self.sort_key, key, self.reverse)
            self._show(order, keep)

        self._ordering = asyncio.get_running_loop().create_task(work())

    def _show(self, order: list[int], keep: Hashable) -> None:
        self.order = order
        position = 0
        if keep is not None:
            rows = self._rows.rows
            position = next(
                (p for p, i in enumerate(order) if self._identity(rows[i]) == keep),
                min(self.cursor, max(0, len(order) - 1)),
            )
        self.virtual_size = Size(0, len(order) + 1)
        self.cursor = position
        self._scroll_to_cursor()
        self.refresh()
        self.post_message(self.Moved(self, self.row))
        self.post_message(self.Ordered(self))

    def on_unmount(self) -> None:
        if self._ordering:
            self._ordering.cancel()

    # ------------------------------------------------------------ cursor

    def action_move(self, by: int) -> None:
        self._go(self.cursor + by)

    def action_page(self, by: int) -> None:
        self._go(self.cursor + by * max(1, self.size.height - 2))

    def action_edge(self, last: int) -> None:
        self._go(len(self.order) - 1 if last else 0)

    def action_choose(self) -> None:
        if self.row is not None:
            self.post_message(self.Chosen(self, self.row))

    def toggle_mark(self) -> None:
        if self._markable and self.row is not None:
            self.marked ^= {self._identity(self.row)}
            self._refresh_row(self.cursor)

    def _go(self, position: int) -> None:
        position = max(0, min(position, len(self.order) - 1))
        if position == self.cursor:
            return
        self._refresh_row(self.cursor)
        self.cursor = position
        self._refresh_row(position)
        self._scroll_to_cursor()
        self.post_message(self.Moved(self, self.row))

    def _scroll_to_cursor(self) -> None:
        room = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + room:
            self.scroll_to(y=self.cursor - room + 1, animate=False)

    def _refresh_row(self, position: int) -> None:
        y = position - self.scroll_offset.y + 1
        self.refresh(Region(0, y, self.room, 1))

    def on_click(self, event: events.Click) -> None:
        position = self.scroll_offset.y + event.y - 1
        if event.y < 1 or position >= len(self.order):
            return
        if position == self.cursor:
            self.action_choose()
        else:
            self._go(position)

    def on_resize(self) -> None:
        self._scroll_to_cursor()
        self.refresh()

    # ------------------------------------------------------------ drawing

    def render_line(self, y: int) -> Strip:
        room = self.room
        shown = lay_out(self._columns, room - GUTTER)
        base = self.rich_style
        if y == 0:
            return self._header(shown, base).adjust_cell_length(room, base)
        position = self.scroll_offset.y + y - 1
        if position >= len(self.order):
            self._drawn.pop(y, None)
            text = self.empty if y == 1 and not self.order else ""
            muted = base + self._role("muted")
            return Strip([Segment(fit("  " + self._ink.safe(text), room), muted)], room)
        cells = self._drawn[y] = self._cells(position, shown)
        return self._line(position, cells, shown, base).adjust_cell_length(room, base)

    def _role(self, role: str) -> Style:
        if not role:
            return Style.null()
        return self.get_component_rich_style(f"table--{role}", partial=True)

    def _header(self, shown: list[tuple[Column[T], int]], base: Style) -> Strip:
        style = base + self._role("header")
        glyphs = self._ink.glyphs
        segments = [Segment(" " * GUTTER, style)]
        for place, (column, cells) in enumerate(shown):
            title = column.title
            if column.key == self.sort_key and column.sort:
                title += glyphs.descending if self.reverse else glyphs.ascending
            text = fit(title, cells, column.align, glyphs.ellipsis)
            segments.append(Segment((" " * GAP if place else "") + text, style))
        return Strip(segments)

    def _cells(self, position: int, shown: list[tuple[Column[T], int]]) -> list[Cell]:
        row = self._rows.rows[self.order[position]]
        return [column.cell(row) for column, _ in shown]

    def _line(
        self,
        position: int,
        cells: list[Cell],
        shown: list[tuple[Column[T], int]],
        base: Style,
    ) -> Strip:
        row = self._rows.rows[self.order[position]]
        current = position == self.cursor
        glyphs = self._ink.glyphs
        reversed_ = current and self.has_focus and self.app.native_ansi_color
        whole = base
        if current:
            whole = base + self._role("cursor" if self.has_focus else "blurred")
        mark = glyphs.mark if self._identity(row) in self.marked else " "
        segments = [
            Segment(glyphs.cursor if current else " ", whole),
            Segment(mark, whole),
        ]
        for place, ((column, room), cell) in enumerate(zip(shown, cells, strict=True)):
            text = fit(self._ink.safe(cell.text), room, column.align, glyphs.ellipsis)
            if place:
                segments.append(Segment(" " * GAP, whole))
            style = whole if reversed_ else whole + self._role(cell.role)
            segments.append(Segment(text, style))
        used = GUTTER + sum(w for _, w in shown) + GAP * (len(shown) - 1)
        segments.append(Segment(" " * max(0, self.room - used), whole))
        return Strip(segments)
