"""What the console knows now. Screens read it and draw; only the app's message handlers write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from console.door import Trouble
from engine.api import Job, Key, Posture, SnapshotEntry, SourcePosture


@dataclass
class Model:
    """None stands for "not heard of yet". A `*_trouble` stands beside the last good value, which
    is then old; `*_at` says when that value came."""

    posture: Posture | None = None
    posture_trouble: Trouble | None = None
    posture_fresh: bool = False
    posture_at: datetime | None = None
    snapshots: Sequence[SnapshotEntry] | None = None
    snapshots_trouble: Trouble | None = None
    snapshots_fresh: bool = False
    snapshots_at: datetime | None = None
    jobs: tuple[Job, ...] | None = None
    jobs_trouble: Trouble | None = None
    keys: tuple[Key, ...] | None = None
    keys_trouble: Trouble | None = None
    asking: set[str] = field(default_factory=set)  # what is being fetched right now

    @property
    def listing_trouble(self) -> Trouble | None:
        """Why the snapshots shown may not be all there are."""
        store = self.posture.store if self.posture else None
        if store and not store.reachable:
            return Trouble(store.problem or "the store does not answer", store.remedy)
        return self.snapshots_trouble or self.posture_trouble

    @property
    def running(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs or () if not job.final)

    def job(self, job_id: str) -> Job | None:
        return next((job for job in self.jobs or () if job.id == job_id), None)

    def put_job(self, job: Job) -> None:
        """Replace the job of the same id; a new one comes first."""
        jobs = self.jobs or ()
        if any(known.id == job.id for known in jobs):
            self.jobs = tuple(job if known.id == job.id else known for known in jobs)
        else:
            self.jobs = (job, *jobs)

    def last_job(self, source: str, operation: str = "") -> Job | None:
        """The newest job that touched the source and has ended."""
        return next(
            (
                job
                for job in self.jobs or ()
                if job.final
                and (not source or source in job.sources)
                and (not operation or job.operation == operation)
            ),
            None,
        )

    def source(self, name: str, host: str = "") -> SourcePosture | None:
        if not self.posture:
            return None
        return next(
            (s for s in self.posture.sources if s.source == name and (not host or s.host == host)),
            None,
        )
