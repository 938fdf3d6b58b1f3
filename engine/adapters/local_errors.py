"""The one place where a directory store's OSErrors become StoreErrors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.core.errors import MentatError, NoSpace, StoreDenied, StoreError, StoreUnreachable

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_GONE = {errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EHOSTDOWN}
_NAME = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn an OSError raised inside into one of ours. `doing` reads `writing v1/a/b`."""
    try:
        yield
    except OSError as error:
        raise translate(error, path, doing) from error


def translate(error: OSError, path: Path, doing: str) -> MentatError:
    """The error of ours for an OSError met at path."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return NoSpace(
            f"no space left at {path.parent} while {doing} ({free_bytes(path)} bytes free)",
            "Free space there, shorten the local retention, or run `mentat-dr prune`.",
        )
    if error.errno in _DENIED:
        return StoreDenied(
            f"{doing} is not allowed: {reason} ({path})",
            "Run as the user who owns the store's directory, and check that it is not read-only.",
        )
    if error.errno in _GONE:
        return StoreUnreachable(
            f"{doing} failed: {reason} ({path})", "Check the disk or mount that holds the store."
        )
    if error.errno in _NAME:
        return StoreError(
            f"{doing} failed: {reason} ({path})",
            "In a directory store a name cannot be both an object and a folder; look there.",
        )
    return StoreError(f"{doing} failed: {reason} ({path})", "Look at the store's directory.")


def free_bytes(path: Path) -> int:
    """Bytes free for us on the file system that holds, or would hold, path; 0 if unknown."""
    for candidate in (path, *path.parents):
        try:
            status = os.statvfs(candidate)
        except OSError:
            continue
        return status.f_bavail * status.f_frsize
    return 0
