"""Switching restored data in: exchanges that are undone when a later one fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import TreeError
from engine.operations import debris, kept, mounts
from engine.ports import Container, Containers, Volume

if TYPE_CHECKING:
    from engine.operations.context import Context
    from engine.operations.restore import Restoring

_RUNNING = ("running", "restarting")


@dataclass(frozen=True, slots=True)
class Switched:
    """kept: the name under which the old data is kept, empty when there was none. running: the
    containers that ran when the switch began."""

    kept: str
    running: tuple[str, ...]


def volume(restoring: Restoring, restored: Volume, live: Volume, note: debris.Note) -> Switched:
    """Swap the two volumes' data in one atomic step, with the containers that use `live` stopped
    for it and started again as they were found. Afterwards `restored` holds the old data and is
    kept under its name. On an error both are as they were and `restored` is removed."""
    ctx = restoring.ctx
    containers = ctx.containers()
    using = containers.using(live.name)
    with _stopped(restoring, containers, using):
        # Now: what a container wrote until its end must be kept too.
        had_data = live.mountpoint.is_dir() and any(live.mountpoint.iterdir())
        live.mountpoint.mkdir(parents=True, exist_ok=True)
        swap = kept.Swap(
            str(restored.mountpoint), str(live.mountpoint), restored.mountpoint.stat().st_ino
        )
        record = kept.Kept(
            ctx.job_id,
            restoring.request.source,
            "volume",
            restored.name,
            ctx.clock(),
            (swap,),
            switched=False,
        )
        kept.record(ctx.state, record)
        note.drop()
        _make(ctx, record)
    ran = tuple(c.name for c in using if c.state in _RUNNING)
    if had_data:
        return Switched(restored.name, ran)
    kept.remove(ctx, record)
    kept.forget(ctx.state, record.id)
    return Switched("", ran)


def undo(restoring: Restoring, switched: Switched, live: Volume) -> None:
    """Put the old data back after `volume`, start what ran before, and drop the restored copy."""
    ctx = restoring.ctx
    containers = ctx.containers()
    record = next((k for k in kept.listed(ctx.state) if k.id == ctx.job_id), None)
    if record is None or not switched.kept:
        return
    kept.record(ctx.state, replace(record, switched=False))
    with _stopped(restoring, containers, containers.using(live.name)):
        kept.roll_back(ctx, record)
    for name in switched.running:  # the restored data may have made it end
        if containers.container(name).state not in _RUNNING:
            containers.start(name)
    ctx.warn(
        "switched-back", f"the old data of {live.name} is live again", restoring.request.source
    )


def _make(ctx: Context, record: kept.Kept) -> None:
    """All exchanges of the record or, on any error, none."""
    try:
        for swap in record.swaps:
            swap.make(ctx.trees)
        for swap in record.swaps:
            ctx.trees.sync(Path(swap.live))
        kept.record(ctx.state, replace(record, switched=True))
    except BaseException as error:
        kept.roll_back(ctx, record)
        if isinstance(error, OSError):
            raise TreeError(
                f"{error.filename} could not be switched in: {error.strerror}",
                "All is as it was. Restore to a directory (--to DIR) instead.",
            ) from error
        raise


@contextlib.contextmanager
def _stopped(
    restoring: Restoring, containers: Containers, using: Sequence[Container]
) -> Iterator[None]:
    """Stop what uses the volume: a running container holds the old directory open. A paused one
    is let go on for its end and paused again after."""
    paused = [c.name for c in using if c.state == "paused"]
    running = [c.name for c in using if c.state in (*_RUNNING, "paused")]
    try:
        for name in paused:
            containers.unpause(name)
        with restoring.ctx.quiesced(running, "stop"):
            yield
    finally:
        for name in paused:
            if containers.container(name).state == "running":
                containers.pause(name)


def require_switchable(restored: Path, live: Sequence[Path]) -> None:
    """An atomic switch needs both on one file system, and nothing mounted there, which would be
    carried off with the old data. TreeError naming the path that stands against it."""
    device = restored.stat().st_dev
    for path in live:
        present = path
        while not os.path.lexists(present):
            present = present.parent
        if present.lstat().st_dev != device:
            raise TreeError(
                f"{path} is on another file system than {restored}",
                "Restore to a directory (--to DIR) and copy from there.",
            )
    found = mounts.below(live)
    if found:
        raise TreeError(
            f"{found[0]} is a mount point, so it cannot be switched together with what is around",
            "Unmount it first, or restore to a directory (--to DIR) and copy from there.",
        )


def outermost(paths: Sequence[str]) -> list[str]:
    """The paths in their shortest spelling, without those that lie inside another: these come
    with it."""
    plain = list(dict.fromkeys(os.path.normpath(path) for path in paths))
    return [
        p for p in plain if not any(p != q and (q == "." or p.startswith(q + "/")) for q in plain)
    ]


def paths(
    restoring: Restoring,
    staging: Path,
    before: Path,
    root: Path,
    relative: Sequence[str],
    note: debris.Note,
) -> None:
    """Swap each restored path with the live one; all of them or, on an error, none.

    Afterwards `before` holds the old ones (those that were missing are absent from it)."""
    ctx = restoring.ctx
    for path in relative:
        _make_parents((root / path).parent)
    swaps = tuple(
        kept.Swap(str(before / path), str(root / path), (staging / path).lstat().st_ino)
        for path in relative
    )
    record = kept.Kept(
        ctx.job_id,
        restoring.request.source,
        "directory",
        str(before),
        ctx.clock(),
        swaps,
        switched=False,
    )
    kept.record(ctx.state, record)
    try:
        staging.rename(before)
    except BaseException:
        if not os.path.lexists(before):
            kept.forget(ctx.state, record.id)
        raise
    note.drop()
    _make(ctx, record)


def _make_parents(folder: Path) -> None:
    """As mkdir -p, for others to pass: these folders are not part of the snapshot."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        path.chmod(0o755)
