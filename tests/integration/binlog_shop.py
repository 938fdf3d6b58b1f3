"""A shop over one database whose binary logs are shipped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.api import Job
from engine.core.recovery import RestoreRequest, Target, Until
from engine.settings import Secret, SourceSettings
from tests import site as sites
from tests.integration.binlog_writer import SCHEMA
from tests.lab import Lab
from tests.lab.databases import DatabaseContainer
from tests.site import HOUR, Site, expect

KINDS = ["mysql", "mariadb"]


@dataclass
class Shop:
    """A site over one database that a writer can write to."""

    site: Site
    database: DatabaseContainer
    lab: Lab
    restored: list[str] = field(default_factory=list)

    def ship(self, state: str = "done") -> Job:
        """Run ship-binlogs to its end."""
        job = self.site.finish(self.site.engine.binlogs.start_ship(["shop-db"]))
        return expect(job, state)

    def request(self, until: Until, name: str = "never") -> RestoreRequest:
        return RestoreRequest("shop-db", "latest", Target("container", name=name), until=until)

    def restore(self, until: Until) -> tuple[DatabaseContainer, dict[str, Any]]:
        """Into a fresh container; that, and the job's facts."""
        name = f"back-{len(self.restored)}-{self.database.name}"
        engine = self.site.engine
        self.restored.append(name)
        request = self.request(until, name)
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
