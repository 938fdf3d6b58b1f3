"""A logical snapshot of a database: users, then the dump, counted in the same consistent read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from engine.core.errors import DatabaseError
from engine.core.snapshot import DatabaseFacts
from engine.operations.progress import Phase
from engine.operations.streams import Packed, pack
from engine.ports import Dump, RunningPipeline

if TYPE_CHECKING:
    from engine.operations.backup import Session

DUMP = "dump.sql.zst.gpg"
USERS = "users.sql.zst.gpg"
_BEGIN_SECONDS = 60.0
_EXPLAIN_SECONDS = 1.0


def run(session: Session) -> None:
    """Fill the session with the snapshot's artifacts and facts. The dump's exit status, its
    completion marker and a DDL check decide before anything is completed."""
    ctx, source = session.ctx, session.source
    database = ctx.database(source, "")
    with Phase(ctx.emit, f"connect {source.name}", "Ask the server", source.name):
        expected = database.size()
    with (
        # The dump's end closes its sessions, so that a count under way does not hold up a cancel.
        ThreadPoolExecutor(1, thread_name_prefix="facts") as pool,
        database.dump(source.schemas or None) as dump,
        session.writer(DUMP) as writer,
    ):
        facts: Future[tuple[datetime, DatabaseFacts]] | None = None

        def started(pipeline: RunningPipeline) -> None:
            nonlocal facts
            facts = pool.submit(_take_facts, session, dump, pipeline)

        with Phase(ctx.emit, f"dump {source.name}", "Dump", source.name, expected) as phase:
            try:
                packed = pack(ctx, writer, DUMP, dump.command, phase, started, dump.explain)
            except Exception:
                _explain(facts)
                raise
            _require_marker(packed, dump.completion_marker())
        assert facts is not None
        with Phase(ctx.emit, f"count {source.name}", "Count and check the rows", source.name):
            moment, taken = facts.result()
            session.warnings.extend(dump.check())
        session.recoverable_to = moment
        session.database = _with_place(session, taken)
        writer.complete()
        session.artifacts.append(packed.artifact)
        users = dump.users_sql
    with (
        session.writer(USERS) as writer,
        Phase(ctx.emit, f"users {source.name}", "Users and grants", source.name) as phase,
    ):
        packed = pack(ctx, writer, USERS, users, phase)
        writer.complete()
        session.artifacts.append(packed.artifact)


def _take_facts(
    session: Session, dump: Dump, pipeline: RunningPipeline
) -> tuple[datetime, DatabaseFacts]:
    try:
        dump.begun(_BEGIN_SECONDS)
        moment = session.ctx.clock()
        return moment, dump.facts()
    except BaseException:
        # Without these facts there is no snapshot: let the dump end now.
        pipeline.interrupt()
        raise


def _explain(facts: Future[tuple[datetime, DatabaseFacts]] | None) -> None:
    """Prefer the reason the dump was ended for over the broken pipe it left."""
    if facts is None:
        return
    wait([facts], _EXPLAIN_SECONDS)  # it ends the dump first and itself a moment later
    if facts.done() and not facts.cancelled():
        error = facts.exception()
        if error is not None:
            raise error


def _require_marker(packed: Packed, marker: bytes) -> None:
    if marker not in packed.tail:
        raise DatabaseError(
            "the dump ended without its completion marker: it is cut short",
            "See the dump's last lines in the journal, then run the backup again.",
        )


def _with_place(session: Session, facts: DatabaseFacts) -> DatabaseFacts:
    """Add which container, image and volume the server ran on, for restores into the same."""
    name = session.source.container
    if not name:
        return facts
    container = session.ctx.containers().container(name)
    directory = facts.data_directory.rstrip("/") or "/var/lib/mysql"
    volumes: Sequence[str] = [
        m.volume for m in container.mounts if m.destination.rstrip("/") == directory and m.volume
    ]
    return replace(
        facts,
        image=container.image,
        image_id=container.image_id,
        container=name,
        volume=volumes[0] if volumes else "",
        data_directory=directory,
    )
