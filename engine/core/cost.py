"""What storage costs: prices as values, months and restores worked out from what is stored.

Pure. Amounts are in the table's currency per month unless said otherwise; bytes are bytes, and
each provider says how many of them it calls a gigabyte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

PART_BYTES = 8 << 20  # of an upload and of a ranged read, each of them one request


@dataclass(frozen=True, slots=True)
class StorageClass:
    """One class of a provider. Prices per gigabyte (and month), or per 1,000 requests.

    minimum_days    an object that goes earlier is paid for so long
    minimum_bytes   a smaller object is paid for as if it had so many
    object_month    per 1,000 objects and month (monitoring)
    thaw_hours      how long a restore waits before it can read; 0: none
    """

    storage: float
    put: float = 0.0
    get: float = 0.0
    retrieval: float = 0.0
    object_month: float = 0.0
    minimum_days: int = 0
    minimum_bytes: int = 0
    thaw_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's prices.

    gigabyte         how many bytes it charges as one
    free_egress      gigabytes of egress a month that cost nothing
    free_egress_of   egress up to so many times what is stored costs nothing
    minimum_storage  gigabytes that are paid for at least, whatever is stored
    """

    name: str
    label: str
    classes: Mapping[str, StorageClass]
    default_class: str
    egress: float = 0.0
    gigabyte: int = 1 << 30
    free_egress: float = 0.0
    free_egress_of: float = 0.0
    minimum_storage: float = 0.0
    source: str = ""  # where the prices were read

    def storage_class(self, name: str) -> StorageClass:
        return self.classes.get(name) or self.classes[self.default_class]


@dataclass(frozen=True, slots=True)
class Prices:
    """The table: what a gigabyte and a request cost, and on which day that was so."""

    dated: date
    currency: str
    providers: Mapping[str, Provider]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored in one class of one store."""

    bytes: int
    objects: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """A month of one store, by class where that matters.

    puts, gets   requests
    read_bytes   what is read out of the store (verification, drills, replication, restores)
    mean_days    how long an object lives under the retention; for minimum durations
    """

    stored: Mapping[str, Stored]
    puts: int = 0
    gets: int = 0
    read_bytes: int = 0
    mean_days: float = 30.0

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.stored.values())


@dataclass(frozen=True, slots=True)
class Month:
    """A month's bill by what it is for."""

    provider: str
    storage: float
    requests: float
    retrieval: float
    egress: float
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        return self.storage + self.requests + self.retrieval + self.egress


@dataclass(frozen=True, slots=True)
class Restore:
    """What reading everything once would cost, and how long cold classes make it wait."""

    provider: str
    bytes: int
    egress: float
    retrieval: float
    requests: float
    thaw_hours: float = 0.0

    @property
    def total(self) -> float:
        return self.egress + self.retrieval + self.requests


def month(provider: Provider, usage: Usage) -> Month:
    """What this usage costs at this provider. An unknown class is charged as its usual one."""
    notes: list[str] = []
    storage = retrieval = requests = 0.0
    whole = usage.bytes
    for name, part in usage.stored.items():
        kind = provider.storage_class(name)
        charged = max(part.bytes, part.objects * kind.minimum_bytes)
        longer = max(1.0, kind.minimum_days / usage.mean_days) if usage.mean_days > 0 else 1.0
        if longer > 1.0 and part.bytes:
            notes.append(f"{name}: objects are paid for {kind.minimum_days} days at least")
        storage += charged * longer / provider.gigabyte * kind.storage
        storage += part.objects / 1000 * kind.object_month
        share = part.bytes / whole if whole else 0.0
        retrieval += usage.read_bytes * share / provider.gigabyte * kind.retrieval
        requests += share * (usage.puts * kind.put + usage.gets * kind.get) / 1000
    least = provider.minimum_storage * provider.storage_class("").storage
    if storage < least:
        notes.append(f"{provider.minimum_storage:g} GB are paid for at least")
        storage = least
    egress = egress_cost(provider, usage.read_bytes, whole)
    return Month(provider.name, storage, requests, retrieval, egress, tuple(notes))


def egress_cost(provider: Provider, read_bytes: int, stored_bytes: int) -> float:
    """What taking so many bytes out in a month costs, beyond what is free."""
    free = max(provider.free_egress, provider.free_egress_of * stored_bytes / provider.gigabyte)
    return max(0.0, read_bytes / provider.gigabyte - free) * provider.egress


def restore(provider: Provider, read: Mapping[str, int], stored_bytes: int) -> Restore:
    """Reading these bytes of each class once, in a month in which nothing else is read."""
    whole = sum(read.values())
    retrieval = requests = thaw = 0.0
    for name, size in read.items():
        kind = provider.storage_class(name)
        retrieval += size / provider.gigabyte * kind.retrieval
        requests += -(-size // PART_BYTES) / 1000 * kind.get
        thaw = max(thaw, kind.thaw_hours if size else 0.0)
    egress = egress_cost(provider, whole, stored_bytes)
    return Restore(provider.name, whole, egress, retrieval, requests, thaw)


def compare(prices: Prices, usage: Usage) -> tuple[Month, ...]:
    """The same usage at every provider of the table, in its usual class, cheapest first. The
    reads of a month are those of the usage."""
    whole = Stored(usage.bytes, sum(part.objects for part in usage.stored.values()))
    months = []
    for provider in prices.providers.values():
        for name in provider.classes:
            same = Usage({name: whole}, usage.puts, usage.gets, usage.read_bytes, usage.mean_days)
            found = month(provider, same)
            label = f"{provider.label}, {name}"
            months.append(
                Month(
                    label,
                    found.storage,
                    found.requests,
                    found.retrieval,
                    found.egress,
                    found.notes,
                )
            )
    return tuple(sorted(months, key=lambda m: m.total))


def requests_of(sizes: Sequence[int]) -> int:
    """PUTs that snapshots of these stored bytes take: their parts, the beginning and end of a
    multipart upload, and their small documents."""
    return sum(-(-size // PART_BYTES) + 2 + 3 for size in sizes)
