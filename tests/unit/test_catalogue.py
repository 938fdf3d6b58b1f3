"""The catalogue and what it tells of a fleet."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine import settings_file
from engine.core.catalogue import WrittenSource, hosts, rhythm
from engine.core.snapshot import SnapshotEntry, SnapshotId, format_utc
from engine.ports import StoredObject
from engine.repository import Listing, ListingFile
from engine.repository.catalogue import Catalogue, written
from engine.repository.inventory import entries, proof_key
from engine.settings import EncryptionSettings, Secret, Settings, SourceSettings, StoreSettings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fleet(
    hosts: int, sources: int, snapshots: int, every: timedelta = 6 * HOUR
) -> list[StoredObject]:
    """The objects of a fleet's snapshots, in no order; one in ten proven, one in fifty debris."""
    found = []
    number = 0
    for host in range(hosts):
        for source in range(sources):
            for turn in range(snapshots):
                number += 1
                made = SnapshotId(
                    f"host{host:03}", f"s{source}", NOW - turn * every, "full", f"{number:08x}"
                )
                names = ["files.tar.zst.gpg", "manifest.json.sig"]
                if number % 50:
                    names.append("manifest.json")
                if number % 70 == 0:
                    names.append("aside.json")
                found += [StoredObject(made.prefix + name, 1000, NOW) for name in names]
                if number % 10 == 0:
                    found.append(StoredObject(proof_key(made, NOW, "verified"), 10, NOW))
    random.Random(1).shuffle(found)
    return found


def test_what_is_kept_is_what_was_listed(tmp_path: Path) -> None:
    rows = entries(fleet(3, 2, 60))
    assert len(rows) == 360 and sum(r.committed for r in rows) == 353
    assert rows == sorted(rows, key=lambda r: r.id.at, reverse=True) or rows[0].id.at == NOW
    catalogue = Catalogue(tmp_path)
    assert catalogue.rows("store") == [] and catalogue.listed("store") is None
    assert catalogue.save("store", rows, NOW, seconds=2.5)
    assert catalogue.rows("store") == rows
    assert catalogue.rows("store", limit=10) == rows[:10]
    assert catalogue.rows("store", "host001") == [r for r in rows if r.id.host == "host001"]
    assert catalogue.rows("other") == []
    assert catalogue.listed("store", "host001") == (NOW, 2.5)
    assert catalogue.written("store") == sorted(written(rows), key=lambda w: (w.host, w.source))
    assert (tmp_path / "catalogue.sqlite").stat().st_mode & 0o777 == 0o600


def test_one_hosts_part_is_replaced_alone_and_an_older_listing_never_wins(tmp_path: Path) -> None:
    rows = entries(fleet(2, 1, 5))
    catalogue = Catalogue(tmp_path)
    catalogue.save("store", rows, NOW)
    own = [r for r in rows if r.id.host == "host000"]
    fewer = own[1:]  # one was pruned
    catalogue.save("store", fewer, NOW + HOUR, "host000")
    assert catalogue.rows("store", "host000") == fewer
    assert len(catalogue.rows("store", "host001")) == 5
    assert catalogue.listed("store", "host000") == (NOW + HOUR, 0.0)
    assert catalogue.listed("store", "host001") == (NOW, 0.0)
    catalogue.save("store", own, NOW, "host000")
    assert catalogue.rows("store", "host000") == fewer, "begun earlier, it came late"
    catalogue.mark_proven("store", fewer[0].id, NOW)
    assert catalogue.rows("store", "host000")[0].proven_at == NOW


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, None])
def test_a_damaged_catalogue_is_made_anew(tmp_path: Path, content: bytes | None) -> None:
    rows = entries(fleet(1, 1, 40))
    catalogue = Catalogue(tmp_path)
    catalogue.save("store", rows, NOW)
    file = tmp_path / "catalogue.sqlite"
    if content is None:
        body = bytearray(file.read_bytes())
        body[4096:8192] = b"\xff" * 4096
        content = bytes(body)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(content)
    catalogue.rows("store")  # may give nothing; must not raise
    catalogue.listed("store")
    catalogue.written("store")
    catalogue.save("store", rows, NOW + HOUR)
    if catalogue.rows("store") != rows:  # noticed only now: the next listing mends it
        catalogue.forget()
        catalogue.save("store", rows, NOW + 2 * HOUR)
    assert catalogue.rows("store") == rows


def test_a_place_that_cannot_be_written_costs_the_catalogue_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    catalogue = Catalogue(tmp_path / "file")
    assert not catalogue.save("store", entries(fleet(1, 1, 2)), NOW)
    assert catalogue.rows("store") == []


def source(host: str, name: str, age: timedelta, every: timedelta, count: int = 8) -> WrittenSource:
    times = tuple(NOW - age - every * n for n in range(count))
    return WrittenSource(host, name, count, 1000 * count, times)


def test_hosts_that_stopped_writing_stand_out() -> None:
    day = timedelta(days=1)
    found = hosts(
        [
            source("good", "db", 20 * HOUR, day),
            source("gone", "db", 5 * day, day),
            source("gone", "etc", 30 * HOUR, 6 * HOUR),
            source("half", "db", 2 * HOUR, day),
            source("half", "retired", 60 * day, day),
            source("late", "db", 3 * day, day),
            source("young", "db", 40 * HOUR, HOUR, count=2),
        ],
        NOW,
    )
    assert [(host.host, host.level) for host in found] == [
        ("gone", "critical"),
        ("half", "warning"),
        ("late", "warning"),
        ("good", "ok"),
        ("young", "ok"),
    ]
    assert found[0].reasons[0] == "STOPPED WRITING: nothing for 30 h"
    assert "retired: nothing new for 60 d, it wrote every 24 h" in found[1].reasons
    assert rhythm([NOW, NOW - HOUR]) is None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Settings]:
    """A configuration whose bucket is never asked."""
    state = tmp_path / "state"
    settings = Settings(
        file=tmp_path / "config.toml",
        host="host007",
        environment="test",
        repository=StoreSettings("custom", "bucket", endpoint="http://127.0.0.1:9"),
        encryption=EncryptionSettings(passphrase=Secret(value="x")),
        sources=(SourceSettings("s0", "config", HOUR, HOUR, paths=("/etc",)),),
        state=state,
    )
    settings_file.save(settings)
    yield settings


def cpu_of_status(settings: Settings) -> float:
    """Seconds of CPU of `status` with a warm catalogue, the least of three runs."""
    command = [sys.executable, "-m", "engine.cli.main", "--config", str(settings.file), "status"]
    least = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*command, "--cached"], capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode in (1, 2), done.stderr
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def test_status_costs_hardly_more_for_a_fleet_of_100_000_snapshots(site: Settings) -> None:
    kept = ListingFile(site.state)
    now = datetime.now(UTC)
    few = [SnapshotEntry(SnapshotId("host007", "s0", now, "full", "0" * 8), 1, True, True)]
    kept.save(Listing(now, site.repository.shown, tuple(few)))
    small = cpu_of_status(site)
    rows = entries(fleet(200, 5, 100))
    assert len(rows) == 100_000
    kept.save(Listing(now + HOUR / 60, site.repository.shown, tuple(rows)))
    assert cpu_of_status(site) < 1.6 * small


def test_times_in_keys_are_read_strictly() -> None:
    good = format_utc(NOW)
    for wrong in (good[:-1], good + "\n", "20261301T000000Z", "٢٠٢٦1123T000000Z"):
        key = f"v1/host/source/{wrong}-full-00000000/manifest.json"
        assert entries([StoredObject(key, 1, NOW)]) == []
