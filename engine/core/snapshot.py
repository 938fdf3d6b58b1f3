"""Snapshots: their names, their keys in a repository, and what a manifest says of them.

Key layout (repository format 1, ARCHITECTURE.md):
    v1/<host>/<source>/<UTC>-<method>-<id>/manifest.json
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["database", "volume", "config", "observability"]
Method = Literal["logical", "physical", "full", "incremental"]
KINDS: tuple[Kind, ...] = ("database", "volume", "config", "observability")
METHODS: tuple[Method, ...] = ("logical", "physical", "full", "incremental")

FORMAT_MAJOR = 1
FORMAT_VERSION = "1.0"
ROOT = "v1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
ASIDE = "aside.json"

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")
_REF = re.compile(r"(\d{8}T\d{6}Z)-(logical|physical|full|incremental)-([0-9a-f]{8})\Z")


def format_utc(moment: datetime) -> str:
    """`20261122T020000Z`, the spelling of a time inside keys."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_utc(text: str) -> datetime:
    """The inverse of format_utc; ValueError for anything else."""
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class SnapshotId:
    """Which snapshot: enough to build every key of it. Orders by time within a source."""

    host: str
    source: str
    at: datetime
    method: Method
    id: str

    @property
    def ref(self) -> str:
        """`20261122T020000Z-logical-1a2b3c4d`: unique within host and source."""
        return f"{format_utc(self.at)}-{self.method}-{self.id}"

    @property
    def prefix(self) -> str:
        """Key prefix of its objects, without the repository's own prefix, ending in a slash."""
        return f"{ROOT}/{self.host}/{self.source}/{self.ref}/"

    @property
    def manifest_key(self) -> str:
        return self.prefix + MANIFEST

    @property
    def signature_key(self) -> str:
        return self.prefix + SIGNATURE

    @property
    def aside_key(self) -> str:
        return self.prefix + ASIDE

    def artifact_key(self, name: str) -> str:
        return self.prefix + name


def parse_ref(host: str, source: str, ref: str) -> SnapshotId | None:
    """The id behind a folder name, or None when it is not a snapshot's."""
    match = _REF.match(ref)
    if not match:
        return None
    try:
        at = parse_utc(match[1])
    except ValueError:
        return None
    return SnapshotId(host, source, at, match[2], match[3])  # type: ignore[arg-type]


def parse_key(key: str) -> tuple[SnapshotId, str] | None:
    """Split `v1/<host>/<source>/<ref>/<name>` into the snapshot and the object's name."""
    parts = key.split("/")
    if len(parts) != 5 or parts[0] != ROOT or not parts[4]:
        return None
    if not NAME.match(parts[1]) or not NAME.match(parts[2]):
        return None  # nobody of ours wrote it, and names go into commands and onto screens
    found = parse_ref(parts[1], parts[2], parts[3])
    return (found, parts[4]) if found else None


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """What a LIST of keys alone tells of a snapshot.

    stored_bytes is the sum over its objects. It exists only when `committed`; the rest is debris.
    """

    id: SnapshotId
    stored_bytes: int
    committed: bool
    signed: bool
    proven_at: datetime | None = None
    aside: bool = False  # data saved before a restore replaced it: never `latest`


@dataclass(frozen=True, slots=True)
class Part:
    """A byte range of a stored object, in order; sha256 in hex, of the stored bytes."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """One stored object. raw_* describe the plain stream before compression and encryption."""

    name: str
    raw_bytes: int
    raw_sha256: str
    stored_bytes: int
    stored_sha256: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table in the snapshot's consistent read. checksum None: could not be taken (see why)."""

    schema: str
    table: str
    rows: int
    checksum: str | None = None
    why_unchecked: str = ""


@dataclass(frozen=True, slots=True)
class BinlogPosition:
    """Where the server's binlog stood at the snapshot; gtid_set is empty where GTIDs are off."""

    file: str
    position: int
    gtid_set: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    flavor: Literal["mysql", "mariadb"]
    version: str
    server_uuid: str = ""
    position: BinlogPosition | None = None
    schemas: tuple[str, ...] = ()
    tables: tuple[TableFacts, ...] = ()
    objects: dict[str, int] = field(default_factory=dict)  # "views": 3, ...
    image: str = ""  # the container's image reference, to restore into the same
    image_id: str = ""
    container: str = ""
    volume: str = ""
    data_directory: str = ""


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """A volume or configuration paths. `root` is the mount point or `/`; members counts all."""

    root: str
    paths: tuple[str, ...]
    members: int
    volume: str = ""
    containers: tuple[str, ...] = ()
    images: dict[str, str] = field(default_factory=dict)
    quiesce: str = "none"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The document that makes a snapshot exist. Times are UTC, sizes bytes, hashes hex SHA-256."""

    format: str
    id: SnapshotId
    kind: Kind
    started: datetime
    finished: datetime
    recoverable_to: datetime
    artifacts: tuple[Artifact, ...]
    recipients: tuple[str, ...]  # fingerprints; empty with a passphrase
    base: str = ""  # ref of the snapshot an incremental builds on
    database: DatabaseFacts | None = None
    tree: TreeFacts | None = None
    warnings: tuple[str, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)
    engine_version: str = ""
    extra: dict[str, Any] = field(default_factory=dict)  # fields of newer minor versions, kept

    @property
    def raw_bytes(self) -> int:
        return sum(a.raw_bytes for a in self.artifacts)

    @property
    def stored_bytes(self) -> int:
        return sum(a.stored_bytes for a in self.artifacts)
