"""Replaying shipped logs into a server that holds a snapshot: one ordered stream, from the
snapshot's place to the moment asked for."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.core.binlog import BinlogIndex, Place
from engine.core.binlog_events import BinlogBroken
from engine.core.binlog_gtid import MariaDBGtids
from engine.core.binlog_replay import Replay, Replayed, Source
from engine.core.commands import Command, Ended
from engine.core.errors import DamageError, DatabaseError, MentatError, ObjectDamaged
from engine.core.events import Output
from engine.core.recovery import Until
from engine.core.snapshot import BinlogPosition, DatabaseFacts
from engine.operations import rates, replay_plan
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.streams import FALLBACK, announce, decompress_command
from engine.ports import Database, ObjectStore, RunningPipeline, StreamTap
from engine.repository.binlogs import BinlogStore, Indexed

if TYPE_CHECKING:
    from engine.operations.restore import Restoring

_SAY_EVERY = 2.0  # seconds


def replay(
    restoring: Restoring, database: Database, facts: DatabaseFacts
) -> tuple[DatabaseFacts, dict[str, object]]:
    """After the load and before its last act. Returns the facts with the position and the GTIDs
    that the server now stands at, and what to tell; both as they were when nothing was asked.

    facts.position must be where the restored data stands."""
    until = restoring.request.until
    if until is None:
        return facts, {}
    if facts.position is None:
        raise DatabaseError(
            "this snapshot does not tell where in the logs it stands",
            "Choose another snapshot; `mentat-dr show` tells which are joined to logs.",
        )
    ctx, request = restoring.ctx, restoring.request
    store = BinlogStore(ctx.repository, request.host or ctx.host, request.source)
    rows = ctx.repository.restorable(store.host, store.source)
    resolved = replay_plan.resolve(store, rows, request, ctx.clock())
    found = replay_plan.indexes(store, resolved.route)
    replay_plan.require_unambiguous(found, until)
    chain = resolved.route.run.chain
    start = Place(chain, facts.position.file, facts.position.position)
    wanted = [i for i in found if (i.index.segment.number, i.index.segment.end) >= start.order]
    if not wanted:
        raise DamageError(f"no shipped log holds {start}", "Choose another snapshot.")
    one = Replay(facts.flavor, start, _held(facts, wanted), resolved.request.until or until)
    _run(restoring, database, store, wanted, one)
    return _after(facts, one), _told(one.done, until)


def _held(facts: DatabaseFacts, found: Sequence[Indexed]) -> str:
    """What the snapshot holds, where the logs tell GTIDs at all."""
    assert facts.position is not None
    return facts.position.gtid_set if found[0].index.known_gtids else ""


def _run(
    restoring: Restoring,
    database: Database,
    store: BinlogStore,
    found: Sequence[Indexed],
    one: Replay,
) -> None:
    ctx, name = restoring.ctx, restoring.request.source
    size = sum(i.index.artifact.raw_bytes for i in found)
    binlogs = database.binlogs
    binlogs.status()
    stages = [binlogs.decode(), binlogs.apply()]
    title = f"Replay binary logs to {one.until}"
    with Phase(ctx.emit, f"replay {name}", title, name, size) as phase:
        for stage in stages:
            announce(ctx, stage)
        with (
            contextlib.closing(_sources(ctx, store, found, restoring.passphrase)) as sources,
            ctx.processes.pipeline(
                stages, feed=True, on_line=lambda line: ctx.emit(Output(line))
            ) as pipeline,
        ):
            phase.watch(lambda: one.done.bytes)
            whole = _feed(ctx, one, sources, pipeline)
            ended = pipeline.wait()
            failed = pipeline.failed
            if failed is not None:
                if failed.command is stages[1]:
                    raise binlogs.explain(failed.stderr)
                raise ctx.processes.failure(failed)
            if not whole:
                raise DatabaseError(
                    f"the replay ended before its end: {_last_words(ended)}", "Restore again."
                )
    steps = (f"replay {name}", "replay database")
    rates.record(ctx.state, steps, one.done.bytes, phase.seconds, ctx.clock())


def _feed(ctx: Context, one: Replay, sources: Iterator[Source], pipeline: RunningPipeline) -> bool:
    """Whether all of it went in. Says now and then how far it came."""
    said = time.monotonic()
    try:
        for chunk in one.stream(sources):
            if not pipeline.write(chunk):
                return False
            if one.done.last and time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                ctx.emit(Output(f"sent {_words(one.done)}"))
    except BinlogBroken as error:
        raise DamageError(
            f"a shipped log cannot be followed: {error}", "Choose a moment before it."
        ) from error
    return True


def _words(done: Replayed) -> str:
    last = done.last
    if last is None:
        return "nothing"
    return f"{last.gtid or f'{done.last_file}:{last.start}'} of {last.at:%Y-%m-%d %H:%M:%S} UTC"


def _last_words(ended: Sequence[Ended]) -> str:
    lines = [line for e in ended for line in e.stderr if line.strip()]
    return lines[-1][:300] if lines else "nobody said why"


# ---------------------------------------------------------------- plain bytes of segments


def _sources(
    ctx: Context, store: BinlogStore, found: Sequence[Indexed], passphrase: str | None
) -> Generator[Source, None, None]:
    """Each segment's plain bytes, fetched and decrypted as they are read."""
    for indexed in found:
        with opened(ctx, store, indexed.index, passphrase) as source:
            yield source


@contextlib.contextmanager
def opened(
    ctx: Context, store: BinlogStore, index: BinlogIndex, passphrase: str | None
) -> Iterator[Source]:
    """A segment being read. Its stored bytes are proven against the signed index before gpg sees
    them; read to its end, the plain ones are proven too."""
    tap = ctx.processes.tap()
    decrypt = ctx.repository.cipher.decrypt_command(passphrase)
    stages: list[Command | StreamTap] = [decrypt, decompress_command(), tap]
    trouble: list[MentatError] = []

    def fallback(other: ObjectStore, error: MentatError) -> None:
        ctx.warn(FALLBACK, f"{error.message}; going on from another store")

    def pour() -> None:
        try:
            with contextlib.closing(store.read(index, fallback)) as chunks:
                for chunk in chunks:
                    if not pipeline.write(chunk):
                        break
        except MentatError as error:
            trouble.append(error)
            pipeline.interrupt()
        finally:
            pipeline.close_input()

    with ctx.processes.pipeline(stages, feed=True, collect=True) as pipeline:
        feeder = threading.Thread(target=pour, name="segment", daemon=True)
        feeder.start()

        def read(size: int) -> bytes:
            chunk = os.read(pipeline.output, size)
            if not chunk:
                _prove(ctx, index, pipeline, feeder, tap, trouble)
            return chunk

        try:
            yield index, read
        finally:
            # Whoever has enough leaves: the children go first, then the one who feeds them.
            pipeline.interrupt()
            feeder.join(10)


def _prove(
    ctx: Context,
    index: BinlogIndex,
    pipeline: RunningPipeline,
    feeder: threading.Thread,
    tap: StreamTap,
    trouble: Sequence[MentatError],
) -> None:
    feeder.join()
    if trouble:
        raise trouble[0]
    ended = pipeline.wait()
    error = ctx.repository.cipher.decrypt_error(ended[0].ok, ended[0].stderr)
    if error is not None:
        raise error
    if pipeline.failed is not None:
        raise ctx.processes.failure(pipeline.failed)
    if (tap.count, tap.sha256) != (index.artifact.raw_bytes, index.artifact.raw_sha256):
        raise ObjectDamaged(
            f"{index.segment.name} decrypts to other bytes than were shipped",
            "Choose a moment before it.",
        )


# ---------------------------------------------------------------- what came of it


def _after(facts: DatabaseFacts, one: Replay) -> DatabaseFacts:
    """Where the restored server stands now."""
    assert facts.position is not None
    done = one.done
    gtids = facts.position.gtid_set
    if done.gtids:
        gtids = done.gtids.position() if isinstance(done.gtids, MariaDBGtids) else str(done.gtids)
    if done.last is None:
        return facts
    return replace(facts, position=BinlogPosition(done.last_file, done.last.end, gtids))


def _told(done: Replayed, until: Until) -> dict[str, object]:
    last = done.last
    return {
        "replayed": done.transactions,
        "until": str(until),
        "last_transaction": (last.gtid or f"{done.last_file}:{last.start}") if last else "",
        "last_transaction_at": last.at.isoformat() if last else "",
        "last_position": f"{done.last_file}:{last.end}" if last else "",
        "first_left_out": done.left_out,
        "first_left_out_at": done.left_out_at.isoformat() if done.left_out_at else "",
    }


def summary(facts: Mapping[str, object]) -> str:
    """For the job's last line; empty when nothing was asked."""
    if "replayed" not in facts:
        return ""
    if not facts["replayed"]:
        return f"; nothing was logged between the snapshot and {facts['until']}"
    left = facts["first_left_out"]
    return (
        f"; replayed {facts['replayed']} transactions to {facts['until']}: the last one is "
        f"{facts['last_transaction']} of {facts['last_transaction_at']}"
        + (f", the first one left out {left}" if left else "")
    )
