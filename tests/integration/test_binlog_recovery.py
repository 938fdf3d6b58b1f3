"""To the second: shipped binary logs replayed onto a snapshot give exactly what a writer recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.core.recovery import RestoreRequest, Target, Until
from engine.settings import Secret, SourceSettings
from tests import site as sites
from tests.integration.binlog_writer import SCHEMA, Writer, found, reached, state
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab]
KINDS = ["mysql", "mariadb"]


@dataclass
class Shop:
    """A site over one database that a writer can write to."""

    site: Site
    database: DatabaseContainer
    lab: Lab
    restored: list[str] = field(default_factory=list)

    def ship(self, state: str = "done") -> object:
        job = self.site.finish(self.site.engine.binlogs.start_ship(["shop-db"]))
        return expect(job, state)

    def restore(self, until: Until, *, snapshot: str = "latest") -> tuple[DatabaseContainer, dict]:
        """Into a fresh container; what it holds, and the job's facts."""
        name = f"back-{len(self.restored)}-{self.database.name}"
        request = RestoreRequest("shop-db", snapshot, Target("container", name=name), until=until)
        engine = self.site.engine
        self.restored.append(name)
        job = expect(self.site.finish(engine.start_restore(request, self.site.passphrase)))
        assert job.result is not None
        return replace(self.database, name=name), dict(job.result.facts)

    def forget(self) -> None:
        """Remove the containers that restores made."""
        while self.restored:
            name = self.restored.pop()
            self.lab.docker("rm", "-f", "-v", name)
            self.lab.docker("volume", "rm", "-f", f"{name}-data")


@contextlib.contextmanager
def shop(lab: Lab, root: Path, kind: str, *arguments: str) -> Iterator[Shop]:
    with lab.run_database(kind, arguments=arguments) as database:  # type: ignore[arg-type]
        database.client(SCHEMA)
        source = SourceSettings(
            "shop-db",
            "database",
            HOUR,
            HOUR,
            engine=kind,  # type: ignore[arg-type]
            container=database.name,
            password=Secret(value=database.root_password),
            binlogs={"every": "60s"},
        )
        store = sites.bucket(lab.s3, lab.s3.new_bucket())
        with sites.site(root / "site", store, [source], docker=lab.docker_host) as site:
            made = Shop(site, database, lab)
            try:
                yield made
            finally:
                made.forget()


@pytest.mark.parametrize("kind", KINDS)
def test_random_moments_are_exactly_what_the_writer_recorded(
    lab: Lab, tmp_path: Path, kind: str, full: bool
) -> None:
    moments = 30 if full else 3
    coarse = timedelta(seconds=1) if kind == "mariadb" else timedelta(0)
    with shop(lab, tmp_path, kind) as made:
        with Writer(made.database) as writer:
            writer.await_transactions(50)
            expect(made.site.backup("shop-db"))
            writer.await_transactions(writer.count + 300)
            made.ship()
            writer.await_transactions(writer.count + 300)
            made.database.sql("FLUSH BINARY LOGS")
            writer.await_transactions(writer.count + 300)
            made.ship()
            writer.await_transactions(writer.count + 100)
        made.ship()
        [interval] = made.site.engine.binlogs.range("shop-db").intervals
        chosen = writer.choose(moments, interval.since, interval.until)
        assert len(chosen) == moments
        for place, moment in enumerate(chosen):
            by_time = bool(place % 2)
            at = moment.at.replace(microsecond=0) if coarse else moment.at
            until = Until(at=at) if by_time else Until(gtid=moment.gtid)
            back, facts = made.restore(until)
            number = reached(back)
            if by_time:
                least, most = writer.numbers_at(at, coarse)
                assert least <= number <= most
            else:
                assert number == moment.number
            assert found(back) == state(number), f"{until} gave {number}"
            assert facts["last_transaction"] == writer.commits[number - 1].gtid
            made.forget()
