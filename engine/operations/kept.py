"""Old data put aside by in-place restores: recorded before it is put aside, kept until released.

The record of a switch stands from before its first exchange. Until it says `switched`, a failed or
dead job's switch is found by the inodes of what was restored, and settled: forward when all of it
is live, else back."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from engine.core.errors import MentatError, SourceMissing, TreeError, UsageError
from engine.core.events import Result
from engine.core.objectives import KeptData
from engine.operations import durable, mounts
from engine.operations.context import Context
from engine.ports import Trees


@dataclass(frozen=True, slots=True)
class Swap:
    """One exchange of a restored path, whose inode is `inode`, with a live one."""

    new: str
    live: str
    inode: int

    @property
    def done(self) -> bool:
        """Whether the restored one is live."""
        try:
            return os.lstat(self.live).st_ino == self.inode
        except FileNotFoundError:
            return False

    def make(self, trees: Trees) -> None:
        new, live = Path(self.new), Path(self.live)
        if os.path.lexists(live):
            trees.exchange(new, live)
        else:
            new.rename(live)
            durable.sync_folder(live.parent)

    def unmake(self, trees: Trees) -> None:
        new, live = Path(self.new), Path(self.live)
        if os.path.lexists(new):
            trees.exchange(new, live)
        else:
            live.rename(new)
            durable.sync_folder(live.parent)


@dataclass(frozen=True, slots=True)
class Kept:
    """A volume's name or a directory's path that holds what was live before a restore. While
    `switched` is false it may hold the restored copy still, or a part of both."""

    id: str
    source: str
    how: Literal["volume", "directory"]
    what: str
    kept_at: datetime
    swaps: tuple[Swap, ...] = ()
    switched: bool = True


def _file(state: Path, kept_id: str) -> Path:
    return state / "kept" / f"{kept_id}.json"


def record(state: Path, kept: Kept) -> None:
    """Write the record durably."""
    durable.write(_file(state, kept.id), msgspec.json.encode(kept))


def forget(state: Path, kept_id: str) -> None:
    durable.remove(_file(state, kept_id))


def listed(state: Path) -> list[Kept]:
    """All that is recorded, oldest first; unreadable records are left out."""
    found = []
    for file in sorted((state / "kept").glob("*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=Kept))
        except (OSError, msgspec.MsgspecError):
            continue
    return sorted(found, key=lambda kept: kept.kept_at)


def holds(state: Path, what: str) -> bool:
    """Whether a volume or directory of this name holds, or may hold, what was live."""
    return any(kept.what == what for kept in listed(state))


def shown(state: Path) -> tuple[KeptData, ...]:
    return tuple(KeptData(k.id, k.source, k.what, k.kept_at) for k in listed(state) if k.switched)


def roll_back(ctx: Context, kept: Kept) -> None:
    """Undo what was exchanged and remove the restored copy. On an error the record stays, and so
    does everything it names."""
    for swap in reversed(kept.swaps):
        if swap.done:
            swap.unmake(ctx.trees)
    if any(swap.done for swap in kept.swaps):
        raise TreeError(
            f"the switch of {kept.source} could not be undone",
            f"The old data is in {kept.what}; nothing of it is removed.",
        )
    remove(ctx, kept)
    forget(ctx.state, kept.id)


def settle(ctx: Context, alive: Callable[[str], bool]) -> None:
    """Bring the switches of dead jobs to an end; what cannot be is said and stays recorded."""
    for kept in listed(ctx.state):
        if kept.switched or kept.id == ctx.job_id or alive(kept.id):
            continue
        try:
            if kept.swaps and all(swap.done for swap in kept.swaps):
                record(ctx.state, replace(kept, switched=True))
                ctx.warn(
                    "switched",
                    f"the restored data of {kept.source} is live, though its job {kept.id} died "
                    f"right after the switch; the old data is kept in {kept.what}",
                    kept.source,
                )
                continue
            roll_back(ctx, kept)
        except (MentatError, OSError) as error:
            ctx.warn("debris", f"{kept.what} of the dead job {kept.id} is left: {error}")
            continue
        ctx.warn(
            "debris",
            f"the job {kept.id} died before its switch: {kept.source} has its old data, the "
            "restored copy is removed",
            kept.source,
        )


def remove(ctx: Context, kept: Kept) -> None:
    """Remove the volume or directory; no error when it is gone already."""
    if kept.how == "volume":
        with contextlib.suppress(SourceMissing):
            ctx.containers().remove_volume(kept.what)
        return
    _require_unmounted(mounts.below([Path(kept.what)]), kept.what)
    try:
        shutil.rmtree(kept.what)
    except FileNotFoundError:
        return
    except OSError as error:
        raise TreeError(
            f"{error.filename} cannot be removed: {error.strerror}", "See the reason, try again."
        ) from error


def _require_unmounted(found: Sequence[Path], what: str) -> None:
    if found:
        raise TreeError(
            f"{found[0]} is mounted inside {what}: removing that would remove its data",
            f"Unmount it first: umount {found[0]}",
        )


def release(ctx: Context, kept_id: str, confirm: str) -> Result:
    """Remove old data for good. `confirm` must be its name or path. HeldError while a job works
    on the source: it may still need the old data."""
    for kept in listed(ctx.state):
        if kept.id == kept_id and kept.switched:
            break
    else:
        raise UsageError(f"nothing is kept under {kept_id!r}", "`mentat-dr restore --kept` lists.")
    if confirm != kept.what:
        raise UsageError(
            f"to remove it for good, its name must be given: {kept.what}",
            f"mentat-dr restore --release {kept.id} --confirm {kept.what}",
        )
    with ctx.lease(kept.source):
        remove(ctx, kept)
        forget(ctx.state, kept.id)
    return Result("done", f"removed {kept.what}, the data of {kept.source} before its restore")
