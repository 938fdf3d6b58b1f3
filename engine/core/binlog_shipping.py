"""What to ship next, and where history is broken: decided from facts, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.binlog import BinlogIndex, Segment, Shipped, chain_began, file_number, new_chain
from engine.core.binlog_gtid import parse

RETAIN_AT_LEAST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ServerLogs:
    """The server's own logs now. `files` are all, oldest first, with their sizes in bytes; the
    last is in use and whole up to `position`. retention None: the server never purges."""

    flavor: str
    version: str
    server: str
    files: tuple[tuple[str, int], ...]
    position: int
    gtid_set: str = ""
    row_based: bool = True
    encrypted: bool = False
    retention: timedelta | None = None
    max_total_bytes: int = 0  # MariaDB purges by size; 0: it does not

    @property
    def active(self) -> str:
        return self.files[-1][0]

    @property
    def active_number(self) -> int:
        return file_number(self.active)

    def size(self, file: str) -> int | None:
        return next((size for name, size in self.files if name == file), None)


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file that are to be shipped."""

    file: str
    start: int
    end: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """reason is the chain's, where it is new; alarm is empty when nothing was lost."""

    chain: str
    ranges: tuple[Range, ...]
    new: bool = False
    reason: str = ""
    alarm: str = ""


def newest_chain(shipped: Shipped) -> str:
    return max((s.chain for s in shipped.segments), default="")


def tip(shipped: Shipped, chain: str) -> Segment | None:
    """The chain's furthest segment."""
    own = [s for s in shipped.segments if s.chain == chain]
    return max(own, key=lambda s: (s.number, s.end, s.whole), default=None)


def decide(
    logs: ServerLogs,
    shipped: Shipped,
    known: BinlogIndex | None,
    format_now: str,
    begin_at: str,
    now: datetime,
) -> Decision:
    """What to ship, in order.

    known       the index of the tip of the newest chain
    format_now  the FORMAT event, in hex, of the server's file that has the tip's name
    begin_at    the file a first chain begins with: where the newest snapshot stands
    """
    if known is None:
        first = begin_at if logs.size(begin_at) is not None else logs.active
        return _begin(logs, first, "first", "", now)
    chain = known.segment.chain
    broken = _broken(logs, known, format_now) or _outside(shipped, chain)
    if broken:
        reason, alarm = broken
        first = logs.active if reason == "restored" else logs.files[0][0]
        return _begin(logs, first, reason, alarm, now, after=chain)
    own = [s for s in shipped.segments if s.chain == chain]
    return Decision(chain, tuple(_ranges(logs, own, min(s.number for s in own))))


def _begin(
    logs: ServerLogs, first: str, reason: str, alarm: str, now: datetime, after: str = ""
) -> Decision:
    chain = new_chain(now)
    if after and chain <= after:  # a clock that went back must not hide the new chain
        chain = f"{int(after, 16) + 1:08x}"
    ranges = _ranges(logs, [], file_number(first))
    return Decision(chain, tuple(ranges), True, reason, alarm)


def _ranges(logs: ServerLogs, own: list[Segment], first: int) -> list[Range]:
    """Closed files that are not there whole, then what is new of the one in use."""
    whole = {s.file for s in own if s.whole}
    found = [
        Range(name, 0, size, True)
        for name, size in logs.files[:-1]
        if file_number(name) >= first and name not in whole
    ]
    reached = _reached([s for s in own if s.file == logs.active])
    if logs.position > reached:
        found.append(Range(logs.active, reached, logs.position, False))
    return found


def _reached(tails: list[Segment]) -> int:
    """How far tails cover a file from its beginning without a hole."""
    end = 0
    for segment in sorted(tails, key=lambda s: s.start):
        if segment.start <= end:
            end = max(end, segment.end)
    return end


def _broken(logs: ServerLogs, known: BinlogIndex, format_now: str) -> tuple[str, str] | None:
    at = known.segment
    lost = f"what was committed after {at.file}:{at.end} until now cannot be replayed"
    if logs.server != at.server:
        return "server", f"this is another server than the one whose logs were shipped: {lost}"
    size = logs.size(at.file)
    if size is None:
        if logs.active_number < at.number:
            return "reset", f"the server's logs were reset or it was rebuilt: {lost}"
        oldest = logs.files[0][0]
        if at.whole and file_number(oldest) == at.number + 1:
            return None
        return "purged", f"the server purged logs before they were shipped, up to {oldest}: {lost}"
    if format_now and format_now != known.format_event:
        return "reset", f"{at.file} is another file than the one that was shipped: {lost}"
    present = logs.position if at.file == logs.active else size
    if present < at.end:
        return (
            "rolled-back",
            f"{at.file} is shorter than what was shipped ({present} of {at.end} bytes): the server "
            "lost its last transactions",
        )
    return None


def _outside(shipped: Shipped, chain: str) -> tuple[str, str] | None:
    began = chain_began(chain)
    for found in shipped.breaks:
        if found.at > began:
            return "restored", ""
    return None


def discontinuity(flavor: str, before: str, previous: str | None, shipped: str) -> str:
    """Why a file does not continue the one before it (named `before`); empty when it does.

    previous  the transactions that it says came before; None where it does not tell
    shipped   those known up to the end of the file before
    """
    if previous is None or parse(flavor, previous) == parse(flavor, shipped):
        return ""
    return (
        f"after {before} the server counts other transactions than were shipped "
        f"({previous or 'none'} instead of {shipped or 'none'}): some are in no log"
    )


def retention_problem(logs: ServerLogs, every: timedelta) -> str:
    """Why the server may purge logs before they are shipped; empty when it gives time enough."""
    wanted = max(RETAIN_AT_LEAST, 10 * every)
    if logs.retention is not None and logs.retention < wanted:
        hours = logs.retention.total_seconds() / 3600
        return (
            f"the server purges its logs after {hours:.1f} h; shipping every "
            f"{every.total_seconds():.0f} s wants at least {wanted.total_seconds() / 3600:.0f} h, "
            "for the days when shipping fails"
        )
    if logs.max_total_bytes:
        return (
            f"the server purges its logs above {logs.max_total_bytes} bytes, however old: a burst "
            "of writes can purge what was not shipped yet"
        )
    return ""
