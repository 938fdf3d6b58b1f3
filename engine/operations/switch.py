"""Switching restored data in: exchanges that are undone when a later one fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import MentatError, TreeError
from engine.operations import debris, kept
from engine.ports import Container, Containers, Volume

if TYPE_CHECKING:
    from engine.operations.restore import Restoring


def volume(restoring: Restoring, restored: Volume, live: Volume, note: debris.Note) -> str:
    """Swap the two volumes' data in one atomic step, with the containers that use `live` stopped
    for it and started again as they were found. Afterwards `restored` holds the old data and is
    kept under its name, which is returned; empty when there was none to keep."""
    ctx = restoring.ctx
    containers = ctx.containers()
    record = kept.Kept(ctx.job_id, restoring.request.source, "volume", restored.name, ctx.clock())
    had_data = any(live.mountpoint.iterdir())
    with _stopped(restoring, containers, containers.using(live.name)):
        kept.record(ctx.state, record)
        note.drop()
        try:
            ctx.trees.exchange(restored.mountpoint, live.mountpoint)
        except BaseException:
            kept.forget(ctx.state, record.id)
            raise
    ctx.trees.sync(live.mountpoint)
    if had_data:
        return restored.name
    kept.forget(ctx.state, record.id)
    containers.remove_volume(restored.name)
    return ""


def undo(restoring: Restoring, restored: Volume, live: Volume) -> None:
    """Put the old data back after `volume`, and drop the restored copy."""
    ctx = restoring.ctx
    containers = ctx.containers()
    if not kept.holds(ctx.state, restored.name):
        return
    with _stopped(restoring, containers, containers.using(live.name)):
        ctx.trees.exchange(restored.mountpoint, live.mountpoint)
    ctx.warn(
        "switched-back", f"the old data of {live.name} is live again", restoring.request.source
    )
    kept.forget(ctx.state, ctx.job_id)
    containers.remove_volume(restored.name)


@contextlib.contextmanager
def _stopped(
    restoring: Restoring, containers: Containers, using: Sequence[Container]
) -> Iterator[None]:
    """Stop what uses the volume: a running container holds the old directory open. A paused one
    is let go on for its end and paused again after."""
    paused = [c.name for c in using if c.state == "paused"]
    for name in paused:
        containers.unpause(name)
    running = [c.name for c in using if c.state in ("running", "paused", "restarting")]
    with restoring.ctx.quiesced(running, "stop"):
        yield
    for name in paused:
        containers.pause(name)


def require_one_file_system(staging: Path, live: Sequence[Path]) -> None:
    """An atomic switch needs both on one file system; TreeError naming the path that is not."""
    device = staging.stat().st_dev
    for path in live:
        present = path if path.exists() else path.parent
        while not present.exists():
            present = present.parent
        if present.stat().st_dev != device or (path.exists() and path.is_mount()):
            raise TreeError(
                f"{path} is on another file system than {staging.parent}",
                "Restore to a directory (--to DIR) and copy from there.",
            )


def paths(restoring: Restoring, staging: Path, root: Path, relative: Sequence[str]) -> None:
    """Swap each restored path with the live one; all of them or, on an error, none.

    Afterwards staging holds the old ones (those that were missing are absent from it)."""
    trees = restoring.ctx.trees
    undo: list[tuple[Path, Path, bool]] = []
    try:
        for path in relative:
            new, live = staging / path, root / path
            if live.exists() or live.is_symlink():
                trees.exchange(new, live)
                undo.append((new, live, True))
            else:
                live.parent.mkdir(parents=True, exist_ok=True)
                new.rename(live)
                undo.append((new, live, False))
    except (MentatError, OSError) as error:
        for new, live, exchanged in reversed(undo):
            if exchanged:
                trees.exchange(new, live)
            else:
                live.rename(new)
        if isinstance(error, MentatError):
            raise
        raise TreeError(
            f"{error.filename} could not be switched in: {error.strerror}",
            "All paths are as they were. Restore to a directory (--to DIR) instead.",
        ) from error
    for path in relative:
        trees.sync(root / path)
