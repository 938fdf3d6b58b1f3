"""What is known of keys and credentials, and the metrics of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from engine.core.metrics import Sheet

Role = Literal["recipient", "signing"]


@dataclass(frozen=True, slots=True)
class KeyState:
    """A configured key as the last check found it.

    name     as it is configured; user is its first user id
    expires  the first moment at which it can no longer do its work; None for never
    usable   the probe went through
    problem  why it did not, and what to do
    """

    name: str
    role: Role
    fingerprint: str = ""
    user: str = ""
    expires: datetime | None = None
    usable: bool = False
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Escrow:
    """An offline key was proven to open a snapshot."""

    at: datetime
    fingerprint: str
    source: str
    snapshot: str
    how: str  # what was proven: "all 3 parts" or "the first part"


@dataclass(frozen=True, slots=True)
class KeysKnown:
    """What key checks remember. checked_at None: never. credentials: since when each store's
    credentials are in use."""

    checked_at: datetime | None = None
    keys: tuple[KeyState, ...] = ()
    escrow: tuple[Escrow, ...] = ()  # newest first
    credentials: Mapping[str, datetime] = field(default_factory=dict)
    symmetric: bool = False


def put_keys(sheet: Sheet, known: KeysKnown) -> None:
    """Expiry, usability, escrow and the age of credentials. Without recipients (a passphrase
    instead) there is no offline key to prove."""
    sheet.put("backup_key_check_timestamp", known.checked_at or 0)
    for key in known.keys:
        labels = {"key": key.fingerprint[-16:] or key.name, "role": key.role}
        sheet.put("backup_key_expiry_timestamp", key.expires, **labels)
        sheet.put("backup_key_usable", key.usable, **labels)
    if not known.symmetric:
        last = known.escrow[0].at if known.escrow else 0
        sheet.put("backup_key_escrow_test_timestamp", last)
    for store, since in known.credentials.items():
        sheet.put("backup_credentials_since_timestamp", since, store=store)
