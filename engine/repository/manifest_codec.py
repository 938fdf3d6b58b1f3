"""Manifests as JSON documents: what is written, and what is refused when read."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

import msgspec

from engine.core.errors import DamageError
from engine.core.snapshot import (
    FORMAT_MAJOR,
    Artifact,
    DatabaseFacts,
    Manifest,
    SnapshotId,
    TreeFacts,
)

_KNOWN = {f.name for f in fields(Manifest)} - {"id", "extra"}
_IDENTITY = ("host", "source", "at", "method", "id")


def encode(manifest: Manifest) -> bytes:
    """Readable JSON, fields in a fixed order, newline at the end."""
    document: dict[str, Any] = {"format": manifest.format}
    for name in _IDENTITY:
        document[name] = getattr(manifest.id, name)
    for name in (f.name for f in fields(Manifest)):
        if name in _KNOWN and name != "format":
            document[name] = getattr(manifest, name)
    document["raw_bytes"] = manifest.raw_bytes
    document["stored_bytes"] = manifest.stored_bytes
    document.update({k: v for k, v in manifest.extra.items() if k not in document})
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def decode(document: bytes) -> Manifest:
    """The manifest in a document. Unknown fields are kept in `extra`; DamageError for text that
    is no manifest, and for a format this version does not know."""
    try:
        content = msgspec.json.decode(document, type=dict[str, Any])
        version = str(content.pop("format"))
        if int(version.split(".")[0]) != FORMAT_MAJOR:
            raise DamageError(
                f"this snapshot is of format {version}; this mentat-dr reads {FORMAT_MAJOR}.x",
                "Use a newer mentat-dr, or restore by RECOVERY.md with bare tools.",
            )
        identity = msgspec.convert({n: content.pop(n) for n in _IDENTITY}, SnapshotId)
        for computed in ("raw_bytes", "stored_bytes"):
            content.pop(computed, None)
        known = {name: content.pop(name) for name in list(content) if name in _KNOWN}
        return Manifest(
            format=version,
            id=identity,
            kind=known["kind"],
            started=msgspec.convert(known["started"], datetime),
            finished=msgspec.convert(known["finished"], datetime),
            recoverable_to=msgspec.convert(known["recoverable_to"], datetime),
            artifacts=msgspec.convert(known["artifacts"], tuple[Artifact, ...]),
            recipients=tuple(known.get("recipients", ())),
            base=known.get("base", ""),
            database=msgspec.convert(known.get("database"), DatabaseFacts | None),
            tree=msgspec.convert(known.get("tree"), TreeFacts | None),
            warnings=tuple(known.get("warnings", ())),
            tools=known.get("tools", {}),
            engine_version=known.get("engine_version", ""),
            extra=content,
        )
    except (msgspec.DecodeError, KeyError, ValueError, TypeError) as error:
        raise DamageError(
            f"the manifest cannot be read: {error}",
            "Choose another snapshot; `mentat-dr snapshots` lists them.",
        ) from error
