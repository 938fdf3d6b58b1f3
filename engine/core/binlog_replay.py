"""One log out of many segments: exactly the transactions between a snapshot and a moment.

The bytes of the events are passed on as they are, behind one magic number, so that the server's
own mysqlbinlog reads them as a single file: no file boundary can double or lose anything, and it
needs no start or stop of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from engine.core.binlog import BinlogIndex, Place, file_number
from engine.core.binlog_events import GTID_TYPES, MAGIC, Event, Reader, Type, read_gtid
from engine.core.binlog_gtid import Gtids, parse
from engine.core.binlog_scan import Known, Scan, Transaction, microseconds, moment
from engine.core.errors import DamageError, UsageError
from engine.core.recovery import Until

_DROPPED = frozenset(
    {
        Type.FORMAT,
        Type.ROTATE,
        Type.STOP,
        Type.PREVIOUS_GTIDS,
        Type.GTID_LIST,
        Type.CHECKPOINT,
        Type.HEARTBEAT,
    }
)
_GATHER = 1 << 18

Source = tuple[BinlogIndex, Callable[[int], bytes]]
"""A segment and what reads its plain bytes."""


@dataclass
class Replayed:
    """How far a replay came. `last` is the last transaction passed on, `left_out` the first that
    was not (its GTID or place, and time), `gtids` all that the result holds."""

    transactions: int = 0
    bytes: int = 0  # of the segments, read so far
    last: Transaction | None = None
    last_file: str = ""
    left_out: str = ""
    left_out_at: datetime | None = None
    gtids: Gtids | None = None
    reached: bool = False  # what was asked for as the end was seen


@dataclass
class Replay:
    """Iterate `stream` once; `done` tells afterwards, and meanwhile, how far it came.

    start    where the snapshot stands
    held     transactions that it holds, as the server spells them; empty: it does not tell
    """

    flavor: str
    start: Place
    held: str
    until: Until
    done: Replayed = field(default_factory=Replayed)

    def __post_init__(self) -> None:
        self._held = parse(self.flavor, self.held) if self.held else None
        self.done.gtids = parse(self.flavor, self.held)
        self._high = 0
        self._stopped = False
        self._at = microseconds(self.until.at) if self.until.at else None

    def stream(self, sources: Iterable[Source]) -> Iterator[bytes]:
        """The bytes for mysqlbinlog. DamageError when the log does not fit the snapshot;
        UsageError when the moment asked for is not in it."""
        yield MAGIC
        file = ""
        for index, read in sources:
            if index.segment.file != file:
                file = index.segment.file
                self._scan = Scan(self.flavor, Known(index.checksums))
                yield bytes.fromhex(index.format_event)
            yield from self._segment(index, read)
            if self._stopped:
                return
        if (self.until.gtid or self.until.before_gtid) and not self.done.reached:
            wanted = self.until.gtid or self.until.before_gtid
            raise UsageError(
                f"transaction {wanted} is not in the logs after the snapshot",
                "Choose an older snapshot, or look at the range: mentat-dr show latest --source "
                "NAME",
            )

    def _segment(self, index: BinlogIndex, read: Callable[[int], bytes]) -> Iterator[bytes]:
        file = index.segment.file
        first = self.start.position if file == self.start.file else 0
        steps = {step.position for step in index.steps}
        gathered = bytearray()
        reader = Reader(self._counting(read), index.segment.start)
        for event in reader:
            if event.start >= index.valid_end:
                break
            if event.start in steps:
                self._high = 0
            if event.end <= first:
                self._skip(event)
                continue
            self._require_sound(event, file, first)
            if event.type in GTID_TYPES and self._halts(event, file):
                break
            ended = self._scan.see(event)
            if event.type not in _DROPPED:
                gathered += event.head
                yield from _gather(gathered, reader.pass_on())
            if ended is not None and self._count(ended, file):
                break
        if gathered:
            yield bytes(gathered)

    def _require_sound(self, event: Event, file: str, first: int) -> None:
        if event.start < first and event.type not in _DROPPED:
            raise _unfit(f"{self.start} is in the middle of an event")
        if event.type == Type.INCIDENT:
            raise DamageError(
                f"at {file}:{event.start} the server lost events: nothing after can be replayed",
                f"Restore to a moment before: --before-position {file}:{event.start}",
            )

    def _counting(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        def counted(size: int) -> bytes:
            chunk = read(size)
            self.done.bytes += len(chunk)
            return chunk

        return counted

    def _skip(self, event: Event) -> None:
        """Of an event that the snapshot holds: prove that it does."""
        if event.type not in GTID_TYPES:
            return
        gtid, time = read_gtid(event)
        self._high = max(self._high, time)
        if self._held is not None and gtid and not self._held.has(gtid):
            raise _unfit(f"the snapshot does not hold {gtid}, which was logged before it")

    def _halts(self, event: Event, file: str) -> bool:
        """Whether the transaction that begins here is the first one left out."""
        gtid, time = read_gtid(event)
        until = self.until
        self._high = max(self._high, time)
        halts = (
            (self._at is not None and self._high > self._at)
            or (until.before_gtid != "" and gtid == until.before_gtid.lower())
            or (
                until.file != ""
                and (file_number(file), event.start) >= (file_number(until.file), until.position)
            )
            or self._stopped
        )
        if halts:
            self._stopped = True
            self.done.reached = True
            self.done.left_out = gtid or f"{file}:{event.start}"
            self.done.left_out_at = moment(time)
        elif self._held is not None and gtid and self._held.has(gtid):
            raise _unfit(f"the snapshot holds {gtid} already, which was logged after it")
        return halts

    def _count(self, ended: Transaction, file: str) -> bool:
        """Note a transaction that was passed on; whether it was the last one asked for."""
        done = self.done
        done.transactions += 1
        done.last, done.last_file = ended, file
        if ended.gtid and done.gtids is not None:
            done.gtids.add(ended.gtid)
        if self.until.gtid and ended.gtid == self.until.gtid.lower():
            self._stopped = done.reached = True
        return self._stopped


def _gather(gathered: bytearray, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Add the pieces, and give out what there is whenever it is worth a write."""
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _GATHER:
            yield bytes(gathered)
            gathered.clear()
    if len(gathered) >= _GATHER:
        yield bytes(gathered)
        gathered.clear()


def _unfit(why: str) -> DamageError:
    return DamageError(
        f"the logs do not continue this snapshot: {why}",
        "Choose another snapshot; nothing live was changed.",
    )
