"""A physical snapshot's files: onto a new volume, prepared in a container without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Command
from engine.core.errors import DatabaseError, UsageError
from engine.core.physical import Way, mismatch, way_of
from engine.operations import debris, rates, restore_database
from engine.operations.progress import Phase
from engine.operations.restore_tree import LABEL
from engine.operations.streams import announce, unpack
from engine.ports import Container, Volume

if TYPE_CHECKING:
    from engine.operations.restore import Restoring

_PREPARE_SECONDS = 6 * 3600.0
_IDLE = ("sleep", "604800")
_USUAL = "/var/lib/mysql"


def way_of_snapshot(restoring: Restoring) -> Way:
    facts = restore_database.facts_of(restoring)
    way = way_of(facts.flavor, [a.name for a in restoring.manifest.artifacts])
    if way is None:
        raise DatabaseError(
            "this mentat-dr does not know how this physical snapshot was made",
            "Use a newer one, or restore a logical snapshot.",
        )
    return way


def directory_of(restoring: Restoring) -> str:
    """Where the image's server keeps its data."""
    return restore_database.facts_of(restoring).data_directory.rstrip("/") or _USUAL


def image_of(restoring: Restoring, model: Container | None) -> str:
    return model.image_id if model else restore_database.facts_of(restoring).image


def unpack_onto(restoring: Restoring, volume: Volume, model: Container | None) -> None:
    """Files onto the volume, owned as the image wants them, ready for a server."""
    ctx, way = restoring.ctx, way_of_snapshot(restoring)
    containers, name = ctx.containers(), restoring.request.source
    artifact = restoring.manifest.artifacts[0]
    workshop = f"mentat-dr-prepare-{restoring.stamp}"
    with debris.noted(ctx, "container", workshop):
        containers.create_like(
            None,
            image=image_of(restoring, model),
            name=workshop,
            mounts={volume.name: directory_of(restoring)},
            labels={LABEL: "prepare"},
            network="none",
            command=_IDLE,
        )
        try:
            if way.extract:
                containers.start(workshop)
                _require_series(restoring, workshop, way)
            owner = volume.mountpoint.stat()  # the image's own folder was copied there
            _empty(volume.mountpoint)
            title = "Download, decrypt, unpack"
            with Phase(ctx.emit, f"unpack {name}", title, name, artifact.raw_bytes) as phase:
                unpack(
                    ctx,
                    restoring.snapshot,
                    artifact,
                    _extraction(restoring, workshop, volume, way),
                    restoring.passphrase,
                    phase,
                )
            steps = (f"unpack {name} physical", "unpack physical")
            rates.record(ctx.state, steps, artifact.raw_bytes, phase.seconds, ctx.clock())
            with Phase(ctx.emit, f"prepare {name}", "Apply what came while it was copied", name):
                _prepare(restoring, workshop, way)
                _own(volume.mountpoint, owner.st_uid, owner.st_gid)
        finally:
            containers.remove_container(workshop)


def _extraction(restoring: Restoring, workshop: str, volume: Volume, way: Way) -> Command:
    ctx = restoring.ctx
    if not way.extract:
        return ctx.trees.unpack_command(volume.mountpoint)
    argv = way.extract_into(directory_of(restoring))
    return ctx.containers().exec_command(workshop, argv, label=argv[0], marker=ctx.marker)


def _require_series(restoring: Restoring, workshop: str, way: Way) -> None:
    """The image's server must be of the series that the files are of."""
    ctx = restoring.ctx
    command = ctx.containers().exec_command(
        workshop, [way.server, "--no-defaults", "--version"], label="version", marker=ctx.marker
    )
    ended = ctx.processes.run(command, timeout=60, check=False)
    said = ended.stdout.decode("utf-8", "replace")
    version = said.partition("Ver ")[2] or said
    wrong = mismatch(restore_database.facts_of(restoring).version, version)
    if ended.ok and wrong:
        raise UsageError(f"{wrong}; nothing was changed", way_out(restoring.request.source))


def way_out(source: str) -> str:
    """What to do where files of another version cannot be used."""
    return (
        "A logical snapshot loads into any newer version: mentat-dr snapshots --source "
        f"{source}; or use --to container with the image of the old version."
    )


def _prepare(restoring: Restoring, workshop: str, way: Way) -> None:
    if not way.prepare:
        return
    ctx = restoring.ctx
    argv = way.prepare_in(directory_of(restoring))
    command = ctx.containers().exec_command(workshop, argv, label=argv[0], marker=ctx.marker)
    announce(ctx, command)
    ended = ctx.processes.run(command, timeout=_PREPARE_SECONDS, check=False)
    if not ended.ok or not any(way.done in line for line in ended.stderr[-5:]):
        last = next((line for line in reversed(ended.stderr) if line.strip()), "it said nothing")
        raise DatabaseError(
            f"the files could not be prepared: {last[:300]}",
            "Nothing live was changed. Restore another snapshot, or a logical one.",
        )


def _empty(folder: Path) -> None:
    """Remove what the image brought along: the snapshot must not mix with it."""
    for path in folder.rglob("*"):
        if not path.is_dir() or path.is_symlink():
            path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()


def _own(folder: Path, uid: int, gid: int) -> None:
    """Give all of it to the account that the image's data directory belongs to."""
    os.chown(folder, uid, gid)
    for path in folder.rglob("*"):
        os.chown(path, uid, gid, follow_symlinks=False)
