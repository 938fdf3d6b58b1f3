"""Old data put aside by in-place restores: recorded before it is put aside, kept until released."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from engine.core.errors import UsageError
from engine.core.events import Result
from engine.core.objectives import KeptData
from engine.operations.context import Context


@dataclass(frozen=True, slots=True)
class Kept:
    """A volume's name or a directory's path that holds what was live before a restore."""

    id: str
    source: str
    how: Literal["volume", "directory"]
    what: str
    kept_at: datetime


def _folder(state: Path) -> Path:
    return state / "kept"


def record(state: Path, kept: Kept) -> None:
    """Write the record durably."""
    folder = _folder(state)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / f"{kept.id}.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as stream:
        stream.write(msgspec.json.encode(kept))
        stream.flush()
        os.fsync(stream.fileno())


def forget(state: Path, kept_id: str) -> None:
    (_folder(state) / f"{kept_id}.json").unlink(missing_ok=True)


def listed(state: Path) -> list[Kept]:
    """All that is kept, oldest first; unreadable records are left out."""
    found = []
    for file in sorted(_folder(state).glob("*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=Kept))
        except (OSError, msgspec.MsgspecError):
            continue
    return sorted(found, key=lambda kept: kept.kept_at)


def holds(state: Path, what: str) -> bool:
    """Whether a volume or directory of this name is kept."""
    return any(kept.what == what for kept in listed(state))


def shown(state: Path) -> tuple[KeptData, ...]:
    return tuple(KeptData(k.id, k.source, k.what, k.kept_at) for k in listed(state))


def release(ctx: Context, kept_id: str, confirm: str) -> Result:
    """Remove old data for good. `confirm` must be its name or path."""
    for kept in listed(ctx.state):
        if kept.id == kept_id:
            break
    else:
        raise UsageError(f"nothing is kept under {kept_id!r}", "`mentat-dr restore --kept` lists.")
    if confirm != kept.what:
        raise UsageError(
            f"to remove it for good, its name must be given: {kept.what}",
            f"mentat-dr restore --release {kept.id} --confirm {kept.what}",
        )
    if kept.how == "volume":
        ctx.containers().remove_volume(kept.what)
    else:
        shutil.rmtree(kept.what)
    forget(ctx.state, kept.id)
    return Result("done", f"removed {kept.what}, the data of {kept.source} before its restore")
