"""Debris in a store: what crashed backups and prunes left, old enough to be surely abandoned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from engine.core.binlog import shipped
from engine.core.binlog_retention import unneeded
from engine.core.pruning import Debris
from engine.core.retention import Decision
from engine.core.snapshot import NAME, SnapshotEntry, SnapshotId, parse_key
from engine.ports import ObjectStore, PendingUpload, StoredObject
from engine.repository.inventory import parse_proof

LOGS = "a binary log from before every kept snapshot"
ABANDONED = timedelta(days=1)
ABANDONED_ELSEWHERE = timedelta(days=7)  # of other hosts, whose jobs cannot be seen from here


def find(
    store: ObjectStore,
    objects: Sequence[StoredObject],
    rows: Sequence[SnapshotEntry],
    host: str,
    now: datetime,
    scope: str,
) -> tuple[Debris, ...]:
    """Snapshots without a manifest, unfinished uploads and proofs of what is gone, of which
    nothing was written for a day (for a week, of other hosts)."""
    uploads = [u for u in store.pending_uploads(scope) if u.key.startswith(scope)]
    busy = {parsed[0] for u in uploads if (parsed := parse_key(u.key)) and not _old(u, host, now)}
    found = [d for d in _half_made(objects, rows) if d.snapshot not in busy]
    found += [*_proofs(objects, rows), *_probes(store)]
    return tuple(d for d in [*found, *_uploads(uploads)] if now - d.since > _patience(d.host, host))


def logs(
    objects: Sequence[StoredObject], decision: Decision, wanted: Sequence[str]
) -> Iterator[Debris]:
    """Shipped binary logs that no kept snapshot needs; of each segment what makes it exist first.
    `wanted` names the sources; none means all."""
    kept = [verdict.snapshot for verdict in decision.verdicts if verdict.keep]
    held = {item.key: item for item in objects}
    for shipment in shipped((item.key, item.size, item.modified) for item in objects):
        if wanted and shipment.source not in wanted:
            continue
        segments, anchors = unneeded(shipment, kept)
        keys = [k for s in segments for k in (s.index_key, s.signature_key, s.content_key)]
        for key in [*keys, *(anchor.key for anchor in anchors)]:
            if key in held:
                item = held[key]
                place = (shipment.host, shipment.source)
                yield Debris(key, LOGS, item.size, item.modified, *place)


def _patience(host: str, own: str) -> timedelta:
    return ABANDONED if host in (own, "") else ABANDONED_ELSEWHERE


def _old(upload: PendingUpload, own: str, now: datetime) -> bool:
    return now - upload.started > _patience(_place(upload.key)[0], own)


def _place(key: str) -> tuple[str, str]:
    """Host and source of a key below `v1/`, as far as it tells."""
    parts = key.split("/")
    host = parts[1] if len(parts) > 2 and NAME.match(parts[1]) else ""
    source = parts[2] if len(parts) > 3 and NAME.match(parts[2]) else ""
    return host, "" if source in ("journal", "sets") else source


def _half_made(objects: Sequence[StoredObject], rows: Sequence[SnapshotEntry]) -> Iterator[Debris]:
    half = {row.id: row for row in rows if not row.committed}
    newest: dict[SnapshotId, datetime] = {}
    for item in objects:
        parsed = parse_key(item.key)
        if parsed and parsed[0] in half:
            newest[parsed[0]] = max(item.modified, newest.get(parsed[0], item.modified))
    for snapshot, since in newest.items():
        yield Debris(
            snapshot.prefix,
            "a snapshot without a manifest",
            half[snapshot].stored_bytes,
            since,
            snapshot.host,
            snapshot.source,
            snapshot=snapshot,
        )


def _proofs(objects: Sequence[StoredObject], rows: Sequence[SnapshotEntry]) -> Iterator[Debris]:
    known = {row.id for row in rows}
    for item in objects:
        proof = parse_proof(item.key)
        if proof is not None and proof[0] not in known:
            snapshot = proof[0]
            yield Debris(
                item.key,
                "a proof of a snapshot that is gone",
                item.size,
                item.modified,
                snapshot.host,
                snapshot.source,
                snapshot=snapshot,
            )


def _probes(store: ObjectStore) -> Iterator[Debris]:
    for item in store.list("probe/"):
        yield Debris(item.key, "a probe of doctor's", item.size, item.modified)


def _uploads(uploads: Sequence[PendingUpload]) -> Iterator[Debris]:
    for upload in uploads:
        host, source = _place(upload.key)
        yield Debris(
            upload.key,
            "an unfinished upload",
            0,
            upload.started,
            host,
            source,
            upload=upload.upload_id,
        )
