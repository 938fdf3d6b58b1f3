"""Keeping evidence: files, containers' logs and definitions, encrypted and hashed, in the store.

`v1/<host>/journal/incidents/<id>/evidence/<UTC>-<name>.zst.gpg`; its hashes stand in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.core.commands import Command
from engine.core.errors import SourceMissing, UsageError
from engine.core.events import Result
from engine.core.snapshot import Artifact, format_utc
from engine.operations import incident_copy
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.streams import pack
from engine.repository.writing import ArtifactWriter

LOG_LINES = 100_000
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


def keep(ctx: Context, incident: str, paths: Sequence[str], containers: Sequence[str]) -> Result:
    """Keep these, each as one artifact. What is missing is a warning, as long as anything is kept;
    facts hold name, SHA-256 of the plain bytes, size and key of each."""
    if not paths and not containers:
        raise UsageError("nothing is named to be kept", "Give paths or containers.")
    ctx.repository.cipher.recipients()  # a key that cannot encrypt fails before anything is read
    kept: list[dict[str, Any]] = []
    there = [path for path in paths if Path(path).exists()]
    missing = [path for path in paths if path not in there]
    if there:
        relative = [path.lstrip("/") for path in there]
        with ctx.trees.counting(Path("/"), relative) as counter:
            command = ctx.trees.pack_command(Path("/"), relative, (), counter.listing)
            name = f"files of {', '.join(there)}"
            kept.append(_one(ctx, incident, name, "files.tar", command))
    for container in containers:
        try:
            found = ctx.containers().container(container)
        except SourceMissing:
            missing.append(container)
            continue
        definition = msgspec.json.encode(dict(found.definition), enc_hook=str)
        label = f"{container}.json"
        kept.append(_one(ctx, incident, f"definition of {container}", label, definition))
        log = "\n".join(ctx.containers().logs(container, LOG_LINES)).encode()
        kept.append(_one(ctx, incident, f"log of {container}", f"{container}.log", log))
    for name in missing:
        ctx.warn("evidence", f"{name} does not exist: nothing of it is kept")
    if not kept:
        raise SourceMissing(f"{', '.join(missing)}: none of it exists", "Name what is to be kept.")
    outcome = "warnings" if missing else "done"
    return Result(outcome, f"{len(kept)} pieces of evidence kept", {"evidence": kept})  # type: ignore[arg-type]


def _one(
    ctx: Context, incident: str, name: str, label: str, producer: Command | bytes
) -> dict[str, Any]:
    label = _STRANGE.sub("_", label)[:80]
    where = incident_copy.folder(ctx.host, incident) if incident else f"v1/{ctx.host}/journal/"
    key = f"{where}evidence/{format_utc(ctx.clock())}-{label}.zst.gpg"
    writer = ArtifactWriter(ctx.repository.store, key)
    explain = ctx.trees.pack_error if isinstance(producer, Command) else None
    try:
        with Phase(ctx.emit, f"keep {label}", f"Keep {name}") as phase:
            # An empty producer still makes an artifact: that a log is empty is evidence too.
            packed = pack(ctx, writer, label, producer, phase, explain=explain)
            writer.complete()
    except BaseException:
        writer.abort()
        raise
    artifact: Artifact = packed.artifact
    return {
        "name": name,
        "sha256": artifact.raw_sha256,
        "stored_sha256": artifact.stored_sha256,
        "size": artifact.raw_bytes,
        "where": key,
    }
