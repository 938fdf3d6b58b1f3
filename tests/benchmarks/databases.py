"""`python -m tests.benchmarks.databases`: bringing a database back, physically and logically, held
against `mysql < dump` into an empty server that runs already. Ratios are of one run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.core.recovery import Target
from engine.settings import Secret, SourceSettings
from tests import site as sites
from tests.benchmarks.report import Promise
from tests.benchmarks.run import MIB, RESULTS, Say, parse_size
from tests.lab import Lab, LabError
from tests.lab.databases import DatabaseContainer, Kind
from tests.site import HOUR, Site, expect

_TABLES = 4
_ROW = 520  # bytes of SQL that a row comes to
_MAKE = """
CREATE DATABASE bench;
CREATE TABLE bench.t0 (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, day DATE NOT NULL,
  state VARCHAR(16) NOT NULL, amount DECIMAL(12,2) NOT NULL, note VARCHAR(500) NOT NULL,
  KEY (customer), KEY (day, state)) ENGINE=InnoDB;
INSERT INTO bench.t0 (customer, day, state, amount, note)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
  SELECT i * 7919 % 100003, DATE_ADD('2020-01-01', INTERVAL i % 2000 DAY),
    ELT(1 + i % 4, 'open', 'paid', 'sent', 'done'), i * 1.37,
    CONCAT(SHA2(i, 512), SHA2(-i, 512), SHA2(i * 3, 512)) FROM n;
"""
_MORE = (
    "INSERT INTO bench.t0 (customer, day, state, amount, note) SELECT customer * 31 % 100003, "
    "DATE_ADD(day, INTERVAL id % 7 DAY), state, amount + 1, "
    "CONCAT(SHA2(id, 512), SUBSTR(note, 1, 256)) FROM bench.t0"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds of each way, and what the data came to in bytes of SQL."""

    kind: Kind
    sql_bytes: int
    plain: float
    logical: float
    physical: float
    logical_load: float
    backup_logical: float
    backup_physical: float

    def promises(self) -> list[Promise]:
        """What the product promises against `mysql < dump` of the same run."""
        physical, logical = self.plain / self.physical, self.plain / self.logical_load
        return [
            Promise("physical restore, times as fast as mysql < dump", 10.0, physical, False),
            Promise("logical load, times as fast as mysql < dump", 1.5, logical, False),
        ]


def fill(database: DatabaseContainer, size: int) -> None:
    """About `size` bytes of SQL in tables of one size."""
    database.client(_MAKE)
    rows = 1000
    while rows * 2 <= size // _TABLES // _ROW:
        database.sql(_MORE)
        rows *= 2
    for number in range(1, _TABLES):
        database.sql(f"CREATE TABLE bench.t{number} LIKE bench.t0")
        database.sql(f"INSERT INTO bench.t{number} SELECT * FROM bench.t0")


def timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def run(lab: Lab, kind: Kind, size: int, say: Say) -> Measured:
    """Make a database, back it up both ways, and bring it back three ways."""
    with (
        TemporaryDirectory(prefix="database-", dir=lab.directory) as place,
        lab.run_database(kind) as database,
    ):
        fill(database, size)
        source = SourceSettings(
            "bench",
            "database",
            HOUR,
            HOUR,
            container=database.name,
            password=Secret(value=database.root_password),
        )
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(
            Path(place) / "site", store, [source], docker=lab.docker_host, passphrase=None
        ) as site:
            return _measure(lab, site, database, Path(place), say)


def _measure(lab: Lab, site: Site, database: DatabaseContainer, place: Path, say: Say) -> Measured:
    backups = {
        method: timed(lambda m=method: expect(site.finish(site.engine.start_backup(method=m))))
        for method in ("logical", "physical")
    }
    say(f"{database.kind}: backed up in {backups['logical']:.1f} and {backups['physical']:.1f} s")
    refs = {row.id.method: row.id.ref for row in site.engine.snapshots()}
    expect(site.restore("bench", Target("directory", str(place / "sql")), snapshot=refs["logical"]))
    dump = place / "sql" / "dump.sql"
    plain = _plain(lab, database.kind, dump)
    say(
        f"{database.kind}: mysql < dump took {plain:.1f} s for {dump.stat().st_size / MIB:,.0f} MiB"
    )
    seconds, loads = {}, {}
    for method in ("physical", "logical"):
        name = f"bench-{database.kind}-{method}"
        target = Target("container", name=name)
        began = time.monotonic()
        job = expect(site.restore("bench", target, snapshot=refs[method]))
        seconds[method] = time.monotonic() - began
        loads[method] = sum(p.seconds or 0 for p in job.phases if p.name.startswith("load "))
        phases = ", ".join(f"{p.name} {p.seconds or 0:.1f}" for p in job.phases)
        say(f"{database.kind}: {method} restore took {seconds[method]:.1f} s ({phases})")
        lab.docker("rm", "-f", name)
        lab.docker("volume", "rm", f"{name}-data")
    return Measured(
        database.kind,
        dump.stat().st_size,
        plain,
        seconds["logical"],
        seconds["physical"],
        loads["logical"],
        backups["logical"],
        backups["physical"],
    )


def _plain(lab: Lab, kind: Kind, dump: Path) -> float:
    """The client alone, into a server that is empty and runs."""
    with lab.run_database(kind) as empty, dump.open("rb") as stream:
        argv = ["docker", "-H", lab.docker_host, "exec", "-i", "-e", "MYSQL_PWD", empty.name, kind]
        began = time.monotonic()
        subprocess.run(
            [*argv, "-uroot", "--binary-mode"],
            stdin=stream,
            check=True,
            env={"MYSQL_PWD": empty.root_password, "PATH": "/usr/bin:/bin"},
        )
        return time.monotonic() - began


def table(found: Sequence[Measured]) -> str:
    """For people, 80 columns."""
    heads = ("SQL MiB", "plain s", "logical s", "load s", "physical s")
    lines = [f"{'database':10}" + "".join(f"{head:>12}" for head in heads)]
    for each in found:
        lines.append(
            f"{each.kind:10}{each.sql_bytes / MIB:12,.0f}{each.plain:12.1f}{each.logical:12.1f}"
            f"{each.logical_load:12.1f}{each.physical:12.1f}"
        )
    lines += ["", f"{'promise':58}{'bound':>7}{'here':>8}"]
    for each in found:
        for promise in each.promises():
            word = "kept" if promise.kept else "MISSED"
            lines.append(
                f"  {each.kind + ': ' + promise.words:56}{promise.bound:>7g}{promise.value:>8.2f}"
                f"  {word}"
            )
    return "\n".join(lines)


def save(found: Sequence[Measured], directory: Path) -> Path:
    """Write the JSON document under the run's time; returns the file."""
    at = datetime.now(UTC).replace(microsecond=0)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{at:%Y%m%dT%H%M%SZ}-databases.json"
    runs = [
        {**asdict(m), "promises": [{**asdict(p), "kept": p.kept} for p in m.promises()]}
        for m in found
    ]
    file.write_text(json.dumps({"at": at.isoformat(), "runs": runs}, indent=2) + "\n")
    return file


def main() -> int:
    """Measure and print. 0 when every promise is kept (or --report was given), else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.databases")
    parser.add_argument("--size", type=parse_size, default=1024 * MIB, help="of SQL (1GiB)")
    parser.add_argument("--kind", choices=("mysql", "mariadb"), action="append")
    parser.add_argument("--report", action="store_true", help="a missed promise is no failure")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes")
    arguments = parser.parse_args()
    say: Say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    try:
        with Lab.start() as lab:
            kinds = arguments.kind or ["mysql", "mariadb"]
            found = [run(lab, kind, arguments.size, say) for kind in kinds]
    except LabError as error:
        say(f"bench: {error}")
        return 2
    print(table(found))
    print(f"\nwritten to {save(found, arguments.results)}")
    missed = [p for each in found for p in each.promises() if not p.kept]
    return 1 if missed and not arguments.report else 0


if __name__ == "__main__":
    sys.exit(main())
