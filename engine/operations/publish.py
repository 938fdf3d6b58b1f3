"""publish: gather what this host knows, and put it where Prometheus finds it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from engine.core import metrics_facts
from engine.core.errors import MentatError, MonitoringError, StoreError
from engine.core.job import Job
from engine.core.metrics import Family
from engine.core.metrics_facts import Disk, Facts
from engine.core.objectives import Posture, StorePosture
from engine.operations import kept, keys_age, posture, reports
from engine.operations.discovery import covered
from engine.operations.telling_state import LastPublish, Memory
from engine.ports import Clock, Metrics
from engine.repository import Listing, ListingFile, Repository
from engine.settings import Settings, SourceSettings, TierRetention

T = TypeVar("T")
FRESH = timedelta(minutes=15)  # a listing younger than this is not asked for again
_REPORTED = timedelta(days=400)  # how far back reports are looked at


@dataclass(frozen=True, slots=True)
class Gathering:
    """What facts are gathered from. jobs: of this host, newest first.

    forecast   by source: expected seconds of a recovery
    documents  when each runbook is to be reviewed again
    """

    settings: Settings
    repository: Callable[[], Repository]
    jobs: Sequence[Job]
    clock: Clock
    forecast: Callable[[Posture], Mapping[str, float]] = lambda _posture: {}
    documents: Callable[[], Mapping[str, date]] = dict


@dataclass(frozen=True, slots=True)
class Published:
    """problems: one line for each place that did not take the metrics; the store's silence too."""

    at: datetime
    families: tuple[Family, ...] = field(repr=False)
    places: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        return sum(len(family.samples) for family in self.families)


def publish(
    gathering: Gathering, places: Sequence[Metrics], *, refresh: bool | None = None
) -> Published:
    """Publish everywhere; what fails at one place keeps no other from being served. The outcome
    is kept for `status`. refresh as for `gather`."""
    facts, problems = gather(gathering, refresh=refresh)
    families = metrics_facts.families(facts)
    served = []
    for place in places:
        try:
            place.publish(families, gathering.settings.host)
            served.append(place.name)
        except MonitoringError as error:
            problems.append(error.message)
    done = Published(facts.now, families, tuple(served), tuple(problems))
    memory = Memory(gathering.settings.state)
    memory.keep_published(LastPublish(done.at, done.samples, done.problems))
    return done


def gather(gathering: Gathering, *, refresh: bool | None = None) -> tuple[Facts, list[str]]:
    """Everything that metrics are made from, and what could not be learnt. refresh: None asks the
    store when the kept listing is older than 15 minutes, False never."""
    settings, now = gathering.settings, gathering.clock()
    listing, store, problems = _listing(gathering, refresh, now)
    rows = listing.rows if listing else ()
    put_aside = kept.shown(settings.state)
    taken = posture.take(settings, rows, store, put_aside, now, covered(settings.state))
    memory = Memory(settings.state)
    facts = Facts(
        posture=taken,
        entries=[row for row in rows if row.committed and row.id.host == settings.host],
        history=memory.learn(gathering.jobs),
        now=now,
        retention={source.name: _limit(settings, source) for source in settings.sources},
        keep_at_least=settings.retention.minimum_snapshots,
        reports=reports.history(settings.state, since=now - _REPORTED),
        keys=keys_age.known(settings, memory, now),
        disks=_disks(settings),
        forecast=_learnt(problems, lambda: gathering.forecast(taken)),
        documents=_learnt(problems, gathering.documents),
        notify_failures=len(memory.notified().problems),
    )
    return facts, problems


def _learnt(problems: list[str], ask: Callable[[], Mapping[str, T]]) -> Mapping[str, T]:
    """The answer, or nothing and one more problem."""
    try:
        return ask()
    except MentatError as error:
        problems.append(error.message)
        return {}


def _listing(
    gathering: Gathering, refresh: bool | None, now: datetime
) -> tuple[Listing | None, StorePosture, list[str]]:
    settings = gathering.settings
    file = ListingFile(settings.state)
    listing = file.load(settings.repository.shown)
    problem = remedy = ""
    if refresh or (refresh is None and (listing is None or now - listing.at > FRESH)):
        try:
            found = gathering.repository().inventory()
            problem = "; ".join(passed.problem for passed in found.passed)
            listing = Listing(now, settings.repository.shown, tuple(found.rows))
            if not problem:  # another store's listing is not to be taken for this one's
                file.save(listing)
        except StoreError as error:
            problem, remedy = error.message, error.remedy
    store = StorePosture(
        name=settings.repository.shown,
        offsite=settings.repository.provider != "directory",
        reachable=not problem,
        problem=problem,
        remedy=remedy,
        listed_at=listing.at if listing else None,
    )
    said = [f"the store was not listed: {problem}"] if problem else []
    return listing, store, said


def _limit(settings: Settings, source: SourceSettings) -> timedelta:
    """The age from which no rule keeps a snapshot of this source any more."""
    retention = settings.retention
    tier = retention.config if source.kind == "config" else retention.offsite
    return timedelta(days=_longest(tier))


def _longest(tier: TierRetention) -> int:
    return max(tier.days, tier.daily, tier.weekly * 7, tier.monthly * 31, tier.yearly * 366)


def _disks(settings: Settings) -> list[Disk]:
    """The disks below the state, the local tier and directory stores; one that is not there is
    left out."""
    paths = [str(settings.state)]
    stores = [settings.repository, *settings.replicas, settings.local]
    paths += [s.path for s in stores if s is not None and s.provider == "directory"]
    found = []
    for path in dict.fromkeys(paths):
        try:
            seen = os.statvfs(Path(path))
        except OSError:
            continue
        blocks = seen.f_blocks - seen.f_bfree + seen.f_bavail  # what root keeps for itself is full
        found.append(Disk(path, blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize))
    return found
