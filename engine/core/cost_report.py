"""The cost report: what is stored where, what that costs now and later, and elsewhere. Values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from engine.core.cost import Month, Restore


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """What one host's sources of one kind have stored in one store and class."""

    tier: str  # primary, replica or local
    store: str
    host: str
    kind: str  # `unknown` where the listing alone does not tell it
    storage_class: str
    bytes: int
    snapshots: int
    objects: int


@dataclass(frozen=True, slots=True)
class StoreCost:
    """One store: its bill now, and what restoring the newest snapshot of every source costs."""

    tier: str
    store: str
    bytes: int
    now: Month
    restore: Restore


@dataclass(frozen=True, slots=True)
class Forecast:
    """All stores so many days ahead."""

    days: int
    bytes: int
    total: float


@dataclass(frozen=True, slots=True)
class CostReport:
    """Amounts are in `currency` per month, by prices of the day `dated`. `compared` is what all
    that is stored in the primary would cost elsewhere, cheapest first."""

    dated: date
    currency: str
    groups: tuple[StoredGroup, ...]
    stores: tuple[StoreCost, ...]
    forecast: tuple[Forecast, ...]
    compared: tuple[Month, ...]
    read_bytes: int  # out of the primary in a month
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        return sum(store.now.total for store in self.stores)
