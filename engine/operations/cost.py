"""cost: the listings held against the price table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core import cost, cost_forecast
from engine.core.cost import Prices, Provider, Stored, Usage
from engine.core.cost_report import CostReport, Forecast, StoreCost, StoredGroup
from engine.core.retention import Policy, Rules
from engine.core.snapshot import Kind, SnapshotEntry
from engine.settings import Settings, StoreSettings, TierRetention

HORIZONS = (30, 90, 365)  # days
_MONTH = timedelta(days=30)
_OBJECTS = 4  # of a snapshot, on average: an artifact or two, the manifest, its signature
_OLD = timedelta(days=180)  # a price table older than this is said to be old


@dataclass(frozen=True, slots=True)
class Holding:
    """One store and what its kept listing shows, newest first. None: it was never listed."""

    tier: str
    settings: StoreSettings
    rows: Sequence[SnapshotEntry] | None


def report(
    settings: Settings, prices: Prices, holdings: Sequence[Holding], now: datetime
) -> CostReport:
    """The report over all hosts that the listings show."""
    notes = [f"{h.settings.shown} was never listed" for h in holdings if h.rows is None]
    if now.date() - prices.dated > _OLD:
        notes.append(f"the prices are of {prices.dated}: put newer ones into prices.toml")
    known = [holding for holding in holdings if holding.rows]
    stores, groups = [], []
    for holding in known:
        groups += _groups(settings, holding)
        stores.append(_store(settings, prices, holding, now))
    primary = next((h for h in known if h.tier == "primary"), None)
    compared: tuple[cost.Month, ...] = ()
    read = 0
    if primary is not None and primary.rows is not None:
        usage = _usage(settings, prices, primary, primary.rows, now)
        compared, read = cost.compare(prices, usage), usage.read_bytes
    return CostReport(
        dated=prices.dated,
        currency=prices.currency,
        groups=tuple(groups),
        stores=tuple(stores),
        forecast=tuple(_forecast(settings, prices, known, now, days) for days in HORIZONS),
        compared=compared,
        read_bytes=read,
        notes=tuple(notes),
    )


def provider_of(prices: Prices, settings: StoreSettings) -> Provider:
    return prices.providers.get(settings.provider) or prices.providers["custom"]


def kind_of(settings: Settings, row: SnapshotEntry) -> Kind | None:
    """From the method, or from this host's configuration; another host's tree is not told."""
    if row.id.method in ("logical", "physical"):
        return "database"
    if row.id.host != settings.host:
        return None
    return next((s.kind for s in settings.sources if s.name == row.id.source), None)


def _groups(settings: Settings, holding: Holding) -> list[StoredGroup]:
    found: dict[tuple[str, str], list[SnapshotEntry]] = {}
    for row in holding.rows or ():
        found.setdefault((row.id.host, kind_of(settings, row) or "unknown"), []).append(row)
    return [
        StoredGroup(
            holding.tier,
            holding.settings.shown,
            host,
            kind,
            "STANDARD",
            sum(row.stored_bytes for row in rows),
            len(rows),
            _OBJECTS * len(rows),
        )
        for (host, kind), rows in sorted(found.items())
    ]


def _usage(
    settings: Settings,
    prices: Prices,
    holding: Holding,
    rows: Sequence[SnapshotEntry],
    now: datetime,
) -> Usage:
    """A month like the last one. Read are a share of all by verification (offsite tiers) and the
    newest snapshot of every source once, for a drill."""
    stored = sum(row.stored_bytes for row in rows)
    recent = [row.stored_bytes for row in rows if now - row.id.at <= _MONTH]
    read = sum(_newest(rows).values())
    if holding.tier == "primary":
        read += round(stored * (_MONTH / settings.verify.cover))
    elif holding.tier == "local":
        read = 0
    ages = [(now - row.id.at) / timedelta(days=1) for row in rows]
    return Usage(
        {provider_of(prices, holding.settings).default_class: Stored(stored, _OBJECTS * len(rows))},
        puts=cost.requests_of(recent),
        gets=-(-read // cost.PART_BYTES) + len(recent),
        read_bytes=read,
        mean_days=max(1.0, max(ages, default=1.0)),
    )


def _newest(rows: Iterable[SnapshotEntry]) -> Mapping[tuple[str, str], int]:
    """Bytes of the newest committed snapshot of each source."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.committed and not row.aside:
            found.setdefault((row.id.host, row.id.source), row.stored_bytes)
    return found


def _store(settings: Settings, prices: Prices, holding: Holding, now: datetime) -> StoreCost:
    rows = holding.rows or ()
    provider = provider_of(prices, holding.settings)
    usage = _usage(settings, prices, holding, rows, now)
    newest = sum(_newest(rows).values())
    return StoreCost(
        holding.tier,
        holding.settings.shown,
        usage.bytes,
        cost.month(provider, usage),
        cost.restore(provider, {provider.default_class: newest}, usage.bytes),
    )


def _forecast(
    settings: Settings, prices: Prices, holdings: Sequence[Holding], now: datetime, days: int
) -> Forecast:
    whole, total = 0, 0.0
    for holding in holdings:
        rows = holding.rows or ()
        usage = _usage(settings, prices, holding, rows, now)
        later = _later(settings, holding, timedelta(days=days))
        part = later / usage.bytes if usage.bytes else 1.0
        scaled = Usage(
            {
                name: Stored(round(stored.bytes * part), stored.objects)
                for name, stored in usage.stored.items()
            },
            usage.puts,
            usage.gets,
            round(usage.read_bytes * part),
            usage.mean_days,
        )
        whole += later
        total += cost.month(provider_of(prices, holding.settings), scaled).total
    return Forecast(days, whole, total)


def _later(settings: Settings, holding: Holding, ahead: timedelta) -> int:
    """Bytes so far ahead; a source with too few snapshots to have a trend stays as it is."""
    by_source: dict[tuple[str, str], list[SnapshotEntry]] = {}
    for row in holding.rows or ():
        by_source.setdefault((row.id.host, row.id.source), []).append(row)
    rules = _rules(settings, holding.tier)
    whole = 0
    for rows in by_source.values():
        usable = [row for row in rows if row.committed and not row.aside]
        trend = cost_forecast.trend(usable, kind_of(settings, rows[0]))
        if trend is None:
            whole += sum(row.stored_bytes for row in rows)
        else:
            whole += cost_forecast.stored_bytes(trend, rules, ahead)
    return whole


def _rules(settings: Settings, tier: str) -> Rules:
    retention = settings.retention
    if tier == "local":
        return Rules(_policy(retention.local), None, retention.minimum_snapshots)
    return Rules(_policy(retention.offsite), _policy(retention.config), retention.minimum_snapshots)


def _policy(tier: TierRetention) -> Policy:
    return Policy(tier.days, tier.daily, tier.weekly, tier.monthly, tier.yearly)
