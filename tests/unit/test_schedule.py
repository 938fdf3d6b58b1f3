"""The schedule: what runs when, as cron and systemd read it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.monitoring.schedule import SPREAD, Entry, Moment, entries, notes, offset
from engine.monitoring.schedule_files import calendar, crontab, fields, units
from engine.settings import EncryptionSettings, Settings, SourceSettings, StoreSettings

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def settings(*sources: SourceSettings, host: str = "landsraad") -> Settings:
    return Settings(
        Path("/etc/mentat-dr/config.toml"),
        host,
        "test",
        StoreSettings("s3", bucket="b"),
        EncryptionSettings(),
        sources or (SourceSettings("etc", "config", DAY, HOUR),),
    )


def named(found: tuple[Entry, ...]) -> dict[str, Entry]:
    return {entry.name: entry for entry in found}


def test_the_promised_times() -> None:
    found = named(entries(settings()))
    at = offset("landsraad")
    assert 0 <= at < SPREAD
    assert found["backup"].when == Moment(at, 2)
    assert found["verify"].when == Moment(at, 3)
    assert found["drill-database"].when == Moment(at, 4, weekday=0)
    assert found["drill-full"].when == Moment(at, 5, monthday=1)
    assert found["reminder"].when.months == (1, 4, 7, 10)
    assert found["publish"].when.every == 15


def test_hosts_are_spread() -> None:
    assert len({offset(f"host-{n}") for n in range(100)}) > SPREAD / 2
    assert offset("mentat") == offset("mentat")


@pytest.mark.parametrize(
    ("kind", "rpo", "every"),
    [("volume", 1.0, 30), ("volume", 0.1, 15), ("volume", 5.0, 120), ("database", 0.25, 60)],
)
def test_an_rpo_below_a_day_asks_for_more_backups(kind: str, rpo: float, every: int) -> None:
    source = SourceSettings("s", kind, rpo * HOUR, HOUR)  # type: ignore[arg-type]
    assert named(entries(settings(source)))["backup-s"].when.every == every


def test_binlogs_serve_a_short_rpo() -> None:
    source = SourceSettings("db", "database", HOUR / 4, HOUR)
    assert "db: its RPO of 15m needs binlogs" in notes(settings(source))[0]
    shipped = replace(source, binlogs={"every": "60s"})
    found = named(entries(settings(shipped)))
    assert found["binlogs"].arguments == ("ship-binlogs", "db")
    assert "backup-db" not in found and notes(settings(shipped)) == ()


def test_a_passphrase_file_goes_to_what_must_decrypt() -> None:
    found = named(entries(settings(), "/root/pass"))
    holders = {name for name, entry in found.items() if "/root/pass" in entry.arguments}
    assert holders == {"verify", "drill-database", "drill-full"}


@pytest.mark.parametrize(
    ("when", "cron", "systemd"),
    [
        (Moment(7, 2), "7 2 * * *", "*-*-* 02:07:00"),
        (Moment(7, 4, weekday=0), "7 4 * * 0", "Sun *-*-* 04:07:00"),
        (Moment(0, 5, monthday=1), "0 5 1 * *", "*-*-01 05:00:00"),
        (Moment(1, 8, monthday=1, months=(1, 7)), "1 8 1 1,7 *", "*-01,07-01 08:01:00"),
        (Moment(every=1), "* * * * *", "*-*-* *:*:00"),
        (Moment(4, every=15), "4-59/15 * * * *", "*-*-* *:04/15:00"),
        (Moment(0, every=30), "*/30 * * * *", "*-*-* *:00/30:00"),
        (Moment(9, every=60), "9 * * * *", "*-*-* *:09:00"),
        (Moment(9, every=240), "9 */4 * * *", "*-*-* 00/4:09:00"),
    ],
)
def test_moments_are_spelt(when: Moment, cron: str, systemd: str) -> None:
    assert fields(when) == cron
    assert calendar(when) == systemd
    analyze = shutil.which("systemd-analyze")
    if analyze:
        done = subprocess.run([analyze, "calendar", systemd], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_crontab_is_one_line_for_each_entry_and_never_a_bare_percent() -> None:
    text = crontab(
        entries(settings()), "/opt/mentat dr", "/etc/100%.toml", "landsraad", ["be ware"]
    )
    lines = [line for line in text.splitlines() if line and line[0] not in "#SPM"]
    assert len(lines) == len(entries(settings()))
    assert all(" root '/opt/mentat dr' " in line and "--quiet" in line for line in lines)
    assert all("100\\%" in line and "100%" not in line.replace("\\%", "") for line in lines)
    assert "# NOTE be ware" in text


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    database = SourceSettings("db", "database", HOUR / 4, HOUR, binlogs={"every": "60s"})
    volume = SourceSettings("files", "volume", HOUR, HOUR)
    made = units(entries(settings(database, volume)), "/bin/true", "/etc/my conf%.toml")
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    assert {Path(name).suffix for name in made} == {".service", ".timer"}
    analyze = shutil.which("systemd-analyze")
    if analyze:
        files = [str(tmp_path / name) for name in made]
        done = subprocess.run(
            [analyze, "verify", "--man=no", *files], capture_output=True, text=True
        )
        ours = [line for line in done.stderr.splitlines() if "mentat-dr" in line]
        assert ours == []
