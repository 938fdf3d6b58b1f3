"""Restores before they happen: what is asked, and the plan of what will be touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from engine.core.snapshot import Kind, SnapshotId

Where = Literal["directory", "container", "in-place"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to restore to.

    directory   `path` must not exist or be empty
    container   a fresh container of the image the source ran on; `name` may name it
    in-place    beside the live data, verified, then switched; the old data is kept
    """

    where: Where
    path: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What the operator asks for. `snapshot` is a ref, a unique start of an id, or `latest`.

    `confirm` must equal the plan's confirm_name when the plan changes or stops a live source.
    `accept_unsigned` must equal the snapshot's ref to go on despite a bad signature.
    """

    source: str
    snapshot: str
    target: Target
    host: str = ""
    confirm: str = ""
    accept_unsigned: str = ""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One thing that is touched. size in bytes where it is known."""

    what: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step in order, with the seconds it should take (None: unknown) and why so many."""

    phase: str
    title: str
    seconds: float | None = None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Everything a restore will touch, grouped; shown before it starts and kept in its journal."""

    request: RestoreRequest
    snapshot: SnapshotId
    kind: Kind
    title: str
    recoverable_to: datetime
    proven_at: datetime | None
    reads: tuple[PlanLine, ...] = ()
    changes: tuple[PlanLine, ...] = ()
    destroys: tuple[PlanLine, ...] = ()
    stops: tuple[PlanLine, ...] = ()
    unknown: tuple[PlanLine, ...] = ()
    steps: tuple[PlanStep, ...] = ()
    confirm_name: str = ""  # what must be typed; empty when nothing live is touched
    command: str = ""  # the same from the shell
    warnings: tuple[str, ...] = field(default_factory=tuple)
    blockers: tuple[str, ...] = field(default_factory=tuple)  # why it cannot start as it stands

    @property
    def seconds(self) -> float | None:
        """The whole time expected, or None when any step is unknown."""
        known = [step.seconds for step in self.steps]
        return None if None in known else sum(s for s in known if s is not None)
