"""An engine that answers from memory. It has the real engine's calls, to which
tests/console/test_fake_engine.py holds it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.api import (
    Engine,
    Finding,
    Job,
    KeptData,
    Key,
    PlanLine,
    PlanStep,
    Posture,
    Record,
    RestorePlan,
    RestoreRequest,
    SignatureCheck,
    SnapshotDetail,
    SnapshotEntry,
    SnapshotId,
    StoreError,
    StorePosture,
    UsageError,
    WrongPassphrase,
    events,
    fold,
)
from engine.core.errors import StoreUnreachable
from tests.console.fake_facts import (
    HOSTILE,
    NOW,
    PASSPHRASE,
    done_job,
    failed_job,
    manifest,
    running_job,
    settings,
    snapshots,
    source,
    sources,
)

__all__ = [
    "HOSTILE",
    "NOW",
    "PASSPHRASE",
    "FakeEngine",
    "done_job",
    "running_job",
    "snapshots",
    "source",
    "sources",
]


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
