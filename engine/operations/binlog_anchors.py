"""Joining snapshots to shipped logs: noting where in a chain each of them stands."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.core.binlog import (
    Anchor,
    BinlogIndex,
    Place,
    Segment,
    Shipped,
    chain_began,
    server_name,
)
from engine.core.binlog_gtid import parse
from engine.core.binlog_shipping import newest_chain
from engine.core.errors import MentatError
from engine.core.snapshot import Manifest, SnapshotEntry
from engine.operations.context import Context
from engine.repository.binlogs import BinlogStore
from engine.settings import SourceSettings

_LOOK_AT = 5  # newest snapshots without an anchor that are looked at in one run


def begin_at(ctx: Context, source: SourceSettings) -> str:
    """The log file that the newest snapshot stands in: where a first chain had best begin. Empty
    when there is none."""
    for entry in _newest(ctx, source)[:1]:
        manifest = _manifest(ctx, entry)
        if manifest and manifest.database and manifest.database.position:
            return manifest.database.position.file
    return ""


def _newest(ctx: Context, source: SourceSettings) -> Sequence[SnapshotEntry]:
    rows = ctx.repository.entries(ctx.host, source.name)
    return [row for row in rows if row.committed and not row.aside]


def _manifest(ctx: Context, entry: SnapshotEntry) -> Manifest | None:
    """Its manifest, if that can be trusted."""
    try:
        return ctx.repository.trusted(entry.id)
    except MentatError:
        return None  # a restore of it says why; it is no start of a replay


def anchor(ctx: Context, source: SourceSettings, store: BinlogStore, shipped: Shipped) -> Shipped:
    """Note the place of the newest snapshots that have none yet. Warns when no snapshot leads
    into the newest chain: its logs cannot be replayed."""
    chain = newest_chain(shipped)
    own = [s for s in shipped.segments if s.chain == chain]
    if not own:
        return shipped
    known = {a.snapshot for a in shipped.anchors}
    began = min(s.first_at for s in own) - timedelta(days=1)
    rows = _newest(ctx, source)
    fresh = [row for row in rows if row.id not in known and row.id.at >= began]
    found: list[Anchor] = []
    for entry in fresh[:_LOOK_AT]:
        manifest = _manifest(ctx, entry)
        made = _place(store, shipped, own, manifest) if manifest else None
        if made is not None:
            store.note(made)
            found.append(made)
    shipped = replace(shipped, anchors=(*shipped.anchors, *found))
    committed = {row.id for row in rows}
    if not any(a.place.chain == chain and a.snapshot in committed for a in shipped.anchors):
        ctx.warn(
            "binlog-unanchored",
            "no snapshot leads into the logs that are shipped now: they cannot be replayed until "
            f"there is one: mentat-dr backup {source.name}",
            source.name,
        )
    return shipped


def _place(
    store: BinlogStore, shipped: Shipped, own: Sequence[Segment], manifest: Manifest
) -> Anchor | None:
    """Where in the chain a snapshot stands, proven as far as can be; None when it does not."""
    facts = manifest.database
    if facts is None or facts.position is None:
        return None
    segment = next(
        (
            s
            for s in own
            if s.file == facts.position.file and s.start <= facts.position.position <= s.end
        ),
        None,
    )
    if segment is None:
        return None
    if facts.server_uuid and server_name(facts.server_uuid) != segment.server:
        return None
    began = chain_began(segment.chain)
    if any(manifest.id.at < b.at <= began for b in shipped.breaks):
        return None
    if not _of_this_file(store.index(segment).index, manifest):
        return None
    place = Place(segment.chain, segment.file, facts.position.position)
    moment = manifest.recoverable_to
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return Anchor(manifest.id, segment.server, place, moment)


def _of_this_file(index: BinlogIndex, manifest: Manifest) -> bool:
    """Whether the snapshot was taken of the server while it wrote this very file: names repeat
    after a reset. The file was begun before, and what came before it the snapshot holds."""
    assert manifest.database is not None and manifest.database.position is not None
    (created,) = struct.unpack_from("<I", bytes.fromhex(index.format_event))
    if datetime.fromtimestamp(created, UTC) > manifest.recoverable_to + timedelta(seconds=2):
        return False
    held = manifest.database.position.gtid_set
    if not held or not index.known_gtids:
        return True
    return parse(index.flavor, held).covers(parse(index.flavor, index.gtids_before))
