"""A prune before it happens: what is asked, and what of each tier goes, stays, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.core.chains import Links
from engine.core.report import VERIFICATIONS, Report
from engine.core.retention import Decision, Verdict
from engine.core.snapshot import SnapshotEntry, SnapshotId

Tier = Literal["offsite", "local"]
DESPITE = ("clock", "missing", "failing")


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """Whose snapshots: of `sources` (none: all) of this host, or of every host in the
    repository. `despite` names objections that the operator overrules (DESPITE)."""

    sources: tuple[str, ...] = ()
    all_hosts: bool = False
    despite: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Debris:
    """Something half-made and abandoned: a snapshot without its manifest, an unfinished upload, a
    proof of a snapshot that is gone. `upload` is the id of an upload; `source` may be empty."""

    key: str
    why: str
    size: int
    since: datetime
    host: str = ""
    source: str = ""
    upload: str = ""
    snapshot: SnapshotId | None = None


@dataclass(frozen=True, slots=True)
class TierPlan:
    """One store: its verdicts, its debris, and what went wrong while looking."""

    tier: Tier
    store: str
    decision: Decision
    debris: tuple[Debris, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[Verdict, ...]:
        return self.decision.removed

    @property
    def freed_bytes(self) -> int:
        return sum(v.stored_bytes for v in self.removed) + sum(d.size for d in self.debris)


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What a prune would do now. `command` does it."""

    at: datetime
    request: PruneRequest
    tiers: tuple[TierPlan, ...]
    command: str = "mentat-dr prune"


def removal_order(removed: Sequence[Verdict], rows: Iterable[SnapshotEntry]) -> list[SnapshotId]:
    """What builds on another goes before it, whatever their dates, so that a prune that dies
    half-way leaves no incremental without its base."""
    links = Links(rows)
    return sorted(
        (verdict.snapshot for verdict in removed),
        key=lambda s: (len(links.below(s)), s.at),
        reverse=True,
    )


# Checks that fail without anything being wrong with stored bytes; pruning may even mend them.
_HARMLESS = frozenset({"age", "size", "daily-presence", "coverage", "disk-space"})


def failing(reports: Iterable[Report], sources: Sequence[str]) -> dict[str, str]:
    """Sources whose newest verification of any kind found stored bytes wanting, and how; all of
    them when it failed as a whole. `reports`: newest first."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for report in reports:
        if report.kind not in VERIFICATIONS or report.kind in seen:
            continue
        seen.add(report.kind)
        for check in report.checks:
            if check.outcome == "failed" and check.name not in _HARMLESS:
                for source in [check.source] if check.source else sources:
                    found.setdefault(source, f"{check.message} ({report.title}, {report.id})")
    return found
