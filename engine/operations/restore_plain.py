"""A database snapshot's plain bytes: written out for people, or read where they are few."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Command
from engine.core.errors import DatabaseError
from engine.core.events import Result
from engine.core.snapshot import Artifact
from engine.operations import load_split
from engine.operations.backup_database import DUMP
from engine.operations.progress import Phase
from engine.operations.restore_tree import empty_target, move_in, require_space, staging_beside
from engine.operations.streams import unpack

if TYPE_CHECKING:
    from engine.operations.restore import Restoring


def artifact_of(restoring: Restoring, name: str) -> Artifact:
    for artifact in restoring.manifest.artifacts:
        if artifact.name == name:
            return artifact
    raise DatabaseError(f"the manifest names no {name}", "Choose another snapshot.")


def to_directory(restoring: Restoring) -> Result:
    """Plain SQL files, or the plain stream of a physical snapshot, proven by hash: for reading, or
    for a client by hand."""
    ctx = restoring.ctx
    target = empty_target(restoring.request.target.path)
    with staging_beside(ctx, target.parent) as (staging, _note):
        require_space(restoring, staging, restoring.manifest.raw_bytes)
        for artifact in restoring.manifest.artifacts:
            plain = staging / artifact.name.removesuffix(".zst.gpg")
            if restoring.request.parts and artifact.name == DUMP:
                _write_parts(restoring, artifact, plain)
            else:
                _write_plain(restoring, artifact, plain)
        move_in(staging, target)
    facts = {"bytes": restoring.manifest.raw_bytes, "target": str(target)}
    what = "plain stream of files" if restoring.snapshot.method == "physical" else "plain SQL"
    return Result("done", f"{what} written to {target}, its hash proven", facts)


def _write_parts(restoring: Restoring, artifact: Artifact, file: Path) -> None:
    name = restoring.request.source
    title = "Download, decrypt, pick out"
    with Phase(restoring.ctx.emit, f"write {file.name}", title, name, artifact.raw_bytes) as phase:
        load_split.write(restoring, artifact, file, phase)


def _write_plain(restoring: Restoring, artifact: Artifact, file: Path) -> None:
    ctx = restoring.ctx
    with Phase(
        ctx.emit,
        f"write {file.name}",
        "Download and decrypt",
        restoring.request.source,
        artifact.raw_bytes,
    ) as phase:
        command = Command(
            ("dd", f"of={file}", "bs=1M", "iflag=fullblock", "conv=fsync", "status=none"),
            label="dd",
        )
        unpack(ctx, restoring.snapshot, artifact, command, restoring.passphrase, phase)


def read_small(restoring: Restoring, artifact: Artifact) -> bytes:
    """The plain bytes of a small artifact, proven; accounts, never table data."""
    ctx = restoring.ctx
    folder = ctx.state / "jobs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f".users-{ctx.job_id}.sql"
    try:
        _write_plain(restoring, artifact, file)
        return file.read_bytes()
    finally:
        file.unlink(missing_ok=True)
