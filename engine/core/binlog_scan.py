"""Following a binary log event by event: where transactions begin and end, when they were
committed, what they did in short, and whether the log is whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from engine.core import binlog_events as be
from engine.core.binlog_events import Event, Type
from engine.core.binlog_gtid import Gtids, parse
from engine.core.binlog_statements import ddl_words, dml_words

LARGE = 64 << 10  # bytes of row changes in one table that make a transaction worth a mark
MARKS = 500  # kept for one segment
_STEP_MYSQL = 1_000_000  # microseconds a commit clock may go back unnoticed
_STEP_MARIADB = 10_000_000  # there a transaction's time is its last statement's start
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GROUP_BEGINS = ("BEGIN", "XA START", "XA BEGIN")
_GROUP_ENDS = ("COMMIT", "ROLLBACK")


def moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """A transaction worth finding again. `position` is where it begins, `words` what it did."""

    at: datetime
    position: int
    gtid: str
    words: str
    bytes: int = 0
    file: str = ""  # where it is told apart from its index


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The source's clock went back: times from `low` to `high` were told twice. `position` is of
    the first transaction after it."""

    low: datetime
    high: datetime
    position: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """One that ended. `at` is its commit time as the log tells it (MySQL: microseconds; MariaDB:
    whole seconds, of its last statement's start). `changes` are bytes by `DELETE shop.orders`."""

    start: int
    end: int
    gtid: str
    at: datetime
    words: str
    changes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file before a range of it is followed: from the range before."""

    checksums: bool = True
    gtids: str = ""
    high: datetime | None = None  # latest commit time so far


@dataclass
class Scan:
    """Feed it every event of a range, in order, with `see`."""

    flavor: str
    known: Known = field(default_factory=Known)
    format: be.Format | None = None
    previous: str | None = None  # what the file says came before it; None: it does not say
    transactions: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_gtid: str = ""
    marks: list[Mark] = field(default_factory=list)
    steps: list[ClockStep] = field(default_factory=list)
    incident: int = 0  # position of an event by which the server says that others are missing
    statements: int = 0  # transactions that are text, which may act differently when replayed
    ended: str = ""  # "rotate", "stop"; empty while the file goes on or was cut
    whole_to: int = 0  # after the last transaction that ended
    event_at: datetime | None = None  # header time of the last event, whatever it is

    def __post_init__(self) -> None:
        self.gtids: Gtids = parse(self.flavor, self.known.gtids)
        self.checksums = self.known.checksums
        self._high = microseconds(self.known.high) if self.known.high else 0
        self._begin: Event | None = None
        self._gtid, self._time = "", 0
        self._in_group = self._alone = False
        self._tables: dict[int, str] = {}
        self._changes: dict[str, int] = {}
        self._words = ""
        self._back: tuple[int, int] | None = None

    @property
    def open(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._begin is not None

    @property
    def high(self) -> datetime | None:
        """The latest commit time so far, of this range and those before."""
        return moment(self._high) if self._high else None

    def see(self, event: Event) -> Transaction | None:
        """Follow one event; the transaction that it ends."""
        kind = event.type
        if event.time and kind != Type.HEARTBEAT:
            self.event_at = moment(event.time * 1_000_000)
        if self._begin is None and kind not in be.GTID_TYPES:
            self._outside(event)
            return None
        if kind in be.GTID_TYPES:
            self._start(event)
        elif kind == Type.TABLE_MAP:
            number, table = be.read_table(event)
            self._tables[number] = table
        elif kind in be.WRITES or kind in be.UPDATES or kind in be.DELETES:
            self._rows(event)
        elif kind in (Type.ANNOTATE, Type.ROWS_QUERY):
            self._words = self._words or dml_words(be.read_text(event, self.checksums))
        elif kind in (Type.QUERY, Type.QUERY_COMPRESSED):
            return self._query(event)
        elif kind in (Type.XID, Type.XA_PREPARE, Type.TRANSACTION_PAYLOAD):
            return self._end(event)
        elif kind == Type.INCIDENT:
            self.incident = event.start
        return None

    def _outside(self, event: Event) -> None:
        kind = event.type
        if kind == Type.FORMAT:
            self.format = be.read_format(event)
            self.checksums = self.format.checksums
        elif kind in (Type.PREVIOUS_GTIDS, Type.GTID_LIST):
            self.previous = be.read_previous(event)
            if self.previous and not self.known.gtids:
                self.gtids = parse(self.flavor, self.previous)
        elif kind == Type.ROTATE:
            self.ended = "rotate"
        elif kind == Type.STOP:
            self.ended = "stop"
        elif kind == Type.INCIDENT:
            self.incident = event.start
        self.whole_to = event.end

    def _start(self, event: Event) -> None:
        self._begin = event
        self._gtid, self._time = be.read_gtid(event)
        self._alone = be.stands_alone(event)
        # MariaDB's GTID event stands for BEGIN; MySQL's is followed by one where there is a group.
        self._in_group = event.type == Type.MARIADB_GTID and not self._alone
        self._tables.clear()
        self._changes, self._words = {}, ""

    def _rows(self, event: Event) -> None:
        kind = event.type
        verb = "INSERT" if kind in be.WRITES else "UPDATE" if kind in be.UPDATES else "DELETE"
        key = f"{verb} {self._tables.get(be.read_row_table(event), '?')}"
        self._changes[key] = self._changes.get(key, 0) + event.end - event.start

    def _query(self, event: Event) -> Transaction | None:
        query = be.read_query(event, self.checksums)
        text = query.text.lstrip()[:9].upper()
        if text.startswith(_GROUP_BEGINS):
            self._in_group = True
            return None
        if text.startswith(_GROUP_ENDS):
            return self._end(event)
        self._words = ddl_words(query.text, query.schema) or self._words
        if not ddl_words(query.text, query.schema):
            self.statements += text.startswith(("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"))
        if self._in_group and not self._alone:
            return None
        return self._end(event)

    def _end(self, event: Event) -> Transaction:
        begun = self._begin
        assert begun is not None
        at = moment(self._time)
        self._clock(begun.start)
        if self._gtid:
            self.gtids.add(self._gtid)
        self.transactions += 1
        self.first_at = min(self.first_at, at) if self.first_at else at
        self.last_at = max(self.last_at, at) if self.last_at else at
        self.last_gtid, self.whole_to = self._gtid, event.end
        done = Transaction(
            begun.start, event.end, self._gtid, at, self._words, tuple(self._changes.items())
        )
        self._mark(done)
        self._begin = None
        return done

    def _mark(self, done: Transaction) -> None:
        biggest = max(done.changes, key=lambda change: change[1], default=("", 0))
        words = done.words
        if not words and biggest[1] >= LARGE:
            words = biggest[0]
        if not words:
            return
        self.marks.append(Mark(done.at, done.start, done.gtid, words, biggest[1]))
        if len(self.marks) > 2 * MARKS:
            self.marks = best(self.marks)

    def _clock(self, position: int) -> None:
        """Note a clock that went back. MariaDB's times are of statements' starts: one old time
        is a long statement, two in a row are a clock."""
        step = _STEP_MARIADB if self.flavor == "mariadb" else _STEP_MYSQL
        if self._time + step >= self._high:
            self._high = max(self._high, self._time)
            self._back = None
        elif self.flavor == "mariadb" and self._back is None:
            self._back = (self._time, position)
        else:
            low, at = self._back or (self._time, position)
            self.steps.append(ClockStep(moment(min(low, self._time)), moment(self._high), at))
            # What was told so far counts no more: the clock is what it is now.
            self._high, self._back = self._time, None


def best(marks: Sequence[Mark]) -> list[Mark]:
    """At most MARKS of them, in order: definitions and statements first, then the largest."""
    if len(marks) <= MARKS:
        return list(marks)
    rank = sorted(marks, key=lambda m: (m.words.split(" ")[0] in _ROWS_ONLY, -m.bytes))
    kept = {id(mark) for mark in rank[:MARKS]}
    return [mark for mark in marks if id(mark) in kept]


_ROWS_ONLY = ("INSERT", "UPDATE")
