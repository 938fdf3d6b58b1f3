"""Which shipped binary logs no kept snapshot needs any more. Both time and place must say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from engine.core.binlog import Anchor, Segment, Shipped
from engine.core.snapshot import SnapshotId

MARGIN = timedelta(days=1)  # by time, since a server's clock may have been wrong


def unneeded(
    shipped: Shipped, kept: Iterable[SnapshotId]
) -> tuple[Sequence[Segment], Sequence[Anchor]]:
    """Segments that lie wholly before every kept snapshot of the source, in the order they may
    go, and anchors of snapshots that are gone. A chain's newest stays: shipping goes on from it.
    None while the source has no snapshot to replay from: then nobody can say what is needed."""
    own = [
        s
        for s in kept
        if (s.host, s.source) == (shipped.host, shipped.source)
        and s.method in ("logical", "physical")
    ]
    if not own:
        return (), ()
    before = min(s.at for s in own) - MARGIN
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for anchor in shipped.anchors:
        if anchor.snapshot in own:
            where = (anchor.server, anchor.place.chain)
            places[where] = min(anchor.place.order, places.get(where, anchor.place.order))
    newest = {(s.server, s.chain): s for s in shipped.segments}  # they come in order
    gone = [
        segment
        for segment in shipped.segments
        if segment.last_at < before
        and _passed(segment, places)
        and newest[segment.server, segment.chain] != segment
    ]
    loose = [a for a in shipped.anchors if a.snapshot not in own and a.moment < before]
    return gone, loose


def _passed(segment: Segment, places: dict[tuple[str, str], tuple[int, int]]) -> bool:
    """Whether the segment ends before the first kept snapshot of its chain. A chain that no kept
    snapshot stands in is judged by time alone."""
    first = places.get((segment.server, segment.chain))
    return first is None or (segment.number, segment.end) <= first
