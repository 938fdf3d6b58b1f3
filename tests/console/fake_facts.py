"""What the fake engine tells of: a small production host, and text an attacker would leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.api import (
    Artifact,
    DatabaseFacts,
    Manifest,
    Record,
    Settings,
    SnapshotEntry,
    SnapshotId,
    SourcePosture,
    SourceSettings,
    events,
)
from engine.core.snapshot import BinlogPosition, Part, TableFacts
from engine.settings import EncryptionSettings, StoreSettings

NOW = datetime(2026, 11, 22, 2, 14, 7, tzinfo=UTC)
HOSTILE = "[bold]x[/] \x1b[31mred\x1b[0m \u202eevil\n日本 🧨 " + "long" * 75
PASSPHRASE = "correct horse"


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def settings() -> Settings:
    source = SourceSettings("shop-db", "database", minutes(15), minutes(60), engine="mysql")
    return Settings(
        file=Path("/etc/mentat-dr/config.toml"),
        host="landsraad",
        environment="production",
        repository=StoreSettings("wasabi", "mentat-backups", "dr"),
        encryption=EncryptionSettings(("backup@example.org",), "landsraad@example.org"),
        sources=(source,),
    )


def source(
    name: str,
    kind: Any,
    behind: timedelta | None,
    rpo: timedelta,
    proven: timedelta | None = timedelta(hours=5),
    **more: Any,
) -> SourcePosture:
    late = behind is not None and behind > rpo
    reasons = ["misses its RPO"] if late else []
    level = "critical" if late else "ok"
    if behind is None:
        level, reasons = "critical", ["no snapshot: nothing can be recovered"]
    elif proven is None:
        level = level if late else "warning"
        reasons.append("never proven by a restore")
    at = NOW - behind if behind is not None else None
    fields: dict[str, Any] = {
        "source": name,
        "host": "landsraad",
        "kind": kind,
        "rpo": rpo,
        "rto": timedelta(hours=1),
        "snapshot": SnapshotId("landsraad", name, at, "full", "1a2b3c4d") if at else None,
        "recoverable_to": at,
        "proven_to": NOW - proven - minutes(30) if proven else None,
        "proven_at": NOW - proven if proven else None,
        "snapshots": 0 if at is None else 42,
        "stored_bytes": 0 if at is None else 12_340_000_000,
        "level": level,
        "reasons": tuple(reasons),
    }
    return SourcePosture(**(fields | more))


def sources() -> tuple[SourcePosture, ...]:
    day = timedelta(days=1)
    return (
        source("shop-db", "database", timedelta(seconds=12), minutes(15)),
        source("shop-uploads", "volume", minutes(22), minutes(60)),
        source("media", "volume", minutes(190), minutes(60), timedelta(days=2)),
        source("etc", "config", minutes(14), day, None),
        source("prometheus", "observability", minutes(14), day, timedelta(days=6)),
        source("grafana", "observability", None, day, None),
    )


def snapshots(count: int = 0) -> list[SnapshotEntry]:
    """Three hosts, six sources, hourly; with `count`, that many."""
    names = [s.source for s in sources()][:5]
    made = []
    for number in range(count or 60):
        at = NOW.replace(second=0) - minutes(60 * (number // 5) + 14)
        host = "landsraad" if number % 5 or number % 4 else "mentat"
        method: Any = "logical" if number % 5 == 0 else "full"
        snapshot = SnapshotId(host, names[number % 5], at, method, f"{number:08x}")
        proven = NOW - timedelta(hours=5) if number % 7 == 1 else None
        made.append(
            SnapshotEntry(snapshot, 31_000_000 * (number % 90 + 1), True, number != 3, proven)
        )
    return made


def manifest(entry: SnapshotEntry) -> Manifest:
    part = Part(entry.stored_bytes, "ab" * 32)
    artifact = Artifact(
        "dump.sql.zst.gpg",
        entry.stored_bytes * 4,
        "cd" * 32,
        entry.stored_bytes,
        "ef" * 32,
        (part,),
    )
    tables = (
        TableFacts("shop", "orders", 90_412, "1234"),
        TableFacts("shop", "stock", 1_204_551, "99"),
    )
    facts = DatabaseFacts(
        "mysql",
        "9.7.0",
        position=BinlogPosition(
            "binlog.000412", 88_123, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-88123"
        ),
        schemas=("shop", "crm"),
        tables=tables,
        objects={"views": 3, "triggers": 2, "routines": 4, "events": 1, "users": 6},
        image="mysql:9.7",
        container="shop-mysql",
    )
    return Manifest(
        "1.0",
        entry.id,
        "database",
        entry.id.at - minutes(2),
        entry.id.at,
        entry.id.at - minutes(2),
        (artifact,),
        ("0123456789ABCDEF0123456789ABCDEF01234567",),
        database=facts,
        warnings=("definer 'gone'@'%' does not exist on the server",),
    )


def running_job(job_id: str = "20261122T020900Z-backup-77aa") -> list[Record]:
    """The journal of a backup that is at 61 %."""
    said: list[events.Event] = [
        events.Accepted(job_id, "backup", "backup media", "landsraad", "root", {}, ("media",)),
        events.Started(4121, "landsraad"),
        events.PhaseStarted("pack media", "pack and upload media", "media", 25_000_000_000),
        events.CommandStarted(
            ("tar", "--xattrs", "-C", "/var/lib/docker/volumes/media", "-c", ".")
        ),
        events.Output("tar: ./thumbs/a[1].jpg: file changed as we read it"),
        events.Progress("pack media", 15_250_000_000, 25_000_000_000, 118e6, 82.0),
    ]
    began = NOW - minutes(2)
    return [Record(n, began + timedelta(seconds=20 * n), e) for n, e in enumerate(said, 1)]


def failed_job() -> list[Record]:
    job_id = "20261121T230000Z-backup-66bb"
    said: list[events.Event] = [
        events.Accepted(job_id, "backup", "backup media", "landsraad", "root", {}, ("media",)),
        events.Started(3999, "landsraad"),
        events.Failed(
            "held", "held by pid 4121 on landsraad since 22:40 UTC", "Wait for it, or cancel it.", 6
        ),
    ]
    began = NOW - minutes(194)
    return [Record(n, began + timedelta(seconds=n), e) for n, e in enumerate(said, 1)]


def done_job() -> list[Record]:
    job_id = "20261122T015200Z-backup-55cc"
    ref = "20261122T015200Z-logical-00000000"
    said: list[events.Event] = [
        events.Accepted(job_id, "backup", "backup shop-db", "landsraad", "cron", {}, ("shop-db",)),
        events.Started(3711, "landsraad"),
        events.PhaseStarted("dump shop-db", "dump shop-db", "shop-db", 1_000_000_000),
        events.PhaseEnded("dump shop-db", 54.2, 1_040_000_000),
        events.SnapshotCommitted("shop-db", ref, 310_000_000, 1_040_000_000),
        events.Result("done", "1 snapshot, 310 MB stored", {"snapshots": 1, "rows": 1_294_963}),
    ]
    began = NOW - minutes(22)
    return [Record(n, began + timedelta(seconds=12 * n), e) for n, e in enumerate(said, 1)]
