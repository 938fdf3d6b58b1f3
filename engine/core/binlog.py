"""Shipped binary logs: their keys in a repository, and what stands beside each.

    v1/<host>/<source>/binlog/<server>/<UTC first>-<file>-<start>-<end>-<UTC last>-<chain>-<how>.*

A segment is a range of bytes of one of the server's log files, `start` to `end`: `whole` for a
file that grows no more, `tail` for the part of the file in use that was new when it was shipped.
`.zst.gpg` is the bytes, `.json` the index that makes the segment exist (written last), `.json.sig`
its signature. A chain is an unbroken history: where continuity could not be proven (a purged log,
a reset, another server) a new chain begins. Beside them, empty objects that a LIST alone tells of:

    .../binlog/<server>/anchor-<chain>-<file>-<position>-<UTC>-<ref>   a snapshot's place in a
                                                        chain, and the moment it shows
    .../binlog/<server>/seen-<chain>-<file>-<position>           nothing newer when it was written
    v1/<host>/<source>/binlog/break-<UTC>                        data changed outside the logs
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from engine.core.binlog_scan import ClockStep, Mark
from engine.core.snapshot import NAME, ROOT, Artifact, SnapshotId, format_utc, parse_ref, parse_utc

FORMAT = "1.0"
FOLDER = "binlog"
CONTENT, INDEX, SIGNATURE = ".zst.gpg", ".json", ".json.sig"
_FILE = r"[A-Za-z0-9_.-]{1,80}"
_SEGMENT = re.compile(
    rf"(\d{{8}}T\d{{6}}Z)-({_FILE})-(\d{{10,}})-(\d{{10,}})-(\d{{8}}T\d{{6}}Z)-([0-9a-f]{{8}})"
    r"-(whole|tail)(\.zst\.gpg|\.json|\.json\.sig)\Z"
)
_UTC = r"\d{8}T\d{6}Z"
_ANCHOR = re.compile(
    rf"anchor-([0-9a-f]{{8}})-({_FILE})-(\d+)-({_UTC})-({_UTC}-[a-z]+-[0-9a-f]+)\Z"
)
_SEEN = re.compile(rf"seen-([0-9a-f]{{8}})-({_FILE})-(\d+)\Z")
_SERVER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NUMBER = re.compile(r"(.*?)(\d+)\Z", re.DOTALL)


def file_number(file: str) -> int:
    """412 of `mysql-bin.000412`: servers count their logs up. ValueError for another name."""
    found = _NUMBER.match(file)
    if not found:
        raise ValueError(f"{file!r} is no name of a binary log")
    return int(found[2])


def file_after(file: str, steps: int = 1) -> str:
    """The name of the log that follows."""
    found = _NUMBER.match(file)
    if not found:
        raise ValueError(f"{file!r} is no name of a binary log")
    return f"{found[1]}{int(found[2]) + steps:0{len(found[2])}d}"


def new_chain(now: datetime) -> str:
    """A chain's name: its beginning in seconds, so that a later one sorts after it."""
    return f"{int(now.timestamp()):08x}"


def chain_began(chain: str) -> datetime:
    return datetime.fromtimestamp(int(chain, 16), UTC)


def server_name(identity: str) -> str:
    """A server's UUID as it stands in keys."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", identity)[:64]
    return plain or "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """A byte of a chain: orders by file and position within one chain."""

    chain: str
    file: str
    position: int

    @property
    def order(self) -> tuple[int, int]:
        return file_number(self.file), self.position

    def __str__(self) -> str:
        return f"{self.file}:{self.position}"


@dataclass(frozen=True, slots=True)
class Segment:
    """What a key tells. Times are of the first and last transaction (or event) in it, in whole
    seconds, rounded down. `stored_bytes` is the size of the bytes alone."""

    host: str
    source: str
    server: str
    chain: str
    file: str
    start: int
    end: int
    first_at: datetime
    last_at: datetime
    whole: bool
    stored_bytes: int = 0

    @property
    def name(self) -> str:
        how = "whole" if self.whole else "tail"
        return (
            f"{format_utc(self.first_at)}-{self.file}-{self.start:010d}-{self.end:010d}-"
            f"{format_utc(self.last_at)}-{self.chain}-{how}"
        )

    @property
    def prefix(self) -> str:
        return binlog_prefix(self.host, self.source) + f"{self.server}/"

    @property
    def content_key(self) -> str:
        return self.prefix + self.name + CONTENT

    @property
    def index_key(self) -> str:
        return self.prefix + self.name + INDEX

    @property
    def signature_key(self) -> str:
        return self.prefix + self.name + SIGNATURE

    @property
    def number(self) -> int:
        return file_number(self.file)


def binlog_prefix(host: str, source: str) -> str:
    return f"{ROOT}/{host}/{source}/{FOLDER}/"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where in a chain a snapshot stands: replay from there continues it. `moment` is what the
    snapshot shows, in whole seconds, rounded up."""

    snapshot: SnapshotId
    server: str
    place: Place
    moment: datetime

    @property
    def key(self) -> str:
        place, own = self.place, self.snapshot
        prefix = binlog_prefix(own.host, own.source)
        return (
            f"{prefix}{self.server}/anchor-{place.chain}-{place.file}-{place.position}-"
            f"{format_utc(self.moment)}-{own.ref}"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """At `at` the server had nothing beyond this place."""

    host: str
    source: str
    server: str
    place: Place
    at: datetime

    @property
    def key(self) -> str:
        place = self.place
        prefix = binlog_prefix(self.host, self.source)
        return f"{prefix}{self.server}/seen-{place.chain}-{place.file}-{place.position}"


@dataclass(frozen=True, slots=True)
class Break:
    """From `at` on the logs do not tell all: a restore changed data that they do not hold."""

    host: str
    source: str
    at: datetime

    @property
    def key(self) -> str:
        return f"{binlog_prefix(self.host, self.source)}break-{format_utc(self.at)}"


@dataclass(frozen=True, slots=True)
class Shipped:
    """All that a LIST tells of one source's shipped logs."""

    host: str
    source: str
    segments: tuple[Segment, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    seen: tuple[Seen, ...] = ()
    breaks: tuple[Break, ...] = ()
    debris: tuple[str, ...] = ()  # keys of segments whose index was never written

    @property
    def stored_bytes(self) -> int:
        return sum(segment.stored_bytes for segment in self.segments)


Listed = tuple[str, int, datetime]
"""A stored object: key, size in bytes, when it was written."""


def is_ours(key: str) -> bool:
    """Whether the key lies in a source's binlog folder: no snapshot and no debris of one."""
    parts = key.split("/")
    return len(parts) >= 5 and parts[0] == ROOT and parts[3] == FOLDER


def shipped(objects: Iterable[Listed]) -> list[Shipped]:
    """What each source has shipped, by host and source. Keys of anything else are passed over."""
    found: dict[tuple[str, str], _Sorting] = {}
    for key, size, at in objects:
        if not is_ours(key):
            continue
        _, host, source, _, *rest = key.split("/")
        if not NAME.match(host) or not NAME.match(source):
            continue
        sorting = found.setdefault((host, source), _Sorting(host, source))
        sorting.take(rest, key, size, at)
    return [sorting.result() for _, sorting in sorted(found.items())]


@dataclass
class _Sorting:
    host: str
    source: str
    sizes: dict[Segment, int] = field(default_factory=dict)
    indexed: set[Segment] = field(default_factory=set)
    anchors: list[Anchor] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    keys: dict[Segment, list[str]] = field(default_factory=dict)

    def take(self, rest: list[str], key: str, size: int, at: datetime) -> None:
        if len(rest) == 1 and rest[0].startswith("break-"):
            try:
                self.breaks.append(Break(self.host, self.source, parse_utc(rest[0][6:])))
            except ValueError:
                return
        if len(rest) != 2 or not _SERVER.match(rest[0]):
            return
        server, name = rest
        try:
            self._segment(server, name, key, size)
            self._note(server, name, at)
        except ValueError:
            return  # a time or a file that nobody of ours wrote

    def _segment(self, server: str, name: str, key: str, size: int) -> None:
        match = _SEGMENT.match(name)
        if not match:
            return
        first, file, start, end, last, chain, how, part = match.groups()
        file_number(file)
        segment = Segment(
            self.host,
            self.source,
            server,
            chain,
            file,
            int(start),
            int(end),
            parse_utc(first),
            parse_utc(last),
            how == "whole",
        )
        self.keys.setdefault(segment, []).append(key)
        if part == CONTENT:
            self.sizes[segment] = size
        elif part == INDEX:
            self.indexed.add(segment)

    def _note(self, server: str, name: str, at: datetime) -> None:
        match = _ANCHOR.match(name)
        if match:
            chain, file, position, moment, ref = match.groups()
            snapshot = parse_ref(self.host, self.source, ref)
            file_number(file)
            if snapshot:
                place = Place(chain, file, int(position))
                self.anchors.append(Anchor(snapshot, server, place, parse_utc(moment)))
        match = _SEEN.match(name)
        if match:
            chain, file, position = match.groups()
            file_number(file)
            place = Place(chain, file, int(position))
            self.seen.append(Seen(self.host, self.source, server, place, at))

    def result(self) -> Shipped:
        whole = [s for s in self.sizes if s in self.indexed]
        whole.sort(key=lambda s: (s.chain, s.number, s.start, s.end))
        debris = [k for s, keys in self.keys.items() if s not in self.indexed for k in keys]
        return Shipped(
            self.host,
            self.source,
            tuple(replace(s, stored_bytes=self.sizes[s]) for s in whole),
            tuple(sorted(self.anchors, key=lambda a: a.moment)),
            tuple(self.seen),
            tuple(sorted(self.breaks, key=lambda b: b.at)),
            tuple(sorted(debris)),
        )


@dataclass(frozen=True, slots=True)
class BinlogIndex:
    """The signed document beside a segment.

    gtids_before, gtids_after  transactions before it and up to its end ("" where there are none)
    known_gtids   False where the log does not say which transactions came before
    valid_end     offset up to which events are whole; less than `end` in a file that a crash cut
    format_event  the file's FORMAT event in hex, "in use" flag cleared: equal ones, equal files
    previous      SHA-256 of the index before it in its chain; empty for a chain's first
    reason        why the chain begins here, for its first: "first", "purged", "reset", ...
    high_at       latest commit time in the chain so far
    """

    segment: Segment
    flavor: str
    version: str
    artifact: Artifact
    shipped_at: datetime
    transactions: int
    valid_end: int
    format_event: str
    checksums: bool
    gtids_before: str = ""
    gtids_after: str = ""
    known_gtids: bool = True
    last_gtid: str = ""
    exact_last_at: datetime | None = None
    high_at: datetime | None = None
    marks: tuple[Mark, ...] = ()
    steps: tuple[ClockStep, ...] = ()
    incident: int = 0
    statements: int = 0
    ended: str = ""
    previous: str = ""
    reason: str = ""
    recipients: tuple[str, ...] = ()
    format: str = FORMAT
