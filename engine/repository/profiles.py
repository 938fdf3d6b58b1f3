"""Profiles of stores as they were probed, kept in state."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from engine.core.store_profile import StoreProfile


def load(state: Path, store: str) -> StoreProfile | None:
    """None when it was never probed, or what was found cannot be read."""
    return _all(state).get(store)


def save(state: Path, profile: StoreProfile) -> None:
    """Replace what is known of this store. OSError."""
    found = _all(state) | {profile.store: profile}
    file = _file(state)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f".{file.name}.new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as stream:
        stream.write(msgspec.json.encode(found))
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def _file(state: Path) -> Path:
    return state / "store-profiles.json"


def _all(state: Path) -> dict[str, StoreProfile]:
    try:
        return msgspec.json.decode(_file(state).read_bytes(), type=dict[str, StoreProfile])
    except (OSError, msgspec.MsgspecError):
        return {}
