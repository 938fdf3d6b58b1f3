"""Reading one stored artifact to its end: hashed, decrypted, decompressed and looked through, as a
stream; nothing of it becomes a file."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from engine.core.errors import CommandFailed, MentatError, ObjectDamaged
from engine.core.snapshot import Artifact, Manifest
from engine.core.verification import DUMP_MARKER
from engine.operations.backup_database import DUMP
from engine.operations.backup_tree import FILES
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.streams import unpack
from engine.ports import ObjectStore, StreamTap


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: `decrypt` False proves the stored bytes only, where no key is at hand."""

    ctx: Context
    decrypt: bool
    passphrase: str | None


def prove_snapshot(reading: Reading, manifest: Manifest) -> None:
    """Every artifact of a snapshot, to its end. DamageError, CipherError, StoreError, naming what
    is wrong with which object."""
    source, ctx = manifest.id.source, reading.ctx
    name = f"read {source} {manifest.id.ref}"
    size = manifest.raw_bytes if reading.decrypt else manifest.stored_bytes
    with Phase(ctx.emit, name, "Read to the end", source, size) as phase:
        for artifact in manifest.artifacts:
            try:
                prove_artifact(reading, manifest, artifact, phase)
            except MentatError as error:
                if artifact.name not in error.message:
                    error.message = f"{artifact.name}: {error.message}"
                    error.args = (error.message,)
                raise


def prove_artifact(reading: Reading, manifest: Manifest, artifact: Artifact, phase: Phase) -> None:
    """See prove_snapshot."""
    if not reading.decrypt:
        _hash_only(reading, manifest, artifact, phase)
    elif artifact.name == FILES and manifest.tree is not None and not manifest.base:
        _list_tar(reading, manifest, artifact, phase)
    else:
        _look_at_end(reading, manifest, artifact, phase)


def _hash_only(reading: Reading, manifest: Manifest, artifact: Artifact, phase: Phase) -> None:
    def refuse(_store: ObjectStore, error: MentatError) -> None:
        raise error  # another store's copy is no answer to the question

    done = 0
    phase.watch(lambda: done)
    with contextlib.closing(reading.ctx.repository.read(manifest.id, artifact, refuse)) as chunks:
        for chunk in chunks:
            done += len(chunk)


def _look_at_end(reading: Reading, manifest: Manifest, artifact: Artifact, phase: Phase) -> None:
    def look(tap: StreamTap) -> None:
        if artifact.name == DUMP and DUMP_MARKER not in tap.tail:
            raise ObjectDamaged(
                f"{artifact.name} ends without its completion marker: the dump is cut short",
                f"Back it up again: mentat-dr backup {manifest.id.source}",
            )

    unpack(reading.ctx, manifest.id, artifact, None, reading.passphrase, phase, look=look)


def _list_tar(reading: Reading, manifest: Manifest, artifact: Artifact, phase: Phase) -> None:
    """tar must read it to its end, and count what was packed."""
    ctx, tree = reading.ctx, manifest.tree
    assert tree is not None
    with ctx.trees.counting(Path("/"), ()) as counter:
        command = ctx.trees.list_command(counter.listing)
        unpack(ctx, manifest.id, artifact, command, reading.passphrase, phase, _no_tar)
    # A path named beside a folder around it may have come twice.
    twice = sum(any(_within(p, q) for q in tree.paths) for p in tree.paths)
    if not tree.members <= counter.members <= tree.members + twice:
        raise ObjectDamaged(
            f"{artifact.name} holds {counter.members} files and directories, {tree.members} were "
            "packed",
            f"Back it up again: mentat-dr backup {manifest.id.source}",
        )


def _within(path: str, folder: str) -> bool:
    return path != folder and (folder == "." or path.startswith(folder.rstrip("/") + "/"))


def _no_tar(stderr: object) -> Exception:
    lines = [str(line) for line in stderr] if isinstance(stderr, list | tuple) else []
    return ObjectDamaged(
        f"what decrypts is no whole tar: {lines[-1] if lines else 'tar does not say why'}",
        "Take an earlier snapshot, and back it up again.",
    )


UNABLE = (CommandFailed,)  # a program that did not do its part says nothing of the stored bytes
