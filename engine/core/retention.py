"""Retention: which snapshots stay, each with its reasons. The listing comes in, verdicts go out.

Ages are counted back from the newest snapshot of a source, not from the clock, as restic's
keep-within does: a source that fell silent, or a clock that leapt ahead, costs no snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.core import chains
from engine.core.snapshot import Kind, SnapshotEntry, SnapshotId

CLOCKS = timedelta(minutes=5)  # how far two clocks may differ

Source = tuple[str, str]  # host, source
_BASE = " builds on it"


@dataclass(frozen=True, slots=True)
class Policy:
    """How long: everything of the newest `days`, and the newest of each of so many days, weeks
    (Monday to Sunday), months and years that have any. Times are UTC; 0 keeps none."""

    days: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The retention of one tier. `config` is for sources of that kind (None: as the others);
    `minimum` usable snapshots of each source stay in any case; with Object Lock, none goes
    before it is `lock_days` old."""

    policy: Policy
    config: Policy | None = None
    minimum: int = 3
    lock_days: int = 0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known beside the listing.

    kinds      of each source; where it is not known, what any kind's policy keeps stays
    failing    sources whose verification fails now, and how
    in_use     snapshots that something reads now, and what
    wrong      why nothing at all may be removed now (a clock that disagrees with the store's)
    expected   what the last run left; kept snapshots of it that are gone stop everything
    despite    objections the operator overrules: `clock`, `missing`, `failing`
    """

    now: datetime
    kinds: Mapping[Source, Kind] = field(default_factory=dict)
    failing: Mapping[Source, str] = field(default_factory=dict)
    in_use: Mapping[SnapshotId, str] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    expected: Sequence[SnapshotEntry] = ()
    despite: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a snapshot stays, and why; at least one reason either way."""

    snapshot: SnapshotId
    keep: bool
    reasons: tuple[str, ...]
    stored_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdicts on one tier, newest first; `refusals` say why nothing may be removed now."""

    verdicts: tuple[Verdict, ...]
    refusals: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[Verdict, ...]:
        return tuple(v for v in self.verdicts if not v.keep)


def decide(rows: Iterable[SnapshotEntry], rules: Rules, now: Circumstances) -> Decision:
    """Judge every committed snapshot of a listing.

    What stays whatever the policy says: the newest `minimum` usable ones of a source, its newest
    verified one, all that one of them builds on, what is in use or locked. A source is left as
    it is while one of its snapshots lies in the future or its verification fails; all are, when
    the clock is wrong or snapshots that should be there are not."""
    committed = [row for row in rows if row.committed]
    judged = _judge(committed, rules, now)
    refusals = () if "clock" in now.despite else now.wrong
    gone = () if "missing" in now.despite else missing(committed, rules, now)
    if gone:
        some = ", ".join(f"{s.host}/{s.source} {s.ref}" for s in gone[:3])
        refusals += (f"{len(gone)} snapshots that should be there are not in the listing: {some}",)
    if refusals:
        held = tuple(f"nothing is removed now: {why}" for why in refusals)
        judged = [v if v.keep else replace(v, keep=True, reasons=held) for v in judged]
    judged.sort(key=lambda v: (v.snapshot.at, v.snapshot), reverse=True)
    return Decision(tuple(judged), refusals)


def missing(
    rows: Sequence[SnapshotEntry], rules: Rules, now: Circumstances
) -> tuple[SnapshotId, ...]:
    """Snapshots of the last run that the rules keep to this day and that are not there now."""
    there = {row.id for row in rows}
    lost = [row for row in now.expected if row.committed and row.id not in there]
    if not lost:
        return ()
    kept = {v.snapshot for v in _judge([*rows, *lost], rules, now) if v.keep}
    return tuple(row.id for row in lost if row.id in kept)


def _judge(rows: Sequence[SnapshotEntry], rules: Rules, now: Circumstances) -> list[Verdict]:
    sources: dict[Source, list[SnapshotEntry]] = {}
    for row in rows:
        sources.setdefault((row.id.host, row.id.source), []).append(row)
    verdicts: list[Verdict] = []
    for source, own in sources.items():
        own.sort(key=lambda row: row.id, reverse=True)
        verdicts += _OfSource(source, own, rules, now).verdicts()
    return verdicts


class _OfSource:
    """One source's snapshots, newest first, and the reasons found to keep each."""

    def __init__(
        self, source: Source, rows: list[SnapshotEntry], rules: Rules, now: Circumstances
    ) -> None:
        self._source, self._rows, self._rules, self._now = source, rows, rules, now
        self._reasons: dict[SnapshotId, list[str]] = {row.id: [] for row in rows}
        self._links = chains.Links(rows)
        self._past = [row for row in rows if row.id.at <= now.now + CLOCKS]
        # What counts as a recovery point: whole, signed, and not what a restore put aside.
        self._usable = [
            row for row in self._past if row.signed and not row.aside and self._links.whole(row.id)
        ]

    def verdicts(self) -> list[Verdict]:
        self._by_policy()
        self._by_minimum()
        self._by_safety()
        self._by_chain()
        objection = self._objection()
        return [self._verdict(row, objection) for row in self._rows]

    def _verdict(self, row: SnapshotEntry, objection: str) -> Verdict:
        reasons = self._reasons[row.id]
        if reasons:
            return Verdict(row.id, True, tuple(dict.fromkeys(reasons)), row.stored_bytes)
        if objection:
            return Verdict(row.id, True, (objection,), row.stored_bytes)
        return Verdict(row.id, False, (self._why_not(row),), row.stored_bytes)

    def _keep(self, row: SnapshotEntry, reason: str) -> None:
        self._reasons[row.id].append(reason)

    def _policies(self) -> list[Policy]:
        kind = self._now.kinds.get(self._source)
        if self._rules.config is None:
            return [self._rules.policy]
        if kind is None:
            return [self._rules.policy, self._rules.config]
        return [self._rules.config if kind == "config" else self._rules.policy]

    def _anchor(self) -> datetime:
        newest = self._usable or self._past
        return newest[0].id.at if newest else self._now.now

    def _by_policy(self) -> None:
        for policy in self._policies():
            for row in self._past:
                if self._anchor() - row.id.at <= timedelta(days=policy.days) and policy.days:
                    self._keep(row, f"of the last {policy.days} days")
            for name, count, period in _periods(policy):
                self._by_period(name, count, period)

    def _by_period(self, name: str, count: int, period: Callable[[datetime], object]) -> None:
        met: list[object] = []
        for row in self._usable:
            if len(met) >= count:
                return
            if period(row.id.at) not in met:
                met.append(period(row.id.at))
                self._keep(row, f"{name} {len(met)} of {count}")

    def _by_minimum(self) -> None:
        """A listing may lack a signature or a base that is there: what looks unusable goes only
        when enough usable ones are newer."""
        least = max(1, self._rules.minimum)
        for number, row in enumerate(self._usable[:least], 1):
            self._keep(row, f"number {number} of the {least} never removed")
        since = self._usable[least - 1].id.at if len(self._usable) >= least else None
        usable = {row.id for row in self._usable}
        for row in self._past:
            if row.id not in usable and (since is None or row.id.at >= since):
                self._keep(row, f"fewer than {least} usable ones are newer")

    def _by_safety(self) -> None:
        for rows, what in ((self._usable, "verified"), (self._past, "proven")):
            proven = next((row for row in rows if row.proven_at is not None), None)
            if proven is not None:
                self._keep(proven, f"the newest {what} recovery point")
        for row in self._rows:
            if row.id in self._now.in_use:
                self._keep(row, self._now.in_use[row.id])
            if row.id.at > self._now.now + CLOCKS:
                self._keep(row, "dated in the future")
            free = row.id.at + timedelta(days=self._rules.lock_days)
            if self._rules.lock_days and free > self._now.now:
                self._keep(row, f"locked until {free:%Y-%m-%d %H:%M} UTC")

    def _by_chain(self) -> None:
        """Keep what kept ones build on; all that is older, where that is not known."""
        for row in self._rows:
            if not self._reasons[row.id]:
                continue
            for below in self._links.below(row.id):
                if not any(reason.endswith(_BASE) for reason in self._reasons[below.id]):
                    self._keep(below, f"{row.id.ref}{_BASE}")
            last = (row, *self._links.below(row.id))[-1]
            if last.id.method == "incremental" and chains.base_of(last) is None:
                for other in self._rows:
                    if other.id.at <= last.id.at and other.id != last.id:
                        self._keep(other, f"{last.id.ref} may build on it: it names no base")

    def _objection(self) -> str:
        future = len(self._rows) - len(self._past)
        if future and "clock" not in self._now.despite:
            return f"{future} snapshots of this source lie in the future: a clock is or was wrong"
        if self._source in self._now.failing and "failing" not in self._now.despite:
            return f"verification of this source fails: {self._now.failing[self._source]}"
        return ""

    def _why_not(self, row: SnapshotEntry) -> str:
        days = max((policy.days for policy in self._policies()), default=0)
        age = self._anchor() - row.id.at
        older = f"{age.days} days older than the newest"
        return f"{older}, past {days} days" if days else f"{older}, in no period kept"


def _periods(policy: Policy) -> list[tuple[str, int, Callable[[datetime], object]]]:
    return [
        ("daily", policy.daily, lambda at: at.date()),
        ("weekly", policy.weekly, lambda at: at.isocalendar()[:2]),
        ("monthly", policy.monthly, lambda at: (at.year, at.month)),
        ("yearly", policy.yearly, lambda at: at.year),
    ]
