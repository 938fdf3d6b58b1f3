"""The index of a range of a log that was followed, but for the artifact that it becomes."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.core.binlog import BinlogIndex, Segment
from engine.core.binlog_scan import Scan, best
from engine.core.binlog_shipping import Decision, Range, ServerLogs
from engine.core.snapshot import Artifact
from engine.operations.binlog_scan import Scanned
from engine.operations.context import Context
from engine.repository.binlogs import Indexed
from engine.settings import SourceSettings

_STEPS = 50
_NOTHING = Artifact("", 0, "", 0, "", ())


def index_of(
    ctx: Context,
    source: SourceSettings,
    logs: ServerLogs,
    decision: Decision,
    part: Range,
    scanned: Scanned,
    before: Indexed | None,
) -> BinlogIndex:
    """`before` is what the range continues; None for a chain's first."""
    found = scanned.scan
    index = before.index if before is not None else None
    now = ctx.clock()
    first, last = times(logs.flavor, found, index, now)
    return BinlogIndex(
        segment=Segment(
            ctx.host,
            source.name,
            logs.server,
            decision.chain,
            part.file,
            part.start,
            part.end,
            first,
            last,
            part.whole,
        ),
        flavor=logs.flavor,
        version=logs.version,
        artifact=_NOTHING,
        shipped_at=now,
        transactions=found.transactions,
        valid_end=found.whole_to if part.whole and not found.ended else part.end,
        format_event=_format(found, index),
        checksums=found.checksums,
        gtids_before=index.gtids_after if index is not None else found.previous or "",
        gtids_after=str(found.gtids),
        known_gtids=index.known_gtids if index is not None else found.previous is not None,
        last_gtid=found.last_gtid or (index.last_gtid if index is not None else ""),
        exact_last_at=found.last_at or (index.exact_last_at if index is not None else None),
        high_at=found.high,
        marks=tuple(best(found.marks)),
        steps=tuple(found.steps[:_STEPS]),
        incident=found.incident,
        statements=found.statements,
        ended=found.ended,
        previous=before.digest if before is not None else "",
        reason="" if before is not None else decision.reason,
        recipients=ctx.repository.cipher.recipients(),
    )


def _format(found: Scan, index: BinlogIndex | None) -> str:
    if found.format is not None:
        return found.format.event.hex()
    return index.format_event if index is not None else ""


def times(
    flavor: str, found: Scan, before: BinlogIndex | None, now: datetime
) -> tuple[datetime, datetime]:
    """From and up to when, in whole seconds, the range tells all that was committed.

    MariaDB tells whole seconds: more may be committed in the last one that it names."""
    heard = [t for t in (found.last_at, found.event_at) if t is not None]
    last = max(heard, default=before.segment.last_at if before is not None else now)
    first = found.first_at or found.event_at or last
    if flavor == "mariadb":
        last -= timedelta(seconds=1)
    return first.replace(microsecond=0), last.replace(microsecond=0)
