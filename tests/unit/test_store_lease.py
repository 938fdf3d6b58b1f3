"""The lease in the store: one holder among all hosts, whatever becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.adapters.local_store import LocalStore
from engine.core.errors import HeldError
from engine.repository.lease import LIFETIME, SKEW, StoreHolder, StoreLease

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path, "store")


def holder(host: str = "landsraad", pid: int = 1) -> StoreHolder:
    return StoreHolder(host, "root", f"job-{host}", "replicate", pid)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def test_a_second_one_is_told_who_holds_it_and_gets_it_after_release(store: LocalStore) -> None:
    with StoreLease.acquire(store, "work", holder(), at(NOW)):
        with pytest.raises(HeldError, match=r"job-landsraad of root on landsraad, pid 1"):
            StoreLease.acquire(store, "work", holder("mentat"), at(NOW))
        StoreLease.acquire(store, "other", holder("mentat"), at(NOW)).release()
    with StoreLease.acquire(store, "work", holder("mentat"), at(NOW)) as lease:
        lease.check()


def test_a_holder_known_to_be_dead_is_followed_at_once(store: LocalStore) -> None:
    StoreLease.acquire(store, "work", holder(pid=7), at(NOW))
    with pytest.raises(HeldError):
        StoreLease.acquire(store, "work", holder(), at(NOW), lambda known: known.pid == 8)
    lease = StoreLease.acquire(store, "work", holder(), at(NOW), lambda known: known.pid == 7)
    lease.release()


def test_it_runs_out_only_after_both_clocks_agree(store: LocalStore) -> None:
    StoreLease.acquire(store, "work", holder(), at(NOW))
    with pytest.raises(HeldError):
        StoreLease.acquire(store, "work", holder("mentat"), at(NOW + LIFETIME + SKEW))
    later = at(NOW + LIFETIME + SKEW + timedelta(seconds=1))
    StoreLease.acquire(store, "work", holder("mentat"), later).release()


def test_a_holder_that_slept_too_long_learns_that_it_lost_it(store: LocalStore) -> None:
    times = [NOW]
    lease = StoreLease.acquire(store, "work", holder(), lambda: times[0])
    lease.check()
    times[0] = NOW + LIFETIME + SKEW + timedelta(minutes=1)
    follower = StoreLease.acquire(store, "work", holder("mentat"), lambda: times[0])
    with pytest.raises(HeldError, match="mentat"):
        lease.check()
    lease.release()  # must not give back what is another's
    with pytest.raises(HeldError):
        StoreLease.acquire(store, "work", holder("third"), lambda: times[0])
    follower.check()
    follower.release()


def test_of_many_that_race_one_wins_each_time(store: LocalStore) -> None:
    for _ in range(5):
        won: list[StoreLease] = []
        lost: list[HeldError] = []
        start = threading.Barrier(8)

        def race(number: int, won=won, lost=lost, start=start) -> None:  # type: ignore[no-untyped-def]
            start.wait()
            try:
                won.append(StoreLease.acquire(store, "work", holder(f"h{number}"), at(NOW)))
            except HeldError as error:
                lost.append(error)

        threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 7)
        won[0].release()
    assert len(list(store.list("lease/work/"))) == 1, "former numbers are removed"
