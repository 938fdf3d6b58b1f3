"""What stands in a MySQL or MariaDB binary log: event headers, transactions, statements.

Only what recovery needs is decoded: format, GTIDs, commit times, statements' beginnings, tables
that rows belong to. Rows stay opaque, and an event of any size passes with a bounded head in
memory. Sources: MySQL's "Binary Log Event" pages (Internals, libbinlogevents), MariaDB's
"Replication Protocol". The mysql-replication library wants a connection or a whole file and
decodes every row; here bytes come from a pipe, in ranges, and are passed on as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"\xfebin"
ENCRYPTED_MAGIC = b"\xfdbin"
HEADER = struct.Struct("<IBIIIH")  # time, type, server, size, end position, flags
HEADER_BYTES = HEADER.size
HEAD_LIMIT = 64 << 10  # bytes of an event's beginning that are decoded
_CHUNK = 1 << 18
_FLAGS = slice(17, 19)
CHECKSUM_BYTES = 4


class Type(IntEnum):
    """Event types by their numbers in the log."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    FORMAT = 15
    XID = 16
    TABLE_MAP = 19
    INCIDENT = 26
    HEARTBEAT = 27
    ROWS_QUERY = 29
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    XA_PREPARE = 38
    TRANSACTION_PAYLOAD = 40
    GTID_TAGGED = 42
    ANNOTATE = 160
    CHECKPOINT = 161
    MARIADB_GTID = 162
    GTID_LIST = 163
    START_ENCRYPTION = 164
    QUERY_COMPRESSED = 165


WRITES = frozenset({20, 23, 30, 166, 169})
UPDATES = frozenset({21, 24, 31, 39, 167, 170})
DELETES = frozenset({22, 25, 32, 168, 171})
GTID_TYPES = frozenset({Type.GTID, Type.ANONYMOUS_GTID, Type.GTID_TAGGED, Type.MARIADB_GTID})


class BinlogBroken(ValueError):
    """Bytes that are no binary log, or end in the middle of an event. `place` is the file offset
    up to which they were whole."""

    def __init__(self, problem: str, place: int) -> None:
        super().__init__(f"{problem} at position {place}")
        self.place = place


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `start` and `end` are file offsets, `head` its bytes from the header on, at most
    HEAD_LIMIT and the header; `rest` is how many follow."""

    time: int
    type: int
    server: int
    flags: int
    start: int
    end: int
    head: bytes
    rest: int

    @property
    def body(self) -> bytes:
        return self.head[HEADER_BYTES:]


class Reader:
    """Events of a byte stream that begins at file offset `start` (0: with the magic number).

    After each event its `rest` must be taken with `pass_on` (or is skipped by the next one).
    """

    def __init__(self, read: Callable[[int], bytes], start: int) -> None:
        self._read = read
        self._buffer = bytearray()
        self._at = 0  # of the buffer
        self.place = start  # file offset of what is taken next
        self._rest = 0

    def __iter__(self) -> Iterator[Event]:
        """BinlogBroken when the stream does not end with an event."""
        if self.place == 0:
            magic = self._take(len(MAGIC))
            if magic == ENCRYPTED_MAGIC:
                raise BinlogBroken("the file is encrypted", 0)
            if magic != MAGIC:
                raise BinlogBroken("there is no binary log", 0)
        while True:
            for _ in self.pass_on():
                pass
            start = self.place
            header = self._take(HEADER_BYTES)
            if not header:
                return
            if len(header) < HEADER_BYTES:
                raise BinlogBroken("an event is cut short", start)
            time, kind, server, size, _end, flags = HEADER.unpack(header)
            if size < HEADER_BYTES:
                raise BinlogBroken(f"an event claims {size} bytes", start)
            wanted = min(size - HEADER_BYTES, HEAD_LIMIT)
            body = self._take(wanted)
            if len(body) < wanted:
                raise BinlogBroken("an event is cut short", start)
            self._rest = size - HEADER_BYTES - wanted
            yield Event(time, kind, server, flags, start, start + size, header + body, self._rest)

    def pass_on(self) -> Iterator[bytes]:
        """The bytes of the present event that are not in its head."""
        while self._rest:
            piece = self._take(min(self._rest, _CHUNK))
            if not piece:
                raise BinlogBroken("an event is cut short", self.place)
            self._rest -= len(piece)
            yield piece

    def _take(self, count: int) -> bytes:
        """`count` bytes, fewer only at the end."""
        while len(self._buffer) - self._at < count:
            chunk = self._read(_CHUNK)
            if not chunk:
                break
            del self._buffer[: self._at]
            self._at = 0
            self._buffer += chunk
        piece = bytes(self._buffer[self._at : self._at + count])
        self._at += len(piece)
        self.place += len(piece)
        return piece


# ---------------------------------------------------------------- bodies


@dataclass(frozen=True, slots=True)
class Format:
    """A FORMAT event: whose log it is, when it was begun, whether events end in a checksum.

    `event` is the event's bytes without the "in use" flag, which the server clears later: equal
    bytes, the same file."""

    version: str
    created: int
    checksums: bool
    event: bytes


def read_format(event: Event) -> Format:
    """ValueError for something else."""
    body = event.body
    if event.type != Type.FORMAT or len(body) < 57 + CHECKSUM_BYTES + 1:
        raise BinlogBroken("there is no format event", event.start)
    version = body[2:52].split(b"\0")[0].decode("utf-8", "replace")
    masked = bytearray(event.head)
    masked[_FLAGS] = struct.pack("<H", event.flags & ~1)
    return Format(version, event.time, body[-CHECKSUM_BYTES - 1] == 1, bytes(masked))


def read_gtid(event: Event) -> tuple[str, int]:
    """(GTID, commit time in microseconds) of a transaction's first event. The GTID is empty for
    one without, and for MySQL's tagged ones, whose encoding is another."""
    body = event.body
    seconds = event.time * 1_000_000
    if event.type == Type.MARIADB_GTID:
        number, domain = struct.unpack_from("<QI", body)
        return f"{domain}-{event.server}-{number}", seconds
    if event.type == Type.GTID_TAGGED:
        return "", seconds
    gtid = ""
    if event.type == Type.GTID:
        h = body[1:17].hex()
        (number,) = struct.unpack_from("<Q", body, 17)
        gtid = f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}:{number}"
    # flags 1, uuid 16, number 8, type 1, last committed 8, sequence 8, commit time 7
    if len(body) >= 49 and body[25] == 2:
        commit = int.from_bytes(body[42:49], "little") & ~(1 << 55)
        return gtid, commit or seconds
    return gtid, seconds


def stands_alone(event: Event) -> bool:
    """MariaDB: the transaction is the one event that follows."""
    return event.type == Type.MARIADB_GTID and bool(event.body[12] & 1)


@dataclass(frozen=True, slots=True)
class Query:
    """A statement's default schema and its text, cut where the head ends."""

    schema: str
    text: str


def read_query(event: Event, checksums: bool) -> Query:
    body = event.body
    schema_bytes, _error, variables = struct.unpack_from("<BHH", body, 8)
    start = 13 + variables
    schema = body[start : start + schema_bytes].decode("utf-8", "replace")
    text = body[start + schema_bytes + 1 :]
    if checksums and not event.rest:
        text = text[:-CHECKSUM_BYTES]
    if event.type == Type.QUERY_COMPRESSED:
        text = _inflated(text)
    return Query(schema, text.decode("utf-8", "replace"))


def _inflated(text: bytes) -> bytes:
    """MariaDB: one byte with the length of a length, that length, zlib."""
    if not text:
        return b""
    try:
        return zlib.decompressobj().decompress(text[1 + (text[0] & 7) :], HEAD_LIMIT)
    except zlib.error:
        return b""


def read_table(event: Event) -> tuple[int, str]:
    """(table number, `schema.table`) of a TABLE_MAP event."""
    body = event.body
    number = int.from_bytes(body[:6], "little")
    schema_end = 9 + body[8]
    schema = body[9:schema_end].decode("utf-8", "replace")
    table = body[schema_end + 2 : schema_end + 2 + body[schema_end + 1]].decode("utf-8", "replace")
    return number, f"{schema}.{table}"


def read_row_table(event: Event) -> int:
    """The table number that a rows event is about."""
    return int.from_bytes(event.body[:6], "little")


def read_text(event: Event, checksums: bool) -> str:
    """The statement in an ANNOTATE or ROWS_QUERY event."""
    body = event.body if event.rest or not checksums else event.body[:-CHECKSUM_BYTES]
    return body[1 if event.type == Type.ROWS_QUERY else 0 :].decode("utf-8", "replace")


def read_previous(event: Event) -> str | None:
    """The transactions before this file, as the server spells them; None where the encoding is
    not known (MySQL's sets with tags)."""
    body = event.body
    if event.type == Type.GTID_LIST:
        (count,) = struct.unpack_from("<I", body)
        entries = struct.iter_unpack("<IIQ", body[4 : 4 + 16 * (count & 0x0FFFFFFF)])
        return ",".join(f"{domain}-{server}-{number}" for domain, server, number in entries)
    (servers,) = struct.unpack_from("<Q", body)
    if servers >> 48 or event.rest:
        return None
    groups, at = [], 8
    for _ in range(servers):
        h = body[at : at + 16].hex()
        (count,) = struct.unpack_from("<Q", body, at + 16)
        spans = struct.iter_unpack("<QQ", body[at + 24 : at + 24 + 16 * count])
        uuid = f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
        groups.append(":".join([uuid, *(f"{first}-{end - 1}" for first, end in spans)]))
        at += 24 + 16 * count
    return ",".join(groups)
