"""The kernel calls for trees that Python lacks: renameat2 and syncfs."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from engine.core.errors import NoSpace, SourceMissing, TreeError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)

_EXCHANGE_WORDS = {
    errno.EXDEV: (
        "they are on different file systems",
        "Restore to a place on the same file system, or restore to a directory and move by hand.",
    ),
    errno.EBUSY: (
        "one of them is a mount point",
        "Unmount it, or restore to a directory and copy from there.",
    ),
    errno.EINVAL: (
        "this file system cannot swap names, or one path lies inside the other",
        "Restore to a directory and move the two by hand, with their users stopped.",
    ),
    errno.ENOSYS: (
        "this kernel cannot swap names",
        "Restore to a directory and move the two by hand, with their users stopped.",
    ),
    errno.EACCES: ("permission is denied", "Run it as root."),
    errno.EPERM: (
        "it is not permitted",
        "Run it as root; see whether one is immutable (lsattr) or mounted read-only.",
    ),
    errno.EROFS: ("the file system is read-only", "Mount it writable, then try again."),
}


def exchange(new: Path, live: Path) -> None:
    """Swap what the two names stand for, in one step, durably.

    TreeError, with both as they were, when the kernel refuses; SourceMissing when one of them
    is not there."""
    try:
        rename = _libc.renameat2
    except AttributeError:
        raise _refused(new, live, errno.ENOSYS) from None
    source, target = os.fsencode(new), os.fsencode(live)
    if rename(_AT_FDCWD, source, _AT_FDCWD, target, _RENAME_EXCHANGE) != 0:
        raise _refused(new, live, ctypes.get_errno())
    for parent in {new.parent, live.parent}:
        _sync_directory(parent)


def _refused(new: Path, live: Path, code: int) -> TreeError | SourceMissing:
    if code == errno.ENOENT:
        gone = new if not os.path.lexists(new) else live
        return SourceMissing(
            f"{gone} is not there, so nothing was switched", "See what removed it, then try again."
        )
    why, remedy = _EXCHANGE_WORDS.get(
        code, (os.strerror(code), "Restore to a directory and move by hand.")
    )
    return TreeError(
        f"{new} and {live} cannot be switched: {why}", f"Both are as they were. {remedy}"
    )


def _sync_directory(folder: Path) -> None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise _unsynced(folder, error.errno or 0) from error


def sync(path: Path) -> None:
    """Make everything written so far to path's file system durable.

    TreeError when the kernel could not write some of it; NoSpace when the disk is full."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        # A symlink, socket or device node says nothing of its file system; its folder does.
        try:
            fd = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        except OSError as error:
            raise _unsynced(path, error.errno or 0) from error
    try:
        if _libc.syncfs(fd) != 0:
            raise _unsynced(path, ctypes.get_errno())
    finally:
        os.close(fd)


def _unsynced(path: Path, code: int) -> TreeError | NoSpace:
    if code in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(
            f"the file system of {path} is full: not everything could be written",
            "Free space, then try again.",
        )
    return TreeError(
        f"what was written below {path} is not safely on the disk: {os.strerror(code)}",
        "See the kernel's log for the disk (dmesg), then try again.",
    )


def free_bytes(path: Path) -> int:
    """Bytes this user may still write to path's file system; its nearest existing folder serves
    when there is no such path."""
    while True:
        try:
            found = os.statvfs(path)
        except FileNotFoundError:
            if path.parent == path:
                raise TreeError(f"{path} does not exist", "Choose another target.") from None
            path = path.parent
            continue
        except OSError as error:
            raise TreeError(
                f"{path} cannot be looked at: {error.strerror}", "Run it as root."
            ) from error
        free = found.f_bavail if os.geteuid() else found.f_bfree
        return free * found.f_frsize
