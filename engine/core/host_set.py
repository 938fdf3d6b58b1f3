"""Recovery points of a whole host: a set names one snapshot of each source, and the host's facts.

Key layout (repository format 1):
    v1/<host>/sets/<UTC>-<id>.json                 the set; written last
    v1/<host>/sets/<UTC>-<id>.json.sig             by the host's own signing key
    v1/<host>/sets/<UTC>-<id>.facts.json.zst.gpg   the facts; encrypted, since they hold secrets
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.snapshot import (
    NAME,
    ROOT,
    Artifact,
    Kind,
    Manifest,
    format_utc,
    parse_utc,
)

SET_FORMAT = "1.0"
SETS = "sets"
DOCUMENT = "json"
SIGNATURE = "json.sig"
FACTS = "facts.json.zst.gpg"
IMAGES = "images.tar.zst.gpg"
_FILE = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{8})\.([a-z0-9.]+)\Z")


@dataclass(frozen=True, slots=True, order=True)
class SetId:
    """Which set. Orders by time within a host."""

    host: str
    at: datetime
    id: str

    @property
    def ref(self) -> str:
        """`20261122T020000Z-1a2b3c4d`."""
        return f"{format_utc(self.at)}-{self.id}"

    @property
    def key(self) -> str:
        return self.artifact_key(DOCUMENT)

    @property
    def signature_key(self) -> str:
        return self.artifact_key(SIGNATURE)

    def artifact_key(self, name: str) -> str:
        """The key of an object of this set."""
        return f"{ROOT}/{self.host}/{SETS}/{self.ref}.{name}"


def parse_set_key(key: str) -> tuple[SetId, str] | None:
    """Split the key of a set's object into the set and the object's name; None for others."""
    parts = key.split("/")
    if len(parts) != 4 or parts[0] != ROOT or parts[2] != SETS or not NAME.match(parts[1]):
        return None
    match = _FILE.match(parts[3])
    if not match:
        return None
    try:
        at = parse_utc(match[1])
    except ValueError:
        return None
    return SetId(parts[1], at, match[2]), match[3]


@dataclass(frozen=True, slots=True)
class SetEntry:
    """What a LIST of keys tells of a set. It exists only when `committed`."""

    id: SetId
    stored_bytes: int
    committed: bool
    signed: bool


@dataclass(frozen=True, slots=True)
class Member:
    """One source in a set. `fresh` is false for a snapshot of an earlier run, named because this
    run made none. Sizes in bytes."""

    source: str
    kind: Kind
    ref: str
    recoverable_to: datetime
    raw_bytes: int = 0
    stored_bytes: int = 0
    fresh: bool = True
    volume: str = ""
    container: str = ""
    paths: tuple[str, ...] = ()
    server_uuid: str = ""
    gtid_set: str = ""
    binlog_file: str = ""
    binlog_position: int = 0


@dataclass(frozen=True, slots=True)
class HostSet:
    """One recovery point of a host. `missing` names the sources that no snapshot exists of."""

    format: str
    id: SetId
    started: datetime
    finished: datetime
    members: tuple[Member, ...]
    missing: tuple[str, ...] = ()
    facts: Artifact | None = None
    images: Artifact | None = None
    recipients: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    engine_version: str = ""

    @property
    def spread(self) -> timedelta:
        """How far apart in time its members are: what the binlogs must close."""
        times = [member.recoverable_to for member in self.members]
        return max(times) - min(times) if times else timedelta(0)

    @property
    def recoverable_to(self) -> datetime:
        """The oldest of its members: all of the host is at least as new as this."""
        return min((m.recoverable_to for m in self.members), default=self.started)

    @property
    def complete(self) -> bool:
        """Every source has a snapshot of this very run."""
        return not self.missing and all(member.fresh for member in self.members)

    def member(self, source: str) -> Member | None:
        return next((m for m in self.members if m.source == source), None)


def member_of(manifest: Manifest, *, fresh: bool = True) -> Member:
    """The member that names this snapshot."""
    facts, tree = manifest.database, manifest.tree
    position = facts.position if facts else None
    return Member(
        source=manifest.id.source,
        kind=manifest.kind,
        ref=manifest.id.ref,
        recoverable_to=manifest.recoverable_to,
        raw_bytes=manifest.raw_bytes,
        stored_bytes=manifest.stored_bytes,
        fresh=fresh,
        volume=(tree.volume if tree else "") or (facts.volume if facts else ""),
        container=facts.container if facts else "",
        paths=tree.paths if tree and not tree.volume else (),
        server_uuid=facts.server_uuid if facts else "",
        gtid_set=position.gtid_set if position else "",
        binlog_file=position.file if position else "",
        binlog_position=position.position if position else 0,
    )


def newest_before(entries: Sequence[SetEntry], at: datetime | None) -> SetEntry | None:
    """The newest committed set, or the newest that was finished at or before a time."""
    usable = [e for e in entries if e.committed and (at is None or e.id.at <= at)]
    return max(usable, key=lambda entry: entry.id, default=None)
