"""What every area of the API works through: the settings, the repository, the listing, jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from engine.settings import Settings

if TYPE_CHECKING:
    from engine.core.snapshot import SnapshotEntry
    from engine.repository import Listing, Repository
    from engine.repository.failover import Failover

FRESH = timedelta(minutes=15)
QUICK = 5.0  # seconds; a listing that takes no longer is made for every look


class Door:
    """One configuration. The repository is opened at its first use; heavy modules with it."""

    def __init__(self, settings: Settings) -> None:
        self._configured = settings
        self._in_force = settings
        self._decided: tuple[int, int] | None = None  # which failover file was read
        self._looking = threading.RLock()
        self._failover: Failover | None = None
        self._repository: Repository | None = None
        self.elsewhere: Listing | None = None  # the last listing, if another store gave it

    @property
    def settings(self) -> Settings:
        """The settings in force: as configured, but for a failover, which is looked for each
        time, since another process may decide it. ConfigurationError."""
        self._look()
        return self._in_force

    @property
    def failover(self) -> Failover | None:
        """The failover in force; None: the configured primary is primary."""
        self._look()
        return self._failover

    @property
    def shown(self) -> str:
        """The store that is read first, by name."""
        settings = self.settings
        reading = self._failover is not None and not self._failover.writing
        return self._failover.store if self._failover and reading else settings.repository.shown

    def _look(self) -> None:
        try:
            status = (self._configured.state / "failover.json").stat()
            found = (status.st_mtime_ns, status.st_ino)
        except OSError:
            found = None
        if found == self._decided:
            return
        from engine.repository import failover

        with self._looking:
            decided = failover.load(self._configured.state)
            self._in_force = failover.applied(self._configured, decided)
            self._failover, self._decided = decided, found
            self._repository, self.elsewhere = None, None

    def repo(self) -> Repository:
        """The repository behind the primary store."""
        self._look()
        if self._repository is None:
            from engine import wiring

            self._repository = wiring.repository(self.settings)
        return self._repository

    def kept_listing(self, host: str = "") -> Listing | None:
        """The newest listing on this host's disk, of all hosts or of one; while the store is
        away, what this process last listed of another one."""
        from engine.repository import ListingFile

        if self.elsewhere is not None:
            rows = (row for row in self.elsewhere.rows if not host or row.id.host == host)
            return replace(self.elsewhere, rows=tuple(rows))
        return ListingFile(self.settings.state).load(self.shown, host)

    def list(self, host: str = "") -> Listing:
        """List the store now, whole or one host's part, and keep that on disk; a replica or the
        local tier while it is away, which the listing then says. StoreError when none of them
        answers."""
        from engine import wiring
        from engine.repository import Listing, ListingFile

        now = wiring.utc_now()
        began = time.monotonic()
        found = self.repo().inventory(host)
        took = time.monotonic() - began
        shown = self.shown
        listing = Listing(now, shown, tuple(found.rows), seconds=took)
        if found.passed:
            problem = "; ".join(passed.problem for passed in found.passed)
            remedy = "`mentat-dr doctor` looks at every store; `mentat-dr failover` reads on."
            listing = replace(listing, read_from=found.store, problem=problem, remedy=remedy)
            if not host or self.elsewhere is None:
                self.elsewhere = listing
            return listing
        self.elsewhere = None
        ListingFile(self.settings.state).save(listing, host)
        return listing

    def newest(self, host: str, limit: int) -> Sequence[SnapshotEntry]:
        """The newest rows of the kept listing, at once however long it is."""
        from engine.repository import ListingFile

        if self.elsewhere is not None:
            return self.elsewhere.rows[:limit]
        return ListingFile(self.settings.state).head(self.shown, host, limit)

    def fresh_enough(self) -> bool:
        """Whether the kept listing of the whole store will do for somebody who looks: it is
        young, and a new one would take its time."""
        from engine import wiring
        from engine.repository import ListingFile

        if self.elsewhere is not None:
            return False
        kept = ListingFile(self.settings.state).listed(self.shown)
        return kept is not None and kept[1] > QUICK and wiring.utc_now() - kept[0] <= FRESH

    def launch(
        self,
        operation: str,
        request: Mapping[str, Any],
        title: str,
        sources: Sequence[str],
        secrets: Mapping[str, bytes] | None = None,
    ) -> str:
        """Start a detached job; its id."""
        from engine import wiring
        from engine.jobs import launch
        from engine.operations import audit, audit_identity

        who, facts = audit_identity.whoami(), {"title": title, "request": dict(request)}
        audit.record(self.settings.state, who, f"start {operation}", facts, at=wiring.utc_now())
        return launch.launch(
            self.settings.state,
            operation,
            request,
            config_file=self.settings.file,
            secrets=secrets or {},
            title=title,
            sources=tuple(sources),
            environment=secret_variables(self.settings),
            now=wiring.utc_now(),
        )


def secret_variables(settings: Settings) -> list[str]:
    """Names of the environment variables that the configuration takes secrets from."""
    secrets = [settings.encryption.passphrase, *(source.password for source in settings.sources)]
    secrets += settings.notify
    for store in (settings.repository, *settings.replicas):
        secrets += [store.access_key, store.secret_key]
    return sorted({secret.env for secret in secrets if secret is not None and secret.env})
