"""Restores before they happen: what is asked, and the plan of what will be touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
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
class Until:
    """The moment to which binary logs are replayed after a snapshot. One of:

    at           all that was committed up to then
    last         all that was shipped
    gtid         that transaction is the last one
    before_gtid  that transaction is the first one left out
    before       the statement to stop before, `DROP TABLE shop.orders`; a plan finds its place
    file         with `position` (and `chain`, once planned): the first byte left out
    """

    at: datetime | None = None
    last: bool = False
    gtid: str = ""
    before_gtid: str = ""
    before: str = ""
    chain: str = ""
    file: str = ""
    position: int = 0

    def __str__(self) -> str:
        if self.at is not None:
            text = self.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
            return f"{text} UTC"
        if self.last:
            return "the end of the shipped logs"
        if self.gtid:
            return f"transaction {self.gtid}"
        if self.before_gtid:
            return f"just before transaction {self.before_gtid}"
        words = f"just before {self.before}" if self.before else "just before"
        return f"{words} {self.file}:{self.position}" if self.file else words


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What the operator asks for. `snapshot` is a ref, a unique start of an id, or `latest`.

    `confirm` must equal the plan's confirm_name when the plan changes or stops a live source.
    `accept_unsigned` must equal the snapshot's ref to go on despite a bad signature.
    `schemas` and `tables` (schema, table) choose parts of a logical snapshot; none: all of it.
    """

    source: str
    snapshot: str
    target: Target
    host: str = ""
    confirm: str = ""
    accept_unsigned: str = ""
    schemas: tuple[str, ...] = ()
    tables: tuple[tuple[str, str], ...] = ()
    until: Until | None = None  # databases: replay shipped binary logs up to there

    @property
    def parts(self) -> tuple[str, ...]:
        """The chosen parts as people write them; empty for all."""
        return (*self.schemas, *(f"{schema}.{table}" for schema, table in self.tables))


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
