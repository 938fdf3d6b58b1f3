"""What the operator has chosen so far, and the sources there are to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from console.model import Model
from engine.api import RestoreRequest, SnapshotEntry, SourcePosture, Target

PAGES = ("source", "point", "key", "target", "plan")


@dataclass
class Draft:
    """The passphrase lives here alone, from its check to the start of the job."""

    source: str = ""
    host: str = ""
    entry: SnapshotEntry | None = None
    target: Target | None = None
    accept_unsigned: str = ""
    key_words: str = ""  # how the key was proven; empty: not yet
    passphrase: str | None = field(default=None, repr=False)

    def request(self, confirm: str = "") -> RestoreRequest:
        assert self.entry is not None and self.target is not None
        return RestoreRequest(
            source=self.source,
            snapshot=self.entry.id.ref,
            target=self.target,
            host=self.host,
            confirm=confirm,
            accept_unsigned=self.accept_unsigned,
        )

    def forget(self) -> None:
        """Drop the passphrase."""
        self.passphrase = None
        self.key_words = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A source that has something to restore; posture is None for another host's."""

    source: str
    host: str
    kind: str
    snapshots: int
    newest: datetime | None
    posture: SourcePosture | None


def choices(model: Model) -> Sequence[Choice]:
    """Our own sources first, as configured, then every other host's that the listing shows."""
    counted: dict[tuple[str, str], tuple[int, datetime]] = {}
    for entry in model.snapshots or ():
        key = (entry.id.host, entry.id.source)
        number, newest = counted.get(key, (0, entry.id.at))
        counted[key] = (number + 1, max(newest, entry.id.at))
    found = []
    for own in model.posture.sources if model.posture else ():
        number, at = counted.pop((own.host, own.source), (own.snapshots, own.recoverable_to))
        found.append(Choice(own.source, own.host, own.kind, number, at, own))
    for (host, source), (number, at) in sorted(counted.items()):
        found.append(Choice(source, host, "", number, at, None))
    return found
