"""The one public door of the engine, for the command line and the console.

Reading calls block (disk, network, Docker) and may be made from any thread; the console makes
them in worker threads. Acting calls start a detached job and return its id at once. Heavy
modules (boto3, docker) load at the first call that needs them, never at import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.core import events
from engine.core.errors import CipherError, MentatError, StoreError, UsageError, WrongPassphrase
from engine.core.events import Record
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
]


@dataclass(frozen=True, slots=True)
class SnapshotDetail:
    """A snapshot's manifest and whether its signature proves it."""

    manifest: Manifest
    signature: SignatureCheck
    entry: SnapshotEntry


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of doctor: what was looked at, how it is, how to mend it."""

    check: str
    level: Literal["ok", "warning", "critical", "unknown"]
    message: str
    remedy: str = ""


class Engine:
    """mentat-dr over one configuration."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def open(cls, config: Path | None = None) -> Engine:
        """Read the configuration (argument, $MENTAT_DR_CONFIG, /etc/mentat-dr/config.toml).

        ConfigurationError, with what to do, when it is missing or wrong."""
        raise NotImplementedError

    # reading

    def posture(self, *, refresh: bool = True) -> Posture:
        """Is everything recoverable now? Never raises for an unreachable store: says it in the
        posture, from the last listing kept on disk. refresh=False uses that listing only."""
        raise NotImplementedError

    def snapshots(self, *, refresh: bool = True, host: str = "") -> Sequence[SnapshotEntry]:
        """The inventory, newest first, of committed snapshots; host "" means all hosts.
        StoreError when refresh and the store does not answer."""
        raise NotImplementedError

    def find(self, source: str, snapshot: str, host: str = "") -> SnapshotEntry:
        """The snapshot behind a ref, a unique start of an id, or `latest`. UsageError if none."""
        raise NotImplementedError

    def detail(self, snapshot: SnapshotId) -> SnapshotDetail:
        """Fetch the manifest and check its signature."""
        raise NotImplementedError

    def plan(self, request: RestoreRequest) -> RestorePlan:
        """What this restore will read, change, destroy and stop, and how long it should take."""
        raise NotImplementedError

    def keys(self) -> Sequence[Key]:
        raise NotImplementedError

    def check_key(self, passphrase: str | None = None) -> Key | None:
        """Prove that snapshots can be decrypted here, with this passphrase. CipherError's."""
        raise NotImplementedError

    def needs_passphrase(self) -> bool:
        """False when the secret key opens without one (or a configured passphrase serves)."""
        raise NotImplementedError

    def doctor(self) -> Sequence[Finding]:
        """Look at everything a backup and a recovery need."""
        raise NotImplementedError

    def kept(self) -> Sequence[KeptData]:
        """Old data put aside by in-place restores and not yet released."""
        raise NotImplementedError

    # acting

    def start_backup(self, sources: Sequence[str] = (), *, kind: str = "", method: str = "") -> str:
        """Start a backup job; no sources means all. Returns the job's id."""
        raise NotImplementedError

    def start_restore(self, request: RestoreRequest, passphrase: str | None = None) -> str:
        """Start a restore job. UsageError when request.confirm is not the plan's confirm_name."""
        raise NotImplementedError

    def start_release(self, kept_id: str, confirm: str) -> str:
        """Start a job that removes old data put aside; confirm is its `what`."""
        raise NotImplementedError

    # jobs

    def jobs(self, limit: int = 200) -> Sequence[Job]:
        """Newest first; from the journals on this host. `interrupted` is found here."""
        raise NotImplementedError

    def job(self, job_id: str) -> Job:
        """UsageError when there is none. job_id may be a unique start."""
        raise NotImplementedError

    def records(self, job_id: str, offset: int = 0) -> tuple[Sequence[Record], int]:
        """Journal records from a byte offset, and the offset to ask with next time."""
        raise NotImplementedError

    def cancel(self, job_id: str) -> bool:
        """Ask the job's process to stop and clean up; False when it has ended already."""
        raise NotImplementedError
