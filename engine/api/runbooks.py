"""Runbooks: what there is, what is wrong with it, and the book for paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from engine.api.door import Door
from engine.core.errors import UsageError
from engine.core.runbook import Runbook
from engine.core.runbook_lint import Remark

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.core import document
    from engine.operations.runbook_reading import Shelf

Form = Literal["text", "markdown", "html"]
FORMS: tuple[Form, ...] = ("text", "markdown", "html")


class Runbooks:
    """`engine.runbooks`."""

    def __init__(self, door: Door, engine: Engine) -> None:
        self._door = door
        self._engine = engine

    def shelf(self) -> Shelf:
        """All of them, the deployment's own in place of the product's. Never raises: files that
        cannot be read are told beside."""
        from engine.operations import runbook_reading

        return runbook_reading.shelf(self._door.settings.runbooks)

    def book(self, runbook: str) -> Runbook:
        """UsageError naming those there are; a unique start of an id will do."""
        books = self.shelf().books
        fits = [book for name, book in books.items() if name.startswith(runbook)]
        if runbook in books:
            return books[runbook]
        if len(fits) == 1 and runbook:
            return fits[0]
        raise UsageError(f"there is no runbook {runbook!r}", f"There are: {', '.join(books)}")

    def lint(self) -> tuple[Remark, ...]:
        """Every finding; unreadable files come first, as errors."""
        from engine import wiring
        from engine.api import incident_actions
        from engine.core.runbook_lint import lint

        found = self.shelf()
        unread = [Remark(u.file, "", "error", what) for u in found.unread for what in u.problems]
        checks = [check.name for check in self._door.settings.health]
        today = wiring.utc_now().date()
        linted = lint(
            found.books.values(),
            today=today,
            actions=incident_actions.available(),
            checks=checks,
        )
        return (*unread, *linted)

    def export(self, runbook: str = "", form: Form = "markdown") -> str:
        """One runbook, or with an empty id the whole book with cards and contacts."""
        from engine import wiring
        from engine.core import runbook_text

        today = wiring.utc_now().date()
        values = self._engine.cards.values()
        if runbook:
            book = self.book(runbook)
            return written(book.title, runbook_text.blocks(book, values, today), form)
        settings = self._door.settings
        after = self._engine.cards.blocks(live=False)
        books = self.shelf().books.values()
        made = runbook_text.whole_book(books, values, today, after)
        return written(f"Recovery book: {settings.host}, {settings.environment}", made, form)


def written(title: str, blocks: Sequence[document.Block], form: Form) -> str:
    from engine.core import document

    write = {"text": document.plain, "markdown": document.markdown, "html": document.html}[form]
    return write(title, blocks)
