"""The clocks of an incident: elapsed against the target, each step against what it should take,
the projected finish, and when the target will be missed. Pure: the time is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.incident import Incident
from engine.core.runbook import Step


@dataclass(frozen=True, slots=True)
class Clock:
    """elapsed    since the declaration, to the recovery or to now
    rto        the target (its far end where it is a range); None: there is none
    left       of the target; negative once it is missed
    projected  when the recovery should be done; None when done, or when nothing is known
    deadline   when the target is missed
    missed     it is missed already, or will be by the projection
    lost       RPO reached: the time between recovery point and outage; None: not known yet
    unknown    steps to come whose duration nobody knows: the projection leaves them out
    """

    elapsed: timedelta
    rto: timedelta | None
    left: timedelta | None
    projected: datetime | None
    deadline: datetime | None
    missed: bool
    rpo: timedelta | None
    lost: timedelta | None
    unknown: tuple[str, ...] = ()

    @property
    def part(self) -> float | None:
        """How much of the target is used, 0 to 1."""
        if not self.rto:
            return None
        return min(1.0, max(0.0, self.elapsed / self.rto))


def clock(
    incident: Incident, now: datetime, measured: Mapping[str, timedelta] | None = None
) -> Clock:
    """`measured` are durations of steps in earlier incidents: they count before `expected`."""
    measured = measured or {}
    end = incident.ended_at
    rto = incident.runbook.rto_most or incident.runbook.rto
    deadline = incident.declared + rto if rto else None
    elapsed = max((end or now) - incident.declared, timedelta())
    projected, unknown = (None, ()) if end else projection(incident, now, measured)
    last = end or projected or now
    return Clock(
        elapsed=elapsed,
        rto=rto,
        left=rto - elapsed if rto else None,
        projected=projected,
        deadline=deadline,
        missed=deadline is not None and max(last, end or now) > deadline,
        rpo=incident.runbook.rpo,
        lost=lost(incident),
        unknown=unknown,
    )


def projection(
    incident: Incident, now: datetime, measured: Mapping[str, timedelta]
) -> tuple[datetime | None, tuple[str, ...]]:
    """When everything before the close should be settled, one step after the other and along the
    longest way of an open decision, and the steps that nobody knows the duration of."""
    left, unknown = timedelta(), []
    ways: dict[str, dict[str, timedelta]] = {}  # by open decision, by answer
    for step in incident.runbook.steps:
        if step.phase == "close" or incident.settled(step):
            continue
        span = duration(step, measured)
        if span is None:
            if step.kind != "decision":
                unknown.append(step.id)
            continue
        progress = incident.of(step)
        if progress.state == "running" and progress.began is not None:
            span = max(span - (now - progress.began), timedelta())
        if step.when is not None and not incident.answer(step.when[0]):
            sums = ways.setdefault(step.when[0], {})
            for answer in step.when[1]:
                sums[answer] = sums.get(answer, timedelta()) + span
        else:
            left += span
    left += sum((max(sums.values()) for sums in ways.values()), timedelta())
    return now + left, tuple(unknown)


def duration(step: Step, measured: Mapping[str, timedelta]) -> timedelta | None:
    """What the step should take: as measured before, else as the runbook says."""
    return measured.get(step.id, step.expected)


def took(incident: Incident, step: Step, now: datetime) -> timedelta | None:
    """How long the step took, or takes so far."""
    progress = incident.of(step)
    if progress.began is None or progress.state == "reversed":
        return None
    end = now if progress.state in ("running", "reversing") else progress.ended or now
    return max(end - progress.began, timedelta())


def overdue(
    incident: Incident, step: Step, now: datetime, measured: Mapping[str, timedelta]
) -> bool:
    """Whether a running step takes longer than it should."""
    span, so_far = duration(step, measured), took(incident, step, now)
    running = incident.of(step).state == "running"
    return running and span is not None and so_far is not None and so_far > span


def lost(incident: Incident) -> timedelta | None:
    """What was lost: from the recovery point that was restored to the outage."""
    reached: datetime | None = None
    for step in incident.runbook.steps:
        point = incident.of(step).facts.get("recoverable_to")
        if incident.of(step).state == "done" and isinstance(point, str):
            reached = _moment(point) or reached
    return max(incident.began - reached, timedelta()) if reached else None


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else None


def history(past: list[Incident]) -> dict[str, timedelta]:
    """The newest measured duration of each step; `past` are incidents of one runbook, oldest
    first, drills and real ones alike."""
    found: dict[str, timedelta] = {}
    for incident in past:
        for step in incident.runbook.steps:
            progress = incident.of(step)
            if progress.state == "done" and progress.began and progress.ended:
                span = progress.ended - progress.began
                if span > timedelta(seconds=1):  # acknowledged at once: nothing was measured
                    found[step.id] = span
    return found
