"""Which store is primary now: the configuration's, or a replica that an operator put in its place.

The decision is a small file of the state directory; losing that directory means the
configuration's own order again. Jobs, console and command line read it each time they begin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from engine.core.errors import ConfigurationError
from engine.settings import Settings, StoreSettings


@dataclass(frozen=True, slots=True)
class Failover:
    """`store`, a replica by its shown name, is read before all others since `since`; with
    `writing` it takes the backups too, and the configured primary is the first replica."""

    store: str
    writing: bool
    since: datetime
    by: str = ""
    reason: str = ""

    @property
    def words(self) -> str:
        """One line for every screen."""
        what = "reading and writing" if self.writing else "reading"
        return f"FAILED OVER to {self.store} for {what} since {self.since:%Y-%m-%d %H:%M} UTC"


def file_of(state: Path) -> Path:
    return state / "failover.json"


def load(state: Path) -> Failover | None:
    """The failover in force. ConfigurationError for a file that cannot be read: to guess where
    backups go would be worse than to stop."""
    file = file_of(state)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Failover)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"{file}, which says that a replica is primary, cannot be read: {error}",
            "Remove it to go back to the configured primary, or run `mentat-dr failover` anew.",
        ) from error


def applied(settings: Settings, failover: Failover | None) -> Settings:
    """The settings as they are in force: with `writing`, the replica is the repository and the
    configured repository its first replica. ConfigurationError when the replica is configured no
    more."""
    if failover is None:
        return settings
    chosen = replica_named(settings, failover.store)
    if chosen is None:
        raise ConfigurationError(
            f"this host has failed over to {failover.store}, which is no replica any more",
            f"Put it back into {settings.file}, or remove {file_of(settings.state)}",
        )
    if not failover.writing:
        return settings
    others = tuple(store for store in settings.replicas if store is not chosen)
    return replace(settings, repository=chosen, replicas=(settings.repository, *others))


def replica_named(settings: Settings, name: str) -> StoreSettings | None:
    return next((store for store in settings.replicas if store.shown == name), None)
