"""Since when credentials are in use. No provider tells their age, so it is remembered from the
first time they are seen; a secret file that is older tells more."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from engine.core.errors import ConfigurationError
from engine.core.metrics_keys import KeysKnown
from engine.operations.telling_state import Memory
from engine.settings import Secret, Settings, StoreSettings


def known(settings: Settings, memory: Memory, now: datetime) -> KeysKnown:
    """What was learnt of keys, with the credentials' ages as of now."""
    seen = memory.credentials()
    ages: dict[str, datetime] = {}
    current: dict[str, datetime] = {}
    for store in (settings.repository, *settings.replicas):
        if not store.access_key:
            continue
        mark = _mark(store)
        if mark is None:
            continue
        since = min([seen.get(mark, now), *_written(store.access_key, store.secret_key)])
        ages[store.shown] = current[mark] = since
    if current != seen:
        memory.keep_credentials(current)
    symmetric = settings.encryption.passphrase is not None
    return replace(memory.keys(), credentials=ages, symmetric=symmetric)


def _mark(store: StoreSettings) -> str | None:
    """Tells credentials apart without telling them; None when they cannot be read now."""
    try:
        both = f"{store.shown}\0{store.access_key.reveal()}\0{store.secret_key.reveal()}"
    except ConfigurationError:
        return None
    return hashlib.sha256(both.encode()).hexdigest()[:32]


def _written(*secrets: Secret) -> list[datetime]:
    """When the newest of the secrets' files was written; nothing when one is kept elsewhere."""
    if not all(secret.file for secret in secrets):
        return []
    try:
        newest = max(Path(secret.file).stat().st_mtime for secret in secrets)
    except OSError:
        return []
    return [datetime.fromtimestamp(newest, UTC)]
