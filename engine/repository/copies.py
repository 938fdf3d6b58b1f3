"""Several stores that may hold the same snapshots: which is asked first, and what became of each.

A copy in any store is as good as another when its signature and its hashes prove it, so a restore
takes what it needs from wherever it stands whole, and says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from engine.core.errors import (
    BucketMissing,
    MentatError,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreUnreachable,
)
from engine.core.snapshot import SnapshotEntry, SnapshotId
from engine.ports import ObjectStore

T = TypeVar("T")
AWAY_SECONDS = 60.0  # a store that did not answer is asked last for so long
PATIENCE_SECONDS = 10.0  # for the other stores, once one has answered


@dataclass(frozen=True, slots=True)
class Passed:
    """A store that was passed over, and why."""

    store: str
    problem: str

    @property
    def words(self) -> str:
        return f"{self.store} was passed over: {self.problem}"


class Away:
    """Which stores did not answer of late, and why. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, MentatError]] = {}

    def note(self, store: ObjectStore, error: MentatError) -> None:
        """Remember a store that is away as a whole; one missing object says nothing of that."""
        if isinstance(error, StoreUnreachable | StoreDenied | BucketMissing):
            self._known[id(store)] = (time.monotonic() + AWAY_SECONDS, error)

    def why(self, store: ObjectStore) -> MentatError | None:
        """What kept it from answering, not long ago."""
        until, error = self._known.get(id(store), (0.0, None))
        return error if until > time.monotonic() else None

    def last(self, stores: Iterable[ObjectStore]) -> list[ObjectStore]:
        """The stores in their order, but those that are away behind the others."""
        return sorted(stores, key=lambda store: self.why(store) is not None)

    def passed(self, stores: Iterable[ObjectStore]) -> list[Passed]:
        """Those that are put last, to be told like any other that is passed over."""
        known = ((store, self.why(store)) for store in stores)
        return [Passed(store.name, error.message) for store, error in known if error is not None]


def first_answer(
    stores: Sequence[ObjectStore], away: Away, ask: Callable[[ObjectStore], T]
) -> tuple[ObjectStore, T, tuple[Passed, ...]]:
    """The first store's answer that comes, and who was passed over. The first store's error when
    none answers."""
    passed = away.passed(stores)
    failure: StoreError | None = None
    for store in away.last(stores):
        try:
            answer = ask(store)
            return store, answer, tuple(p for p in passed if p.store != store.name)
        except StoreError as error:
            away.note(store, error)
            passed = [p for p in passed if p.store != store.name]
            passed.append(Passed(store.name, error.message))
            failure = error if failure is None or store is stores[0] else failure
    assert failure is not None
    raise failure


def every_answer(
    stores: Sequence[ObjectStore], away: Away, ask: Callable[[ObjectStore], T]
) -> list[tuple[ObjectStore, T | StoreError]]:
    """All stores asked at once, in their order. Those that have not answered some seconds after
    the first answer count as unreachable, so that none holds up a restore."""
    if not stores:
        return []
    answers: dict[int, T | StoreError] = {}
    answered = threading.Condition()

    def work(place: int, store: ObjectStore) -> None:
        found: T | StoreError
        try:
            found = ask(store)
        except StoreError as error:
            away.note(store, error)
            found = error
        except Exception as error:  # noqa: BLE001 - a thread must not lose it; it is raised below
            found = StoreError(f"{store.name}: {type(error).__name__}: {error}")
        with answered:
            answers[place] = found
            answered.notify_all()

    for place, store in enumerate(stores):
        threading.Thread(target=work, args=(place, store), daemon=True).start()
    with answered:
        answered.wait_for(
            lambda: (
                len(answers) == len(stores)
                or any(not isinstance(answer, StoreError) for answer in answers.values())
            )
        )
        answered.wait_for(lambda: len(answers) == len(stores), PATIENCE_SECONDS)
        found = dict(answers)
    late = StoreUnreachable("it did not answer in time", "Check the network and the endpoint.")
    return [(store, found.get(place, late)) for place, store in enumerate(stores)]


def merged(listings: Iterable[Sequence[SnapshotEntry]]) -> list[SnapshotEntry]:
    """One inventory of what several stores hold, newest first. A snapshot that is committed
    anywhere is committed; one set aside anywhere is set aside."""
    found: dict[SnapshotId, SnapshotEntry] = {}
    for rows in listings:
        for row in rows:
            known = found.get(row.id)
            found[row.id] = row if known is None else _both(known, row)
    return sorted(
        found.values(), key=lambda r: (r.id.at, r.id.host, r.id.source, r.id.id), reverse=True
    )


def _both(one: SnapshotEntry, other: SnapshotEntry) -> SnapshotEntry:
    whole = other if other.committed and not one.committed else one
    proofs = [at for at in (one.proven_at, other.proven_at) if at is not None]
    return replace(
        whole,
        signed=one.signed or other.signed,
        aside=one.aside or other.aside,
        base=one.base or other.base,
        proven_at=max(proofs, default=None),
    )


def worst_of(failures: Sequence[StoreError]) -> StoreError:
    """The error to tell when no store could serve: a missing object last, since a store that is
    away may have it."""
    return next((e for e in failures if not isinstance(e, ObjectMissing)), failures[0])
