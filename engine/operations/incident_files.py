"""What a file is, for the record."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.core.errors import TreeError


def measured(path: str) -> tuple[str, str, int]:
    """Its name, its SHA-256 and its size in bytes. TreeError when it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Path(path).name, digest, stream.tell()
    except OSError as error:
        raise TreeError(
            f"{path} cannot be read: {error.strerror}", "Name a file, not a folder."
        ) from error
