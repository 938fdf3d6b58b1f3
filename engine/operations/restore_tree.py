"""Restoring a volume or configuration paths: unpacked beside, counted, then switched in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import (
    ContainersError,
    NoSpace,
    RestoreDiffers,
    SourceMissing,
    TreeError,
    UsageError,
)
from engine.core.events import Result
from engine.core.snapshot import TreeFacts
from engine.operations import debris, rates, switch
from engine.operations.durable import sync_folder
from engine.operations.progress import Phase
from engine.operations.streams import unpack
from engine.operations.write_out import WriteOut
from engine.ports import Containers, Volume

if TYPE_CHECKING:
    from engine.operations.context import Context
    from engine.operations.restore import Restoring

LABEL = "mentat-dr"


def run(restoring: Restoring) -> Result:
    where = restoring.request.target.where
    if where == "directory":
        return _to_directory(restoring)
    tree = _tree(restoring)
    if where == "container":
        if not tree.volume:
            raise UsageError(
                "configuration paths cannot be restored into a container",
                "Use --to DIR or --to in-place.",
            )
        return _to_new_volume(restoring, tree)
    return _volume_in_place(restoring, tree) if tree.volume else _paths_in_place(restoring, tree)


def _tree(restoring: Restoring) -> TreeFacts:
    tree = restoring.manifest.tree
    if tree is None:
        raise TreeError("the manifest says nothing of files", "Choose another snapshot.")
    return tree


def fill(restoring: Restoring, folder: Path) -> dict[str, object]:
    """Unpack the snapshot into an empty folder and prove that all of it is there, durably."""
    ctx, manifest = restoring.ctx, restoring.manifest
    artifact = manifest.artifacts[0]
    tree = _tree(restoring)
    require_space(restoring, folder, manifest.raw_bytes)
    source = manifest.id.source
    name = f"unpack {source}"
    with WriteOut(lambda: ctx.trees.sync(folder)) as written:
        with Phase(
            ctx.emit, name, "Download, decrypt, unpack", source, artifact.raw_bytes
        ) as phase:
            command = ctx.trees.unpack_command(folder)
            explain = ctx.trees.unpack_error
            ended = unpack(
                ctx, manifest.id, artifact, command, restoring.passphrase, phase, explain
            )
        for line in ctx.trees.unpack_warnings(ended[-1].stderr):
            ctx.warn("unpack", line, source)
        with Phase(ctx.emit, f"verify {source}", "Count and sync", source):
            written.last()
            found = ctx.trees.count(folder, tree.paths)
            if found != tree.members:
                raise RestoreDiffers(
                    f"{found} files and directories were restored, {tree.members} were backed up",
                    "The live data is untouched. See the journal; try another snapshot.",
                )
            written.finish()
    names = (name, f"unpack {manifest.kind}")
    rates.record(ctx.state, names, artifact.raw_bytes, phase.seconds, ctx.clock())
    return {"members": found, "raw_sha256": artifact.raw_sha256, "bytes": artifact.raw_bytes}


def require_space(restoring: Restoring, folder: Path, needed: int) -> None:
    free = restoring.ctx.trees.free_bytes(folder)
    if free < needed:
        raise NoSpace(
            f"{needed} bytes are needed below {folder}, {free} are free",
            "Free space or choose another target; nothing was changed.",
        )


@contextlib.contextmanager
def staging_beside(ctx: Context, parent: Path) -> Iterator[tuple[Path, debris.Note]]:
    """A private folder beside the target, removed when the block fails; moved away by the block
    otherwise."""
    staging = parent / f".mentat-dr-restore-{ctx.job_id}"
    with debris.noted(ctx, "directory", str(staging)) as note:
        try:
            staging.mkdir(mode=0o700)
        except OSError as error:
            raise TreeError(
                f"{staging} cannot be made: {error.strerror}",
                "Choose a target that can be written.",
            ) from error
        yield staging, note


def empty_target(path: str) -> Path:
    """The directory to restore to, which must not exist or be empty, nor be a mount point; its
    parents are made."""
    target = Path(path)
    if not target.is_absolute():
        # A job has no place of its own that the operator could mean.
        raise UsageError(f"{path!r} is not an absolute path", "Begin it with a slash.")
    problem = target_problem(target)
    if problem is not None:
        raise problem
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{target.parent} cannot be made: {error.strerror}", "Choose another directory."
        ) from error
    return target


def target_problem(target: Path) -> UsageError | None:
    """Why nothing can be restored to this directory, as far as a look can tell."""
    try:
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            return UsageError(f"{target} is not a directory", "Choose a name that is free.")
        if target.is_mount():
            return UsageError(
                f"{target} is a mount point, which cannot be replaced by what was proven beside it",
                f"Choose a directory in it, such as {target / 'restored'}",
            )
        if target.is_dir() and any(target.iterdir()):
            return UsageError(f"{target} is not empty", "Choose an empty or a new directory.")
    except OSError as error:
        return UsageError(
            f"{target} cannot be looked at: {error.strerror}", "Choose another directory."
        )
    return None


def move_in(staging: Path, target: Path) -> None:
    """Give what was proven its final name, durably. TreeError when something came there first."""
    try:
        staging.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise TreeError(
            f"{target} cannot be made: {error.strerror}",
            "Choose a directory that nobody else uses.",
        ) from error


def _to_directory(restoring: Restoring) -> Result:
    target = empty_target(restoring.request.target.path)
    with staging_beside(restoring.ctx, target.parent) as (staging, _note):
        facts = fill(restoring, staging)
        move_in(staging, target)
    return Result(
        "done",
        f"restored to {target}, {facts['members']} files and directories proven",
        {**facts, "target": str(target)},
    )


def _to_new_volume(restoring: Restoring, tree: TreeFacts) -> Result:
    ctx = restoring.ctx
    containers = ctx.containers()
    name = restoring.request.target.name or f"{tree.volume}_restored_{restoring.stamp}"
    labels = {LABEL: "restored", f"{LABEL}.source": restoring.request.source}
    made = ""
    with debris.noted(ctx, "volume", name):
        facts = fill(restoring, containers.create_volume(name, labels).mountpoint)
    for user in tree.containers[:1]:
        made = _container_for(restoring, tree, user, name)
    summary = f"restored into the new volume {name}, {facts['members']} files proven"
    if made:
        summary += f"; start its container with: docker start {made}"
    return Result("done", summary, {**facts, "target": name, "container": made})


def _container_for(restoring: Restoring, tree: TreeFacts, user: str, volume: str) -> str:
    """A stopped container of the image that used the volume, with the restored one mounted."""
    containers = restoring.ctx.containers()
    try:
        model = containers.container(user)
        mounted = next((m.destination for m in model.mounts if m.volume == tree.volume), "")
        if not mounted:
            return ""
        return containers.create_like(
            model,
            image=tree.images.get(user, model.image),
            name=f"{volume}-{user}",
            mounts={volume: mounted},
            labels={LABEL: "restored"},
        ).name
    except (SourceMissing, ContainersError) as error:
        restoring.ctx.warn("container", f"no container was made for it: {error.message}")
        return ""


def _volume_in_place(restoring: Restoring, tree: TreeFacts) -> Result:
    ctx = restoring.ctx
    containers = ctx.containers()
    name = (restoring.source.volume if restoring.source else "") or tree.volume
    live = _live_volume(containers, name)
    before = f"{name}_before_{restoring.stamp}"
    labels = {LABEL: "kept", f"{LABEL}.source": restoring.request.source}
    with debris.noted(ctx, "volume", before) as note:
        restored = containers.create_volume(before, labels)
        if live is not None:
            switch.require_switchable(restored.mountpoint, [live.mountpoint])
        facts = fill(restoring, restored.mountpoint)
        if live is None:
            ctx.warn("volume-made", f"the volume {name} was gone and is made anew", tree.volume)
            live = containers.create_volume(name, {})
        with Phase(ctx.emit, "switch", "Switch the restored data in", restoring.request.source):
            old = switch.volume(restoring, restored, live, note).kept
    return Result(
        "done",
        f"{name} is restored, {facts['members']} files and directories proven{kept_words(old)}",
        {**facts, "target": name, "kept": old},
    )


def _live_volume(containers: Containers, name: str) -> Volume | None:
    try:
        return containers.volume(name)
    except SourceMissing:
        return None


def kept_words(old: str) -> str:
    """How a summary tells where the old data is."""
    return f"; the old data is kept as volume {old}" if old else "; there was no old data"


def _paths_in_place(restoring: Restoring, tree: TreeFacts) -> Result:
    ctx = restoring.ctx
    root = Path(tree.root)
    relative = switch.outermost(tree.paths)
    if "." in relative:
        raise UsageError(
            "the whole of / cannot be switched while it is in use",
            "Restore to a directory (--to DIR) and copy from there.",
        )
    first = root / relative[0]
    before = first.parent / f"{first.name}_before_{restoring.stamp}"
    with staging_beside(ctx, _existing(first.parent)) as (staging, note):
        switch.require_switchable(staging, [root / path for path in relative])
        facts = fill(restoring, staging)
        with Phase(ctx.emit, "switch", "Switch the restored paths in", restoring.request.source):
            switch.paths(restoring, staging, before, root, relative, note)
    return Result(
        "done",
        f"{', '.join('/' + p for p in relative)} restored, {facts['members']} files and "
        f"directories proven; the old ones are kept in {before}",
        {**facts, "target": ", ".join("/" + p for p in relative), "kept": str(before)},
    )


def _existing(folder: Path) -> Path:
    while not folder.is_dir():
        folder = folder.parent
    return folder
