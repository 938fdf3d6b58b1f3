"""Costs: the arithmetic by hand, the price table, the forecast against the retention itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import settings_file
from engine.core import cost, cost_forecast
from engine.core.cost import Prices, Provider, StorageClass, Stored, Usage
from engine.core.errors import ConfigurationError
from engine.core.retention import Circumstances, Policy, Rules, decide
from engine.core.snapshot import SnapshotEntry, SnapshotId
from engine.operations import cost as operation
from engine.operations import prices
from engine.repository import Listing, ListingFile
from engine.settings import (
    EncryptionSettings,
    Settings,
    SourceSettings,
    StoreSettings,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)
GB = 1_000_000_000


def provider(**given: object) -> Provider:
    kind = StorageClass(storage=0.02, put=0.005, get=0.001, retrieval=0.01)
    usual = Provider("p", "P", {"HOT": kind}, "HOT", egress=0.1, gigabyte=GB)
    return replace(usual, **given)  # type: ignore[arg-type]


def test_a_month_by_hand() -> None:
    usage = Usage({"HOT": Stored(1800 * GB, 120)}, puts=10_000, gets=20_000, read_bytes=60 * GB)
    bill = cost.month(provider(), usage)
    assert bill.storage == pytest.approx(36.0)
    assert bill.requests == pytest.approx(10 * 0.005 + 20 * 0.001)
    assert bill.retrieval == pytest.approx(0.6)
    assert bill.egress == pytest.approx(6.0)
    assert bill.total == pytest.approx(36.0 + 0.07 + 0.6 + 6.0)


def test_minimums_are_paid() -> None:
    least = provider(minimum_storage=1024)
    bill = cost.month(least, Usage({"HOT": Stored(GB)}))
    assert bill.storage == pytest.approx(1024 * 0.02) and "1024 GB are paid" in bill.notes[0]
    cold = StorageClass(storage=0.02, minimum_days=90, minimum_bytes=128 * 1024)
    frozen = provider(classes={"HOT": cold})
    bill = cost.month(frozen, Usage({"HOT": Stored(30 * GB, 10)}, mean_days=30))
    assert bill.storage == pytest.approx(3 * 30 * 0.02) and "90 days" in bill.notes[0]
    bill = cost.month(frozen, Usage({"HOT": Stored(1, 1_000_000)}, mean_days=90))
    assert bill.storage == pytest.approx(1_000_000 * 128 * 1024 / GB * 0.02)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({"free_egress": 100}, 10.0),
        ({"free_egress_of": 3}, 0.0),
        ({"free_egress_of": 0.5, "free_egress": 60}, 14.0),
    ],
)
def test_egress_beyond_what_is_free(free: dict[str, float], expected: float) -> None:
    found = cost.egress_cost(provider(**free), 200 * GB, 100 * GB)
    assert found == pytest.approx(expected)


def test_a_restore_from_a_cold_class_waits_and_pays_for_retrieval() -> None:
    cold = StorageClass(storage=0.001, get=0.0004, retrieval=0.02, thaw_hours=12)
    deep = provider(classes={"HOT": StorageClass(0.02), "DEEP": cold})
    found = cost.restore(deep, {"DEEP": 100 * GB, "HOT": 0}, 1000 * GB)
    assert found.thaw_hours == 12 and found.retrieval == pytest.approx(2.0)
    assert found.egress == pytest.approx(10.0)
    assert found.requests == pytest.approx(-(-100 * GB // (8 << 20)) / 1000 * 0.0004)
    assert cost.restore(deep, {"HOT": GB}, GB).thaw_hours == 0


@given(
    stored=st.integers(0, 10**15),
    objects=st.integers(0, 10**7),
    read=st.integers(0, 10**15),
    days=st.floats(0.1, 1000),
)
def test_no_bill_is_negative_and_more_never_costs_less(
    stored: int, objects: int, read: int, days: float
) -> None:
    for known in prices.load().providers.values():
        for name in known.classes:
            less = cost.month(known, Usage({name: Stored(stored, objects)}, 5, 5, read, days))
            more = cost.month(known, Usage({name: Stored(stored + GB, objects)}, 5, 5, read, days))
            parts = (less.storage, less.requests, less.retrieval, less.egress)
            assert min(parts) >= 0 and less.total == pytest.approx(sum(parts))
            assert more.storage >= less.storage


def test_the_requirements_table_for_its_own_sizes() -> None:
    """60 GB a day kept 30 days: the cheapest is B2, and Wasabi is charged above its least."""
    usage = Usage({"STANDARD": Stored(1800 * GB, 120)}, 8000, 8000, 60 * GB, mean_days=90)
    found = {m.provider: m for m in cost.compare(prices.load(), usage)}
    assert 9 < found["Backblaze B2, STANDARD"].total < 15
    assert 30 < found["AWS S3 (us-east-1), STANDARD"].total < 50
    assert 10 < found["Wasabi, STANDARD"].total < 15
    totals = [m.total for m in cost.compare(prices.load(), usage)]
    assert totals == sorted(totals)


def test_own_prices_go_over_the_table(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    assert prices.load(own) == prices.load()
    own.write_text(
        "dated = 2026-11-20\n[provider.minio.class.STANDARD]\nstorage = 0.004\n"
        '[provider.hetzner]\nlabel = "Hetzner"\n'
        "[provider.hetzner.class.STANDARD]\nstorage = 0.006\n"
    )
    found = prices.load(own)
    assert found.dated == date(2026, 11, 20) and found.currency == "USD"
    assert found.providers["minio"].classes["STANDARD"].storage == 0.004
    assert found.providers["hetzner"].label == "Hetzner"
    assert found.providers["s3"] == prices.load().providers["s3"]


@pytest.mark.parametrize(
    "wrong",
    [
        "[provider.s3.class.STANDARD]\nstorage = -1\n",
        "[provider.s3]\negres = 1\n",
        "[provider.new]\nlabel = 'x'\n",
        "dated = 'yesterday'\n",
        "not toml",
        "[provider.s3]\ngigabyte = 0\n",
    ],
)
def test_a_wrong_table_names_its_file(tmp_path: Path, wrong: str) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(wrong)
    with pytest.raises(ConfigurationError, match=r"prices\.toml"):
        prices.load(own)


def rows(
    count: int, every: timedelta, size: int = 60 * GB, monthly: float = 0.0, name: str = "db"
) -> list[SnapshotEntry]:
    made = []
    for n in range(count):
        months = every * n / (30 * DAY)
        snapshot = SnapshotId("landsraad", name, NOW - every * n, "logical", f"{n:08x}")
        made.append(SnapshotEntry(snapshot, round(size / (1 + monthly) ** months), True, True))
    return made


def test_growth_is_seen_through() -> None:
    assert cost_forecast.growth(rows(60, DAY)) == pytest.approx(0, abs=1e-6)
    assert cost_forecast.growth(rows(60, DAY, monthly=0.1)) == pytest.approx(0.1, abs=0.001)
    assert cost_forecast.growth(rows(60, DAY, monthly=-0.2)) == pytest.approx(-0.2, abs=0.001)
    assert cost_forecast.growth(rows(3, DAY, monthly=0.5)) == 0.0


@pytest.mark.parametrize(
    "policy", [Policy(days=30), Policy(days=7, weekly=4, monthly=6), Policy(daily=10)]
)
def test_the_forecast_is_what_the_retention_will_keep(policy: Policy) -> None:
    """A source that has written for long: simulated on, it holds what the forecast says."""
    rules = Rules(policy)
    have = rows(400, DAY, size=GB)
    trend = cost_forecast.trend(have, "database")
    assert trend is not None and trend.every == DAY
    ahead = [
        replace(r, id=replace(r.id, at=NOW + (n + 1) * DAY, id=f"{n + 5000:08x}"))
        for n, r in enumerate(rows(90, DAY, size=GB))
    ]
    kept = decide(
        [*ahead, *have],
        rules,
        Circumstances(now=NOW + 90 * DAY, kinds={("landsraad", "db"): "database"}),
    )
    real = GB * sum(v.keep for v in kept.verdicts)
    forecast = cost_forecast.stored_bytes(trend, rules, 90 * DAY)
    assert forecast == pytest.approx(real, rel=0.1)


def test_a_young_source_fills_up_to_its_retention() -> None:
    trend = cost_forecast.trend(rows(5, DAY, size=GB), "database")
    assert trend is not None
    rules = Rules(Policy(days=30))
    now, later = (cost_forecast.stored_bytes(trend, rules, days * DAY) for days in (0, 60))
    assert now == 5 * GB and later == pytest.approx(31 * GB, rel=0.05)


def settings(tmp_path: Path) -> Settings:
    return Settings(
        file=tmp_path / "config.toml",
        host="landsraad",
        environment="test",
        repository=StoreSettings("s3", "bucket"),
        encryption=EncryptionSettings(),
        sources=(SourceSettings("db", "database", DAY, DAY),),
        replicas=(StoreSettings("b2", "copy"),),
        local=StoreSettings("directory", path="/srv/local"),
    )


def test_the_report_over_stores_hosts_and_kinds(tmp_path: Path) -> None:
    own = rows(30, DAY)
    other = [replace(r, id=replace(r.id, host="mentat", source="etc", method="full")) for r in own]
    holdings = [
        operation.Holding("primary", settings(tmp_path).repository, [*own, *other]),
        operation.Holding("replica", settings(tmp_path).replicas[0], own),
        operation.Holding("local", StoreSettings("directory", path="/srv/local"), None),
    ]
    found = operation.report(settings(tmp_path), prices.load(), holdings, NOW)
    groups = {(g.tier, g.host, g.kind): g.bytes for g in found.groups}
    assert groups == {
        ("primary", "landsraad", "database"): 1800 * GB,
        ("primary", "mentat", "unknown"): 1800 * GB,
        ("replica", "landsraad", "database"): 1800 * GB,
    }
    assert [s.tier for s in found.stores] == ["primary", "replica"]
    assert found.stores[0].restore.bytes == 120 * GB
    assert found.total == pytest.approx(sum(s.now.total for s in found.stores))
    assert found.notes == ("directory:/srv/local was never listed",)
    assert [f.days for f in found.forecast] == [30, 90, 365]
    assert found.forecast[0].bytes == pytest.approx(3 * 1800 * GB, rel=0.1)
    old = replace(prices.load(), dated=date(2025, 1, 1))
    assert (
        "the prices are of 2025-01-01"
        in operation.report(settings(tmp_path), old, holdings, NOW).notes[-1]
    )


def test_a_table_without_this_provider_charges_nothing(tmp_path: Path) -> None:
    table = prices.load()
    bare = Prices(table.dated, "USD", {"custom": table.providers["custom"]})
    holding = operation.Holding("primary", settings(tmp_path).repository, rows(3, DAY))
    assert operation.report(settings(tmp_path), bare, [holding], NOW).total == 0


def test_the_command_prints_the_bill_and_its_document(tmp_path: Path) -> None:
    made = replace(
        settings(tmp_path), state=tmp_path / "state", encryption=EncryptionSettings(("a@b.c",))
    )
    made = replace(made, sources=(SourceSettings("etc", "config", DAY, DAY, paths=("/etc",)),))
    settings_file.save(made)
    ListingFile(made.state).save(Listing(NOW, made.repository.shown, tuple(rows(30, DAY))))
    command = [sys.executable, "-m", "engine.cli.main", "--config", str(made.file), "cost"]
    told = subprocess.run([*command, "--cached"], capture_output=True, text=True, check=True)
    assert "USD a month, by prices of" in told.stdout and "in 365 days" in told.stdout
    assert "Backblaze B2, STANDARD" in told.stdout and "was never listed" in told.stdout
    printed = subprocess.run(
        [*command, "--cached", "--json"], capture_output=True, text=True, check=True
    )
    document = json.loads(printed.stdout)
    assert document["total"] == pytest.approx(sum(s["now"]["total"] for s in document["stores"]))
    assert document["groups"][0]["bytes"] == 1800 * GB
