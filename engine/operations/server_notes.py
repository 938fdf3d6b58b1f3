"""What is made or changed inside a database server for the length of a block, noted durably
before, so that a killed job's traces are removed by the next one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

import msgspec

from engine.core.errors import MentatError
from engine.operations import debris
from engine.operations.context import Context


class Undoable(Protocol):
    """What `undone` needs of a copy or a change."""

    @property
    def note(self) -> str: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def undone(ctx: Context, source: str, made: Undoable) -> Iterator[None]:
    """Close `made` at the end of the block, however it ends. What cannot be undone then stays
    noted: the next job tries again."""
    what = msgspec.json.encode([source, made.note]).decode()
    note = debris.Note(ctx, "server", what) if made.note else None
    try:
        yield
    finally:
        try:
            made.close()
        except MentatError as error:
            ctx.warn(
                "debris", f"the server of {source} could not be put right yet: {error}", source
            )
        else:
            if note is not None:
                note.drop()


def undo(ctx: Context, what: str) -> None:
    """Put right what a dead job left in the server that `what` names. MentatError when the server
    cannot be reached now."""
    source, note = msgspec.json.decode(what, type=tuple[str, str])
    ctx.database(ctx.settings.source(source), "").physical.undo(note)
