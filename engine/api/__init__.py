"""The one public door of the engine, for the command line and the console.

Reading calls block (disk, network, Docker) and may be made from any thread; the console makes
them in worker threads. Acting calls start a detached job and return its id at once. Heavy
modules (boto3, docker) load at the first call that needs them, never at import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from engine.api.door import Door
from engine.core import events
from engine.core.errors import CipherError, MentatError, StoreError, UsageError, WrongPassphrase
from engine.core.events import Record
from engine.core.findings import Finding
from engine.core.job import FINAL, STATE_WORDS, Job, Phase, State, fold
from engine.core.objectives import KeptData, Level, Posture, SourcePosture, StorePosture
from engine.core.recovery import PlanLine, PlanStep, RestorePlan, RestoreRequest, Target, Where
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
    from engine.operations.initialise import Draft, Initialised

# What callers may name: they import the words of the engine from here and from nowhere else.
__all__ = [
    "FINAL",
    "STATE_WORDS",
    "Artifact",
    "CipherError",
    "DatabaseFacts",
    "Engine",
    "Finding",
    "Job",
    "KeptData",
    "Key",
    "Kind",
    "Level",
    "Manifest",
    "MentatError",
    "Method",
    "Phase",
    "PlanLine",
    "PlanStep",
    "Posture",
    "Record",
    "RestorePlan",
    "RestoreRequest",
    "Settings",
    "SignatureCheck",
    "SnapshotDetail",
    "SnapshotEntry",
    "SnapshotId",
    "SourcePosture",
    "SourceSettings",
    "State",
    "StoreError",
    "StorePosture",
    "Target",
    "TreeFacts",
    "UsageError",
    "Where",
    "WrongPassphrase",
    "events",
    "fold",
    "initialise",
    "suggest_sources",
]


@dataclass(frozen=True, slots=True)
class SnapshotDetail:
    """A snapshot's manifest and whether its signature proves it."""

    manifest: Manifest
    signature: SignatureCheck
    entry: SnapshotEntry


_FRESH = timedelta(minutes=15)


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


class Engine:
    """mentat-dr over one configuration."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.door = Door(settings)

    @classmethod
    def open(cls, config: Path | None = None) -> Engine:
        """Read the configuration (argument, $MENTAT_DR_CONFIG, /etc/mentat-dr/config.toml).

        ConfigurationError, with what to do, when it is missing or wrong."""
        from engine import settings_file

        return cls(settings_file.load(config))

    # reading

    def posture(self, *, refresh: bool | None = True) -> Posture:
        """Is everything recoverable now? Never raises for an unreachable store: says it in the
        posture, from the last listing kept on disk. refresh=False uses that listing only;
        None asks the store only when that listing is older than 15 minutes."""
        from engine import wiring
        from engine.operations import kept, posture

        now = wiring.utc_now()
        problem: StoreError | None = None
        listing = self.door.kept_listing()
        stale = listing is None or now - listing.at > _FRESH
        if refresh or (refresh is None and stale):
            try:
                listing = self.door.list()
            except StoreError as error:
                problem = error
        store = StorePosture(
            name=self.settings.repository.shown,
            offsite=self.settings.repository.provider != "directory",
            reachable=problem is None,
            problem=problem.message if problem else "",
            remedy=problem.remedy if problem else "",
            listed_at=listing.at if listing else None,
        )
        rows = listing.rows if listing else ()
        return posture.take(self.settings, rows, store, kept.shown(self.settings.state), now)

    def snapshots(self, *, refresh: bool = True, host: str = "") -> Sequence[SnapshotEntry]:
        """The inventory, newest first, of committed snapshots; host "" means all hosts.
        StoreError when refresh and the store does not answer."""
        listing = self.door.list() if refresh else self.door.kept_listing()
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
        from engine import wiring
        from engine.operations import restore_plan

        entry = self.find(request.source, request.snapshot, request.host)
        opened = self.door.repo().open(entry.id)
        planning = restore_plan.Planning(
            settings=self.settings,
            store_name=self.settings.repository.shown,
            state=self.settings.state,
            containers=lambda: wiring.containers(self.settings.docker),
            now=wiring.utc_now(),
        )
        return restore_plan.plan(planning, request, entry, opened.manifest, opened.signature)

    def keys(self) -> Sequence[Key]:
        """The keys on this machine's keyring."""
        return self.door.repo().cipher.keys()

    def check_key(self, passphrase: str | None = None) -> Key | None:
        """Prove that snapshots can be decrypted here, with this passphrase. CipherError's."""
        return self.door.repo().cipher.check_secret(passphrase)

    def needs_passphrase(self) -> bool:
        """False when the secret key opens without one (or a configured passphrase serves)."""
        return self.door.repo().cipher.needs_passphrase()

    def doctor(self) -> Sequence[Finding]:
        """Look at everything a backup and a recovery need. Never raises for what it finds."""
        from engine import wiring
        from engine.jobs import stale
        from engine.operations import doctor

        names = [source.name for source in self.settings.sources]
        return doctor.examine(
            wiring.patient(
                self.settings,
                jobs=self.jobs(),
                stale_leases=stale.leases(self.settings.state, names),
            )
        )

    def kept(self) -> Sequence[KeptData]:
        """Old data put aside by in-place restores and not yet released."""
        from engine.operations import kept

        return kept.shown(self.settings.state)

    # acting

    def start_backup(self, sources: Sequence[str] = (), *, kind: str = "", method: str = "") -> str:
        """Start a backup job; no sources means all. Returns the job's id."""
        chosen = [self.settings.source(name) for name in sources] or list(self.settings.sources)
        if method:
            raise UsageError(
                f"the method {method!r} is not available", "Leave --method out: the kind decides."
            )
        names = [s.name for s in chosen if not kind or s.kind == kind]
        if not names:
            raise UsageError(
                f"no source of kind {kind!r} is configured" if kind else "no source is configured",
                f"Add a [[source]] to {self.settings.file}",
            )
        title = f"backup {', '.join(names)}"
        return self.door.launch("backup", {"sources": names}, title, names)

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

    def cancel(self, job_id: str) -> bool:
        """Ask the job's process to stop and clean up; False when it has ended already."""
        from engine.jobs import board

        return board.cancel(self.settings.state, job_id)
