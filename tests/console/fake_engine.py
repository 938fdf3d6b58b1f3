"""An engine that answers from memory, with the words an attacker or an accident would leave in a
repository. It has the real engine's calls; tests/console/test_fake_engine.py holds it to them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.api import (
    Artifact,
    DatabaseFacts,
    Engine,
    Finding,
    Job,
    KeptData,
    Key,
    Manifest,
    PlanLine,
    PlanStep,
    Posture,
    Record,
    RestorePlan,
    RestoreRequest,
    Settings,
    SignatureCheck,
    SnapshotDetail,
    SnapshotEntry,
    SnapshotId,
    SourcePosture,
    SourceSettings,
    StoreError,
    StorePosture,
    UsageError,
    WrongPassphrase,
    events,
    fold,
)
from engine.core.errors import StoreUnreachable
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


class FakeEngine(Engine):
    """Set the public attributes to change what it says."""

    def __init__(self) -> None:
        super().__init__(settings())
        self.sources = sources()
        self.entries: Sequence[SnapshotEntry] = snapshots()
        self.journals = [running_job(), done_job(), failed_job()]
        self.interrupted: set[str] = set()
        self.unreachable = ""  # the store's problem
        self.broken = ""  # everything fails with this
        self.hang: threading.Event | None = None  # reading calls wait for it
        self.passphrase: str | None = None
        self.store_name = "wasabi:mentat-backups/dr"
        self.offsite = True
        self.notices: tuple[Any, ...] = ()
        self.kept_data: tuple[KeptData, ...] = ()
        self.signature = SignatureCheck(True, "AB" * 20, "landsraad@example.org")
        self.blockers: tuple[str, ...] = ()
        self.hostile = ""
        self.started: list[tuple[str, Any]] = []
        self.cancelled: list[str] = []
        self.checked: list[str | None] = []
        self.now = NOW

    def _gate(self, store: bool = False) -> None:
        if self.hang:
            self.hang.wait(30)
        if self.broken:
            raise StoreError(self.broken, "Mend it.")
        if store and self.unreachable:
            raise StoreUnreachable(self.unreachable, "Check the network and the endpoint.")

    # reading

    def posture(self, *, refresh: bool | None = True) -> Posture:
        self._gate()
        down = bool(self.unreachable and refresh)
        store = StorePosture(
            self.store_name,
            self.offsite,
            not down,
            self.unreachable if down else "",
            "Check the network and the endpoint." if down else "",
            self.now - (timedelta(hours=3) if self.unreachable else timedelta(seconds=9)),
        )
        return Posture(
            "landsraad", "production", self.now, self.sources, store, self.notices, self.kept_data
        )

    def snapshots(self, *, refresh: bool = True, host: str = "") -> Sequence[SnapshotEntry]:
        self._gate(refresh)
        return self.entries

    def find(self, source: str, snapshot: str, host: str = "") -> SnapshotEntry:
        return self.entries[0]

    def detail(self, snapshot: SnapshotId) -> SnapshotDetail:
        self._gate(True)
        entry = next(e for e in self.entries if e.id == snapshot)
        made = manifest(entry)
        if self.hostile:
            made = replace(made, warnings=(self.hostile,), recipients=(self.hostile,))
        return SnapshotDetail(made, self.signature, entry)

    def plan(self, request: RestoreRequest) -> RestorePlan:
        self._gate(True)
        entry = next(e for e in self.entries if e.id.ref == request.snapshot)
        live = request.target.where == "in-place"
        unsigned = not self.signature.good and request.accept_unsigned != entry.id.ref
        extra = (PlanLine(self.hostile),) if self.hostile else ()
        where = {
            "directory": f"to {request.target.path}",
            "container": "into a fresh container",
            "in-place": "in place on shop-mysql",
        }[request.target.where]
        return RestorePlan(
            request=request,
            snapshot=entry.id,
            kind="database",
            title=f"{request.source} as of {entry.id.at:%Y-%m-%d %H:%M:%S} UTC, {where}",
            recoverable_to=entry.id.at,
            proven_at=entry.proven_at,
            reads=(PlanLine(f"{self.store_name}: snapshot {entry.id.ref}", 3_100_000_000), *extra),
            changes=(PlanLine("volume shop_mysql_new (created; 61 GB free)", 10_400_000_000),),
            destroys=(
                PlanLine(
                    "nothing: shop_mysql is kept as shop_mysql_before_20261122T0214Z until you "
                    "release it"
                ),
            )
            if live
            else (),
            stops=(PlanLine("shop-mysql for about 20 s, at the switch"),) if live else (),
            steps=(
                PlanStep("load", "download, decrypt, load", 165.0, "measured on this host 6 d ago"),
                PlanStep("verify", "compare rows, checksums", 90.0),
            ),
            confirm_name="shop-mysql" if live else "",
            command=f"mentat-dr restore {entry.id.ref} --source {request.source} --to in-place "
            "--confirm shop-mysql",
            blockers=("the manifest cannot be trusted: no signature",)
            if unsigned
            else self.blockers,
        )

    def keys(self) -> Sequence[Key]:
        self._gate()
        expires = self.now + timedelta(days=212)
        return [
            Key("AB" * 20, ("backup@example.org",), None, expires, True, False, True),
        ]

    def check_key(self, passphrase: str | None = None) -> Key | None:
        self._gate()
        self.checked.append(passphrase)
        if self.passphrase is not None and passphrase != self.passphrase:
            raise WrongPassphrase("the passphrase does not open the key", "Type it again.")
        return self.keys()[0]

    def needs_passphrase(self) -> bool:
        self._gate()
        return self.passphrase is not None

    def doctor(self) -> Sequence[Finding]:
        return []

    def kept(self) -> Sequence[KeptData]:
        return self.kept_data

    # acting

    def start_backup(self, sources: Sequence[str] = (), *, kind: str = "", method: str = "") -> str:
        self.started.append(("backup", tuple(sources)))
        return self._begin("backup", f"backup {', '.join(sources)}", tuple(sources))

    def start_restore(self, request: RestoreRequest, passphrase: str | None = None) -> str:
        plan = self.plan(request)
        if request.confirm != plan.confirm_name:
            raise UsageError("the name does not match", "Type it as the plan shows it.")
        self.started.append(("restore", (request, passphrase)))
        return self._begin("restore", plan.title, (request.source,))

    def start_release(self, kept_id: str, confirm: str) -> str:
        self.started.append(("release", (kept_id, confirm)))
        return self._begin("release", f"release {confirm}", ())

    def _begin(self, operation: str, title: str, names: tuple[str, ...]) -> str:
        job_id = f"20261122T021500Z-{operation}-{len(self.journals):04x}"
        name = names[0] if names else ""
        said: list[events.Event] = [
            events.Accepted(job_id, operation, title, "landsraad", "root", {}, names),
            events.Started(5001, "landsraad"),
            events.PhaseStarted("fetch", "download and decrypt", name, 3_100_000_000),
            events.Progress("fetch", 1_200_000_000, 3_100_000_000, 141e6, 13.0),
        ]
        self.journals.insert(0, [Record(n, self.now, e) for n, e in enumerate(said, 1)])
        return job_id

    def append(self, job_id: str, *said: events.Event) -> None:
        """Let a job say more."""
        for journal in self.journals:
            if journal[0].event.job == job_id:  # type: ignore[union-attr]
                journal += [Record(len(journal) + n, self.now, e) for n, e in enumerate(said, 1)]

    # jobs

    def jobs(self, limit: int = 200) -> Sequence[Job]:
        self._gate()
        return [self._fold(journal) for journal in self.journals][:limit]

    def _fold(self, journal: list[Record]) -> Job:
        job = fold(Job(journal[0].event.job), journal)  # type: ignore[union-attr]
        if job.id in self.interrupted:
            failure = events.Failed(
                "interrupted", "the job was interrupted: its process died", "Start it again.", 1
            )
            return replace(job, state="interrupted", failure=failure, ended_at=job.last_at)
        return job

    def job(self, job_id: str) -> Job:
        return next(job for job in self.jobs() if job.id == job_id)

    def records(self, job_id: str, offset: int = 0) -> tuple[Sequence[Record], int]:
        self._gate()
        for journal in self.journals:
            if journal[0].event.job == job_id:  # type: ignore[union-attr]
                return journal[offset:], len(journal)
        raise UsageError(f"no job {job_id}")

    def cancel(self, job_id: str) -> bool:
        self.cancelled.append(job_id)
        self.append(job_id, events.Failed("cancelled", "cancelled by root", "", 130))
        return True
