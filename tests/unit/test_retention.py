"""Retention: the rules one by one, then a year of a fleet with everything that goes wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.core.chains import Links
from engine.core.pruning import failing, removal_order
from engine.core.report import Report
from engine.core.report import failed as failed_check
from engine.core.retention import Circumstances, Decision, Policy, Rules, decide
from engine.core.snapshot import Method, SnapshotEntry, SnapshotId
from engine.repository import choose

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = Rules(Policy(days=30), Policy(days=90), minimum=3)


def row(
    age: float,
    method: Method = "full",
    *,
    source: str = "uploads",
    base: SnapshotEntry | None = None,
    proven: bool = False,
    aside: bool = False,
    signed: bool = True,
    committed: bool = True,
) -> SnapshotEntry:
    """A snapshot of that age in days."""
    at = NOW - age * DAY
    ident = SnapshotId("landsraad", source, at, method, f"{abs(hash((age, method))) % 2**32:08x}")
    return SnapshotEntry(
        ident, 10, committed, signed, NOW if proven else None, aside, base.id.ref if base else ""
    )


def around(**changes: object) -> Circumstances:
    kinds = {("landsraad", "uploads"): "volume", ("landsraad", "etc"): "config"}
    return replace(Circumstances(NOW, kinds), **changes)  # type: ignore[arg-type]


def kept(decision: Decision) -> set[SnapshotId]:
    return {v.snapshot for v in decision.verdicts if v.keep}


def why(decision: Decision, entry: SnapshotEntry) -> str:
    return "; ".join(next(v.reasons for v in decision.verdicts if v.snapshot == entry.id))


def test_days_are_by_kind_and_each_verdict_says_why() -> None:
    rows = [row(age) for age in range(100)] + [row(age, source="etc") for age in range(100)]
    decision = decide(rows, RULES, around())
    assert len(kept(decision)) == 31 + 91
    assert why(decision, rows[30]) == "of the last 30 days"
    assert why(decision, rows[31]) == "31 days older than the newest, past 30 days"
    assert "number 3 of the 3 never removed" in why(decision, rows[2])
    assert all(v.reasons for v in decision.verdicts)


def test_what_kind_a_source_is_may_not_be_known() -> None:
    rows = [row(age, source="who") for age in range(100)]
    assert len(kept(decide(rows, RULES, around()))) == 91


def test_counts_keep_the_newest_of_each_period() -> None:
    rows = [row(age / 2) for age in range(2 * 800)]
    rules = Rules(Policy(daily=7, weekly=4, monthly=12, yearly=2), minimum=1)
    decision = decide(rows, rules, around())
    found = sorted((s.at for s in kept(decision)), reverse=True)
    days = {at.date() for at in found if NOW - at < 7 * DAY}
    assert len(days) == 7
    assert datetime(2025, 12, 31, 12, tzinfo=UTC) in found, "the newest of 2025"
    months = {(at.year, at.month) for at in found}
    assert len(months) == 12, "December 2025 is the last of twelve months, and of the year"
    assert len(found) <= 7 + 4 + 12 + 2
    assert "daily 1 of 7" in why(decision, rows[0]) and "yearly 1 of 2" in why(decision, rows[0])


def test_a_source_that_fell_silent_loses_nothing_to_the_clock() -> None:
    rows = [row(400 + age) for age in range(20)]
    assert len(kept(decide(rows, RULES, around()))) == 20


def test_never_below_the_minimum_of_usable_ones() -> None:
    good = [row(40 * n) for n in range(5)]
    noise = [row(n / 10, aside=True) for n in range(1, 5)]
    noise += [row(n / 10 + 0.01, signed=False) for n in range(1, 5)]
    noise += [row(n / 10 + 0.02, committed=False) for n in range(1, 5)]
    assert {r.id for r in good[:3]} <= kept(decide([*good, *noise], RULES, around()))
    assert good[3].id not in kept(decide([*good, *noise], RULES, around()))


def test_never_the_newest_verified_one() -> None:
    rows = [row(0), row(1), row(2), row(50), row(60, proven=True), row(70, proven=True)]
    decision = decide(rows, RULES, around())
    assert rows[4].id in kept(decision) and rows[5].id not in kept(decision)
    assert "verified" in why(decision, rows[4])


def test_never_what_a_kept_one_builds_on() -> None:
    full = row(45)
    first = row(40, "incremental", base=full)
    second = row(29, "incremental", base=first)
    new = [row(0), row(1), row(2)]
    decision = decide([full, first, second, *new], RULES, around())
    assert len(kept(decision)) == 6
    assert why(decision, full) == f"{second.id.ref} builds on it"


def test_an_incremental_without_its_base_does_not_count_as_a_recovery_point() -> None:
    lost = row(80)
    orphan = row(0, "incremental", base=lost)
    old = [row(40 + n) for n in range(4)]
    decision = decide([orphan, *old], RULES, around())
    assert {r.id for r in old[:3]} <= kept(decision)


def test_an_incremental_that_names_no_base_keeps_all_before_it() -> None:
    unknown = row(20, "incremental")
    old = [row(100 + n) for n in range(4)]
    new = [row(0), row(1), row(2)]
    decision = decide([*new, unknown, *old], RULES, around())
    assert {r.id for r in old} <= kept(decision)
    assert "names no base" in why(decision, old[0])


def test_nothing_goes_while_a_clock_looks_wrong() -> None:
    rows = [row(age) for age in range(60)]
    future = row(-3)
    assert len(kept(decide([*rows, future], RULES, around()))) == 61
    told = decide([*rows, future], RULES, around(despite=frozenset({"clock"})))
    assert future.id in kept(told) and len(kept(told)) == 32
    wrong = decide(rows, RULES, around(wrong=("the store's clock is another",)))
    assert len(kept(wrong)) == 60 and wrong.refusals


def test_nothing_goes_while_snapshots_are_missing_from_the_listing() -> None:
    rows = [row(age) for age in range(60)]
    there = [r for r in rows if r is not rows[10]]
    decision = decide(there, RULES, around(expected=rows))
    assert "1 snapshots that should be there are not" in decision.refusals[0]
    assert not decision.removed
    assert decide(there, RULES, around(expected=rows, despite=frozenset({"missing"}))).removed
    assert not decide([], RULES, around(expected=rows)).removed
    pruned_elsewhere = [r for r in rows if r is not rows[50]]
    assert decide(pruned_elsewhere, RULES, around(expected=rows)).removed


def test_nothing_of_a_source_goes_while_its_verification_fails() -> None:
    rows = [row(age) for age in range(60)] + [row(age, source="etc") for age in range(120)]
    failures = {("landsraad", "uploads"): "bytes differ"}
    decision = decide(rows, RULES, around(failing=failures))
    assert {v.snapshot.source for v in decision.removed} == {"etc"}
    assert why(decision, rows[59]) == "verification of this source fails: bytes differ"


def test_locked_and_used_ones_stay() -> None:
    rows = [row(age) for age in range(60)]
    locked = decide(rows, replace(RULES, lock_days=45), around())
    assert len(kept(locked)) == 45
    used = decide(rows, RULES, around(in_use={rows[50].id: "job x restores it now"}))
    assert rows[50].id in kept(used)


def test_what_verification_counts_as_failing() -> None:
    def report(kind: str, age: int, name: str, source: str) -> Report:
        check = failed_check(name, source, "it is bad", "mend it")
        return Report(kind, "id", "landsraad", NOW - age * DAY, NOW, (check,))  # type: ignore[arg-type]

    assert failing([report("verify-offsite", 0, "objects", "etc")], ["etc", "db"]).keys() == {"etc"}
    assert failing([report("verify-offsite", 0, "listing", "")], ["etc", "db"]).keys() == {
        "etc",
        "db",
    }
    assert not failing([report("verify-local", 0, "disk-space", "")], ["etc"])
    mended = Report("verify-offsite", "id", "landsraad", NOW, NOW, ())
    assert not failing([mended, report("verify-offsite", 1, "objects", "etc")], ["etc"])


class TestLatest:
    def test_is_not_of_the_future(self) -> None:
        rows = [row(-300), row(1), row(2)]
        assert choose(rows, "latest", "uploads", NOW) is rows[1]
        assert choose(rows[:1], "latest", "uploads", NOW) is rows[0], "better than nothing"
        assert choose(rows, rows[0].id.ref, "uploads", NOW) is rows[0]

    def test_lacks_nothing_that_it_builds_on(self) -> None:
        full = row(3)
        rows = [row(0, "incremental", base=row(9)), row(1, "incremental", base=full), full]
        assert choose(rows, "latest", "uploads", NOW) is rows[1]


# ---------------------------------------------------------------- a year of a fleet


class Fleet:
    """Sources whose backups, proofs, clocks and prunes go wrong now and then, in a store of rows.
    Whatever a prune removes is held against what the rules mean, said in other words than the
    core's."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.rows: dict[SnapshotId, SnapshotEntry] = {}
        self.bases: dict[SnapshotId, SnapshotId] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.ever: dict[str, int] = {}
        self.records: dict[int, list[SnapshotEntry]] = {}
        self.removed = 0
        policy = Policy(dice.choice([0, 7, 30]), dice.choice([0, 5]), monthly=dice.choice([0, 3]))
        if policy == Policy():
            policy = Policy(days=14)
        self.rules = Rules(policy, dice.choice([None, Policy(days=40)]), dice.randint(1, 4))
        self.kinds = {("h", "db"): "database", ("h", "up"): "volume", ("h", "etc"): "config"}

    def of(self, source: str) -> list[SnapshotEntry]:
        own = [r for r in self.rows.values() if r.id.source == source]
        return sorted(own, key=lambda r: r.id, reverse=True)

    def usable(self, rows: Sequence[SnapshotEntry], now: datetime) -> list[SnapshotEntry]:
        links = Links(rows)
        return [r for r in rows if links.whole(r.id) and r.id.at <= now + timedelta(minutes=5)]

    def backup(self, source: str, clock: datetime) -> None:
        if self.dice.random() < 0.1:
            return
        own = self.usable(self.of(source), clock)
        method: Method = "logical" if source == "db" else "full"
        base = ""
        if source != "db" and own and self.dice.random() < 0.7:
            method, base = "incremental", own[0].id.ref
        ident = SnapshotId("h", source, clock, method, f"{self.dice.getrandbits(32):08x}")
        self.rows[ident] = SnapshotEntry(ident, 10, True, True, base=base)
        if base:
            self.bases[ident] = own[0].id
        self.ever[source] = self.ever.get(source, 0) + 1

    def prove(self, source: str) -> None:
        if own := self.of(source):
            chosen = self.dice.choice(own[:20])
            self.rows[chosen.id] = replace(chosen, proven_at=self.now)

    def prune(self, number: int, clock: datetime) -> None:
        """One pruner's turn, from a listing that may be old or short, ended anywhere."""
        listed = list(self.rows.values())
        if self.dice.random() < 0.1:
            listed = self.dice.sample(listed, len(listed) // 2)
        if self.dice.random() < 0.2:  # a backup that comes after the listing
            self.backup(self.dice.choice(["db", "up", "etc"]), clock)
        decision = decide(
            listed,
            self.rules,
            Circumstances(clock, self.kinds, expected=self.records.get(number, ())),  # type: ignore[arg-type]
        )
        order = removal_order(decision.removed, listed)
        if self.dice.random() < 0.3:
            order = order[: self.dice.randint(0, len(order))]
        for snapshot in order:
            if snapshot in self.rows:
                self.judge(snapshot, clock)
                del self.rows[snapshot]
                self.removed += 1
                self.check_chains()
        if not decision.refusals:
            gone = set(order)
            self.records[number] = [r for r in listed if r.id not in gone]

    def judge(self, snapshot: SnapshotId, clock: datetime) -> None:
        """This one may go: said from the store as it truly is, not from the listing."""
        own = self.of(snapshot.source)
        points = self.usable(own, clock)
        newest = points[: max(1, self.rules.minimum)]
        assert snapshot not in [r.id for r in newest]
        proven = [r for r in points if r.proven_at]
        assert not proven or proven[0].id != snapshot
        config = self.rules.config if snapshot.source == "etc" else None
        days = (config or self.rules.policy).days
        assert not days or points[0].id.at - snapshot.at > timedelta(days=days)

    def check_chains(self) -> None:
        for snapshot, base in self.bases.items():
            assert snapshot not in self.rows or base in self.rows, "an orphan"

    def check_minimum(self) -> None:
        for source, made in self.ever.items():
            assert len(self.of(source)) >= min(made, self.rules.minimum)


SEEDS = [Phase.explicit, Phase.generate]  # a smaller seed is no simpler one


@settings(
    max_examples=8,
    deadline=None,
    phases=SEEDS,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(seed=st.integers(0, 2**32))
def test_a_year_of_a_fleet(seed: int) -> None:
    year(seed)


@pytest.mark.full
@settings(max_examples=150, deadline=None, phases=SEEDS, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_many_years_of_fleets(seed: int) -> None:
    year(seed)


def year(seed: int) -> None:
    dice = random.Random(seed)
    fleet = Fleet(dice)
    step = timedelta()
    for _ in range(365):
        fleet.now += DAY
        if dice.random() < 0.02:
            step = timedelta(hours=dice.choice([-2000, -30, -1, 0, 0, 0, 1, 30, 2000]))
        if dice.random() < 0.2:
            step = timedelta()
        clock = fleet.now + step
        for source in ("db", "up", "etc"):
            fleet.backup(source, clock + timedelta(minutes=dice.randint(0, 600)))
        if dice.random() < 0.3:
            fleet.prove(dice.choice(["db", "up", "etc"]))
        for number in range(2):
            if dice.random() < 0.25:
                fleet.prune(number, clock + timedelta(hours=11))
        fleet.check_minimum()
    fleet.check_chains()
