"""One look at a server's logs, and shipping what it shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.core.binlog import (
    BinlogIndex,
    Place,
    Seen,
    Shipped,
    chain_began,
    file_number,
)
from engine.core.binlog_events import MAGIC, BinlogBroken, Reader, read_format
from engine.core.binlog_shipping import (
    Decision,
    Range,
    ServerLogs,
    decide,
    discontinuity,
    newest_chain,
    tip,
)
from engine.core.errors import DatabaseError
from engine.core.recovery_range import superseded
from engine.operations import binlog_anchors
from engine.operations.binlog_indexing import index_of
from engine.operations.binlog_scan import Scanned, scan
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.streams import pack
from engine.ports import Binlogs
from engine.repository.binlogs import BinlogStore, Indexed
from engine.settings import SourceSettings

SEAL_EVERY = timedelta(hours=1)  # the file in use is closed so often: many tails become one object
_FORMAT_BYTES = 1024  # more than any FORMAT event has
_KEEP_TAILS = timedelta(hours=2)  # after their file is there whole: a restore may read them now
_ANCHORS_EVERY = timedelta(seconds=60)


@dataclass
class Tally:
    """What was shipped since the job began. `place` is how far, `last_at` the last transaction."""

    segments: int = 0
    bytes: int = 0
    transactions: int = 0
    place: Place | None = None
    last_at: datetime | None = None


class _Broken(Exception):
    """A file does not continue the one before it."""


@dataclass
class _Store:
    """What the store is known to hold; kept between looks, since only we write there."""

    shipped: Shipped
    known: Indexed | None = None  # the newest chain's tip
    by_file: dict[str, Indexed] = field(default_factory=dict)  # whole files of this run


class Shipper:
    """Ships one source; the caller holds its lease. `run` may be called again and again."""

    def __init__(self, ctx: Context, source: SourceSettings, phase: Phase) -> None:
        self._ctx = ctx
        self._source = source
        self._phase = phase
        self._store = BinlogStore(ctx.repository, ctx.host, source.name)
        self._held: _Store | None = None
        self._logs: ServerLogs | None = None
        self._binlogs: Binlogs | None = None
        self._anchored_at: datetime | None = None
        self.tally = Tally()
        phase.watch(lambda: self.tally.bytes)

    def forget(self, *, store: bool) -> None:
        """After an error: ask the server, and the store, anew."""
        self._binlogs = None
        self._logs = None
        self._held = None

    def look(self) -> ServerLogs:
        """Ask the server what there is. DatabaseError."""
        if self._binlogs is None:
            self._binlogs = self._ctx.database(self._source, "").binlogs
        self._logs = self._binlogs.status()
        return self._logs

    # ------------------------------------------------------------ one run

    def run(self) -> Tally:
        """Ship all that is there now."""
        before = self._logs.position if self._logs else -1
        logs = self.look()
        held = self._held or self._ask_store()
        if self._idle(held, logs):
            self._anchor(held)
            if before == logs.position:
                return self.tally
            self._note_seen(held, logs)
            return self.tally
        logs = self._seal(held, logs)
        decision = self._decide(held, logs)
        for part in decision.ranges:
            try:
                self._ship(held, logs, decision, part)
            except _Broken as broken:
                decision = self._begin_anew(held, logs, part, str(broken))
                for rest in decision.ranges:
                    self._ship(held, logs, decision, rest)
                break
        self._anchored_at = None
        self._anchor(held)
        after = self.look()
        if self._idle(held, after):
            self._note_seen(held, after)
        self._clean(held)
        return self.tally

    def _ask_store(self) -> _Store:
        held = _Store(self._store.listed_to_write())
        segment = tip(held.shipped, newest_chain(held.shipped))
        if segment is not None:
            held.known = self._store.index(segment)
        self._held = held
        return held

    @staticmethod
    def _idle(held: _Store, logs: ServerLogs) -> bool:
        """Whether the tip is where the server is."""
        at = held.known.index.segment if held.known else None
        if at is None or at.server != logs.server:
            return False
        if any(b.at > chain_began(at.chain) for b in held.shipped.breaks):
            return False
        return (at.file, at.end) == (logs.active, logs.position)

    def _decide(self, held: _Store, logs: ServerLogs) -> Decision:
        known = held.known.index if held.known else None
        now_there = ""
        if known is not None and logs.size(known.segment.file) is not None:
            now_there = self._format_of(known.segment.file)
        begin_at = "" if known else binlog_anchors.begin_at(self._ctx, self._source)
        decision = decide(logs, held.shipped, known, now_there, begin_at, self._ctx.clock())
        if decision.alarm:
            self._alarm(decision.alarm)
        return decision

    def _alarm(self, words: str) -> None:
        self._ctx.warn(
            "binlog-gap",
            f"{words}. A new backup makes later moments recoverable: mentat-dr backup "
            f"{self._source.name}",
            self._source.name,
        )

    def _begin_anew(self, held: _Store, logs: ServerLogs, part: Range, words: str) -> Decision:
        """A chain from this file on."""
        self._alarm(words)
        first = file_number(part.file)
        files = tuple(f for f in logs.files if file_number(f[0]) >= first)
        former = held.known.index.segment.chain if held.known else ""
        held.known = None
        fresh = decide(
            replace(logs, files=files), Shipped("", ""), None, "", part.file, self._ctx.clock()
        )
        chain = max(fresh.chain, f"{int(former, 16) + 1:08x}") if former else fresh.chain
        return replace(fresh, chain=chain, reason="discontinuity")

    def _format_of(self, file: str) -> str:
        """The FORMAT event of the server's file, in hex."""
        assert self._binlogs is not None
        command = self._binlogs.read(Range(file, 0, _FORMAT_BYTES, False))
        ended = self._ctx.processes.run(command, timeout=60, check=False)
        content = memoryview(ended.stdout)
        if bytes(content[: len(MAGIC)]) != MAGIC:
            why = next((line for line in reversed(ended.stderr) if line.strip()), "no binary log")
            raise DatabaseError(
                f"{self._source.name}: {file} cannot be read: {why}",
                "See that the server's logs can be read beside it.",
            )
        taken = 0

        def read(size: int) -> bytes:
            nonlocal taken
            piece = bytes(content[taken : taken + size])
            taken += len(piece)
            return piece

        try:
            return read_format(next(iter(Reader(read, 0)))).event.hex()
        except (BinlogBroken, StopIteration) as error:
            raise DatabaseError(
                f"{self._source.name}: {file} does not begin as a log: {error}", "Ship again."
            ) from error

    def _seal(self, held: _Store, logs: ServerLogs) -> ServerLogs:
        """Have the server begin a new file where the one in use is old: its tails become one
        object. Without the privilege the tails stay."""
        tails = [
            s
            for s in held.shipped.segments
            if s.file == logs.active and not s.whole and s.server == logs.server
        ]
        oldest = min((s.first_at for s in tails), default=None)
        if oldest is None or self._ctx.clock() - oldest < SEAL_EVERY:
            return logs
        assert self._binlogs is not None
        try:
            self._binlogs.rotate()
        except DatabaseError as error:
            self._ctx.warn("binlog-seal", f"no new log was begun: {error.message}")
            return logs
        return self.look()

    # ------------------------------------------------------------ one range

    def _ship(self, held: _Store, logs: ServerLogs, decision: Decision, part: Range) -> None:
        assert self._binlogs is not None
        before = self._before(held, decision, part)
        index = before.index if before is not None else None
        scanned = scan(self._ctx, self._binlogs, part, logs.flavor, index)
        if part.start == 0 and index is not None:
            words = discontinuity(
                logs.flavor, index.segment.file, scanned.scan.previous, index.gtids_after
            )
            if words:
                raise _Broken(words)
        fresh = index_of(self._ctx, self._source, logs, decision, part, scanned, before)
        stored = self._upload(fresh, part, scanned)
        digest = self._store.commit(stored)
        segment = replace(stored.segment, stored_bytes=stored.artifact.stored_bytes)
        held.shipped = replace(held.shipped, segments=(*held.shipped.segments, segment))
        indexed = Indexed(stored, digest)
        if part.whole:
            held.by_file[part.file] = indexed
        known = held.known
        if known is None or (segment.number, segment.end) >= (
            known.index.segment.number,
            known.index.segment.end,
        ):
            held.known = indexed
        self._count(stored)
        self._tell(stored)

    def _before(self, held: _Store, decision: Decision, part: Range) -> Indexed | None:
        """What the range continues: the tail before it, or the whole file before its own."""
        own = [s for s in held.shipped.segments if s.chain == decision.chain]
        if part.start:
            wanted = [s for s in own if s.file == part.file and s.end == part.start]
        else:
            number = file_number(part.file)
            whole = [s for s in own if s.whole and s.number < number]
            wanted = sorted(whole, key=lambda s: s.number)[-1:]
        if not wanted:
            return None
        segment = wanted[0]
        for known in (held.known, held.by_file.get(segment.file)):
            if known is not None and known.index.segment.name == segment.name:
                return known
        return self._store.index(segment)

    def _upload(self, index: BinlogIndex, part: Range, scanned: Scanned) -> BinlogIndex:
        """Store the bytes: those of the reading before, or, where they are many, read again."""
        assert self._binlogs is not None
        segment = index.segment
        writer = self._store.write(segment)
        producer = scanned.content if scanned.content is not None else self._binlogs.read(part)
        try:
            packed = pack(self._ctx, writer, segment.name, producer, self._phase)
            if packed.artifact.raw_sha256 != scanned.sha256:
                raise DatabaseError(f"{part.file} changed between two readings", "Ship again.")
            writer.complete()
        except BaseException:
            writer.abort()
            raise
        finally:
            self._phase.watch(lambda: self.tally.bytes)
        if writer.local_error is not None:
            self._ctx.warn("local-tier", f"no local copy: {writer.local_error.message}")
        return replace(index, artifact=packed.artifact)

    def _count(self, index: BinlogIndex) -> None:
        tally = self.tally
        tally.segments += 1
        tally.bytes += index.artifact.raw_bytes
        tally.transactions += index.transactions
        tally.place = Place(index.segment.chain, index.segment.file, index.segment.end)
        tally.last_at = index.exact_last_at or tally.last_at

    def _tell(self, index: BinlogIndex) -> None:
        """What of it an operator must know."""
        name, file = self._source.name, index.segment.file
        if index.incident:
            self._ctx.warn(
                "binlog-incident",
                f"{file}:{index.incident}: the server says that it lost events here; nothing after "
                "it can be replayed. Back up now.",
                name,
            )
        for step in index.steps:
            self._ctx.warn(
                "binlog-clock",
                f"the server's clock went back at {file}:{step.position}, from {step.high} to "
                f"{step.low}: times between are ambiguous, GTIDs are not",
                name,
            )
        if index.statements:
            self._ctx.warn(
                "binlog-statements",
                f"{index.statements} transactions are logged as statements, which may act "
                "differently when replayed: set binlog_format=ROW",
                name,
            )

    # ------------------------------------------------------------ notes

    def _anchor(self, held: _Store) -> None:
        now = self._ctx.clock()
        if self._anchored_at and now - self._anchored_at < _ANCHORS_EVERY:
            return
        self._anchored_at = now
        held.shipped = binlog_anchors.anchor(self._ctx, self._source, self._store, held.shipped)

    def _note_seen(self, held: _Store, logs: ServerLogs) -> None:
        assert held.known is not None
        segment = held.known.index.segment
        place = Place(segment.chain, segment.file, segment.end)
        now = self._ctx.clock()
        seen = Seen(segment.host, segment.source, segment.server, place, now)
        self._store.note(seen)
        # What was seen of former chains tells where their gap begins.
        stale = [s for s in held.shipped.seen if s.place.chain == place.chain and s.key != seen.key]
        self._store.remove([s.key for s in stale])
        left = tuple(s for s in held.shipped.seen if s.place.chain != place.chain)
        held.shipped = replace(held.shipped, seen=(*left, seen))

    def _clean(self, held: _Store) -> None:
        """Tails that a whole file stands for."""
        now = self._ctx.clock()
        gone = superseded(held.shipped, now, _KEEP_TAILS)
        for segment in gone[:200]:
            self._store.drop(segment)
        left = tuple(s for s in held.shipped.segments if s not in set(gone[:200]))
        held.shipped = replace(held.shipped, segments=left)
