"""What every area of the API works through: the settings, the repository, the listing, jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.settings import Settings

if TYPE_CHECKING:
    from engine.repository import Listing, Repository


class Door:
    """One configuration. The repository is opened at its first use; heavy modules with it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._repository: Repository | None = None

    def repo(self) -> Repository:
        """The repository behind the primary store."""
        if self._repository is None:
            from engine import wiring

            self._repository = wiring.repository(self.settings)
        return self._repository

    def kept_listing(self) -> Listing | None:
        """The newest listing on this host's disk."""
        from engine.repository import ListingFile

        return ListingFile(self.settings.state).load(self.settings.repository.shown)

    def list(self) -> Listing:
        """List the store now, and keep that on disk. StoreError."""
        from engine import wiring
        from engine.repository import Listing, ListingFile

        now = wiring.utc_now()
        listing = Listing(now, self.settings.repository.shown, tuple(self.repo().entries()))
        ListingFile(self.settings.state).save(listing)
        return listing

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
