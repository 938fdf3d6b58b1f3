"""The one public door of the engine, for the command line and the console.

Reading calls block (disk, network, Docker) and may be made from any thread; the console makes
them in worker threads. Acting calls start a detached job and return its id at once. Heavy
modules (boto3, docker) load at the first call that needs them, never at import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.api.binlogs import Binlogs, Mark, RecoveryRange, Until
from engine.api.costs import Costs
from engine.api.door import FRESH, Door
from engine.api.failover import Failovers
from engine.api.fleet import Fleet
from engine.api.hosts import Hosts
from engine.api.keys import Keys
from engine.api.monitoring import Monitoring
from engine.api.proofs import Proofs
from engine.api.replicas import Replicas
from engine.api.response import Response, late
from engine.api.retention import Retention
from engine.core import events
from engine.core.alerting import Alert, Board, Silence, Watch
from engine.core.catalogue import HostPosture
from engine.core.cost import Month
from engine.core.cost_report import CostReport
from engine.core.errors import CipherError, MentatError, StoreError, UsageError, WrongPassphrase
from engine.core.events import Record
from engine.core.findings import Finding
from engine.core.job import FINAL, STATE_WORDS, Job, Phase, State, fold
from engine.core.metrics_keys import KeysKnown
from engine.core.objectives import KeptData, Level, Posture, SourcePosture, StorePosture
from engine.core.recovery import PlanLine, PlanStep, RestorePlan, RestoreRequest, Target, Where
from engine.core.replicas import FailoverPlan, ReplicaPosture
from engine.core.report import Check, Report, RtoMeasured, TimedPhase
from engine.core.snapshot import (
    Artifact,
    DatabaseFacts,
    Kind,
    Manifest,
    Method,
    SnapshotEntry,
    SnapshotId,
    TreeFacts,
)
from engine.ports import Key, SignatureCheck
from engine.settings import Settings, SourceSettings

if TYPE_CHECKING:
    from engine.api.incidents import Situation
    from engine.core import incident_words
    from engine.operations.initialise import Draft, Initialised
    from engine.repository import Listing

# What callers may name: they import the words of the engine from here and from nowhere else.
__all__ = [
    "FINAL",
    "STATE_WORDS",
    "Alert",
    "Artifact",
    "Board",
    "Check",
    "CipherError",
    "CostReport",
    "DatabaseFacts",
    "Engine",
    "FailoverPlan",
    "Finding",
    "HostPosture",
    "Job",
    "KeptData",
    "Key",
    "KeysKnown",
    "Kind",
    "Level",
    "Manifest",
    "Mark",
    "MentatError",
    "Method",
    "Month",
    "Phase",
    "PlanLine",
    "PlanStep",
    "Posture",
    "Record",
    "RecoveryRange",
    "ReplicaPosture",
    "Report",
    "RestorePlan",
    "RestoreRequest",
    "RtoMeasured",
    "Settings",
    "SignatureCheck",
    "Silence",
    "Situation",
    "SnapshotDetail",
    "SnapshotEntry",
    "SnapshotId",
    "SourcePosture",
    "SourceSettings",
    "State",
    "StoreError",
    "StorePosture",
    "Target",
    "TimedPhase",
    "TreeFacts",
    "Until",
    "UsageError",
    "Watch",
    "Where",
    "WrongPassphrase",
    "events",
    "fold",
    "incident_words",
    "initialise",
    "suggest_sources",
]


def __getattr__(name: str) -> object:
    return late(name)


@dataclass(frozen=True, slots=True)
class SnapshotDetail:
    """A snapshot's manifest and whether its signature proves it."""

    manifest: Manifest
    signature: SignatureCheck
    entry: SnapshotEntry


def _words(problem: StoreError | Listing | None) -> str:
    if problem is None:
        return ""
    return problem.message if isinstance(problem, StoreError) else problem.problem


def initialise(draft: Draft) -> Initialised:
    """Set this host up: keys, secrets, configuration. ConfigurationError, CipherError, UsageError;
    the configuration is written last."""
    from engine import wiring
    from engine.operations import initialise as operation

    return operation.initialise(draft, wiring.keyring, wiring.utc_now())


def suggest_sources(docker: str = "") -> Sequence[str]:
    """What on this machine looks worth protecting, as `init --source` spells it; nothing when
    Docker does not answer."""
    from engine import wiring
    from engine.operations import suggest

    return suggest.sources(wiring.containers(docker))


class Engine(Response):
    """mentat-dr over one configuration. Further areas are attributes: modules of this package."""

    def __init__(self, settings: Settings) -> None:
        self.door = Door(settings)
        self.failover = Failovers(self.door)
        self.proofs = Proofs(self.door)
        self.binlogs = Binlogs(self.door)
        self.replicas = Replicas(self.door)
        self.fleet = Fleet(self.door)
        self.costs = Costs(self.door)
        self.retention = Retention(self.door)
        self.hosts = Hosts(self.door)
        self.monitoring = Monitoring(self.door)
        self.key_checks = Keys(self.door)

    @classmethod
    def open(cls, config: Path | None = None) -> Engine:
        """Read the configuration (argument, $MENTAT_DR_CONFIG, /etc/mentat-dr/config.toml).

        ConfigurationError, with what to do, when it is missing or wrong."""
        from engine import settings_file
        from engine.operations import discovery

        return cls(discovery.remembered(settings_file.load(config)))

    @property
    def settings(self) -> Settings:
        """The settings in force: after a failover for writing, the replica is the repository."""
        return self.door.settings

    # reading

    def posture(self, *, refresh: bool | None = True) -> Posture:
        """Is everything recoverable now? Never raises for an unreachable store: says it in the
        posture, from the last listing kept on disk. refresh=False uses that listing only;
        None asks the store only when that listing is older than 15 minutes."""
        from engine import wiring
        from engine.operations import discovery, forecasts, kept, posture

        now = wiring.utc_now()
        problem: StoreError | Listing | None = None
        listing = self.door.kept_listing(self.settings.host)
        stale = listing is None or now - listing.at > FRESH
        asking = bool(refresh or (refresh is None and stale))
        if asking:
            try:
                listing = self.door.list(self.settings.host)
                problem = listing if listing.read_from else None
            except StoreError as error:
                problem = error
        store = StorePosture(
            name=self.door.shown,
            offsite=self.settings.repository.provider != "directory",
            reachable=problem is None,
            problem=_words(problem),
            remedy=problem.remedy if problem else "",
            listed_at=listing.at if listing else None,
            read_from=listing.read_from if listing else "",
        )
        rows = listing.rows if listing else ()
        coverage = discovery.covered(self.settings.state)
        logs = self.binlogs.ranges(refresh=refresh)
        taken = posture.take(
            self.settings, rows, store, kept.shown(self.settings.state), now, coverage, logs
        )
        taken = forecasts.put_in(self.settings, taken)
        replicas = self.replicas.posture(
            listing, now, ask=asking or (None if refresh is None else False)
        )
        decided = self.door.failover
        return replace(
            taken,
            notices=(*taken.notices, *self.monitoring.notices(now)),
            replicas=replicas,
            hosts=tuple(self.fleet.hosts()),
            failover=decided.words if decided else "",
        )

    def snapshots(
        self, *, refresh: bool | None = True, host: str = "", limit: int = 0
    ) -> Sequence[SnapshotEntry]:
        """The inventory, newest first, of committed snapshots; host "" means all hosts. A
        replica's while the store is away (`engine.replicas.elsewhere`). refresh=False reads what
        this host keeps, None does so when that is young and a new listing would take long; limit
        gives the newest of what is kept, at once. StoreError when asking and no store answers."""
        if limit:
            return [row for row in self.door.newest(host, limit) if row.committed]
        ask = not self.door.fresh_enough() if refresh is None else refresh
        listing = self.door.list(host) if ask else self.door.kept_listing(host)
        rows = listing.rows if listing else ()
        return [row for row in rows if row.committed and (not host or row.id.host == host)]

    def find(self, source: str, snapshot: str, host: str = "") -> SnapshotEntry:
        """The snapshot behind a ref, a unique start of an id, or `latest`. UsageError if none."""
        from engine.repository import choose

        rows = self.door.repo().restorable(host or self.settings.host, source)
        return choose(rows, snapshot, source)

    def detail(self, snapshot: SnapshotId) -> SnapshotDetail:
        """Fetch the manifest and check its signature."""
        opened = self.door.repo().open(snapshot)
        rows = self.door.repo().restorable(snapshot.host, snapshot.source)
        # A manifest that only the local tier has is in no listing of the store.
        absent = SnapshotEntry(
            snapshot, opened.manifest.stored_bytes, committed=True, signed=opened.signature.good
        )
        entry = next((row for row in rows if row.id == snapshot), absent)
        return SnapshotDetail(opened.manifest, opened.signature, entry)

    def plan(self, request: RestoreRequest) -> RestorePlan:
        """What this restore will read, change, destroy and stop, and how long it should take."""
        from engine.api import planning

        return planning.plan(self.door, request)

    def keys(self) -> Sequence[Key]:
        """The keys on this machine's keyring."""
        return self.door.repo().cipher.keys()

    def check_key(self, passphrase: str | None = None) -> Key | None:
        """Prove that snapshots can be decrypted here, with this passphrase. CipherError's."""
        return self.door.repo().cipher.check_secret(passphrase)

    def needs_passphrase(self) -> bool:
        """False when the secret key opens without one (or a configured passphrase serves)."""
        return self.door.repo().cipher.needs_passphrase()

    def doctor(self, *, probe: bool = False) -> Sequence[Finding]:
        """Look at everything a backup and a recovery need. Never raises for what it finds. With
        `probe`, buckets are asked all they can do, and only that is relied on from then on."""
        from engine import wiring
        from engine.jobs import stale
        from engine.operations import doctor

        names = [source.name for source in self.settings.sources]
        return doctor.examine(
            wiring.patient(
                self.settings,
                jobs=self.jobs(),
                stale_leases=stale.leases(self.settings.state, names),
                probe=probe,
            )
        )

    def kept(self) -> Sequence[KeptData]:
        """Old data put aside by in-place restores and not yet released."""
        from engine.operations import kept

        return kept.shown(self.settings.state)

    # acting

    def start_backup(self, sources: Sequence[str] = (), *, kind: str = "", method: str = "") -> str:
        """Start a backup job; no sources means all. Returns the job's id. A method is for some
        kinds, logical and physical for databases, full for the others: it leaves the rest out.
        UsageError for one that is named."""
        chosen = [self.settings.source(name) for name in sources] or self.hosts.sources()
        if method:
            databases = method in ("logical", "physical")
            fits = [s for s in chosen if (s.kind == "database") == databases]
            other = [s.name for s in chosen if s not in fits] if sources else []
            if method == "incremental" or other:
                raise UsageError(
                    f"the method {method!r} is not available"
                    + (f" for {', '.join(other)}" if other else ""),
                    "Leave --method out: the kind decides.",
                )
            chosen = fits
        names = [s.name for s in chosen if not kind or s.kind == kind]
        if not names:
            raise UsageError(
                f"no source of kind {kind!r} is configured" if kind else "no source is configured",
                f"Add a [[source]] to {self.settings.file}",
            )
        title = f"backup {', '.join(names)}"
        # All of them are told by none, so that the job finds sources labelled since.
        given = names if sources or kind or method else []
        return self.door.launch("backup", {"sources": given, "method": method}, title, names)

    def start_restore(self, request: RestoreRequest, passphrase: str | None = None) -> str:
        """Start a restore job. UsageError when request.confirm is not the plan's confirm_name."""
        plan = self.plan(request)
        if plan.confirm_name and request.confirm != plan.confirm_name:
            raise UsageError(
                f"this changes live data: {plan.confirm_name} must be given to confirm it",
                f"{plan.command}",
            )
        given: dict[str, bytes] = {}
        if passphrase is not None:
            given["passphrase"] = passphrase.encode()
        return self.door.launch(
            "restore",
            # The snapshot by its ref: a newer one may come before the job looks for `latest`.
            {"restore": asdict(plan.request)},
            f"restore {plan.title}",
            [request.source],
            given,
        )

    def start_release(self, kept_id: str, confirm: str) -> str:
        """Start a job that removes old data put aside; confirm is its `what`."""
        item = next((k for k in self.kept() if k.id == kept_id), None)
        if item is None:
            raise UsageError(
                f"nothing is kept under {kept_id!r}", "`mentat-dr restore --kept` lists it."
            )
        if confirm != item.what:
            raise UsageError(
                f"to remove it for good, its name must be given: {item.what}",
                f"mentat-dr restore --release {item.id} --confirm {item.what}",
            )
        request = {"kept": kept_id, "confirm": confirm}
        return self.door.launch("release", request, f"release {item.what}", [item.source])

    # jobs

    def jobs(self, limit: int = 200) -> Sequence[Job]:
        """Newest first; from the journals on this host. `interrupted` is found here."""
        from engine.jobs import board

        return board.jobs(self.settings.state, limit)

    def job(self, job_id: str) -> Job:
        """UsageError when there is none. job_id may be a unique start."""
        from engine.jobs import board

        return board.find(self.settings.state, job_id)

    def records(self, job_id: str, offset: int = 0) -> tuple[Sequence[Record], int]:
        """Journal records from a byte offset, and the offset to ask with next time."""
        from engine.jobs import board

        return board.records(self.settings.state, job_id, offset)
