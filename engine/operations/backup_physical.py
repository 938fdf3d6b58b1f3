"""A physical snapshot of a database: its files as they are, consistent at one moment, streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.operations import server_notes
from engine.operations.backup_database import with_place
from engine.operations.progress import Phase
from engine.operations.streams import pack

if TYPE_CHECKING:
    from engine.operations.backup import Session


def run(session: Session) -> None:
    """Fill the session with the snapshot's one artifact and its facts. Whatever the copy made in
    the server is removed again, at the latest by the next job."""
    ctx, source = session.ctx, session.source
    database = ctx.database(source, "")
    with Phase(ctx.emit, f"connect {source.name}", "Ask the server", source.name):
        expected = database.size()
        copy = database.physical.copy()
    with (
        server_notes.undone(ctx, source.name, copy),
        session.writer(copy.artifact) as writer,
    ):
        with Phase(ctx.emit, f"copy {source.name}", "Copy the files", source.name):
            copy.make()
            session.recoverable_to = ctx.clock()
        title = "Stream the files"
        with Phase(ctx.emit, f"stream {source.name}", title, source.name, expected) as phase:
            packed = pack(ctx, writer, copy.artifact, copy.command, phase, explain=copy.explain)
        if not copy.note:  # its moment is the stream's end
            session.recoverable_to = ctx.clock()
        with Phase(ctx.emit, f"count {source.name}", "Look at the server again", source.name):
            facts = copy.facts(packed.ended[0].stderr)
            session.warnings.extend(copy.warnings)
        session.database = with_place(session, facts)
        session.tools["physical"] = copy.tool
        writer.complete()
        session.artifacts.append(packed.artifact)
