"""Kernel locks on files, each with a note of who holds it.

The lock is the truth: it goes with its process, also by kill -9. The note is for messages, for
signalling the holder, and for noticing that a former holder died: it stays behind unreleased.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from engine.core.errors import ConfigurationError
from engine.jobs import procfs
from engine.jobs.identity import host_name

_LOCKLESS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_NOTE_LIMIT = 16 * 1024
_PATIENCE = 0.3  # seconds; whoever looks whether a lock is held holds it for microseconds


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock. `started` and `boot` tell the process from a later one of that pid."""

    job: str
    operation: str
    pid: int
    started: int
    boot: str
    session: int
    host: str
    user: str
    since: datetime
    released: datetime | None = None

    @property
    def alive(self) -> bool:
        """Whether the process is to be seen on this machine."""
        return self.boot == procfs.boot() and procfs.alive(self.pid, self.started)


class Busy(Exception):
    """Somebody else holds the lock; `holder` is None when the note cannot be read."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(holder)
        self.holder = holder


_decoder = msgspec.json.Decoder(Holder)
_open: weakref.WeakSet[Lock] = weakref.WeakSet()


def myself(job: str, operation: str, user: str, now: datetime) -> Holder:
    found = procfs.look(os.getpid())
    return Holder(
        job=job,
        operation=operation,
        pid=os.getpid(),
        started=found.started if found else 0,
        boot=procfs.boot(),
        session=os.getsid(0),
        host=host_name(),
        user=user,
        since=now,
    )


class Lock:
    """A lock held by this process, its threads included, but by no child of it."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        os.set_inheritable(fd, False)
        _open.add(self)

    @classmethod
    def take(cls, path: Path) -> Lock:
        """Take it now. Busy, or ConfigurationError when the place cannot hold locks."""
        until = time.monotonic() + _PATIENCE
        while True:
            fd = _open_file(path)
            try:
                if _flock(path, fd) and _same_file(path, fd):
                    _prove(path, fd)
                    return cls(path, fd)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
            holder = read_note(path)
            surely = holder is not None and holder.released is None and holder.alive
            if surely or time.monotonic() > until:
                raise Busy(holder)
            time.sleep(0.01)

    @classmethod
    def adopt(cls, path: Path, fd: int) -> Lock:
        """Take over a lock whose file descriptor was inherited. Busy when it is not that lock."""
        try:
            if _same_file(path, fd) and _flock(path, fd):
                return cls(path, fd)
        except OSError:
            pass
        raise Busy(read_note(path))

    def note(self, holder: Holder) -> None:
        """Say who holds it. A full disk is no reason to fail: the lock itself stands."""
        line = msgspec.json.encode(holder) + b"\n"
        try:
            os.pwrite(self.fd, line, 0)
            os.ftruncate(self.fd, len(line))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def release(self) -> None:
        """Free it, also where a child inherited a copy a moment ago. Safe to call twice."""
        if self.fd >= 0:
            fcntl.flock(self.fd, fcntl.LOCK_UN)
            self.leave()

    def leave(self) -> None:
        """Close our copy: the process that inherited another one holds the lock from here on."""
        if self.fd >= 0:
            _open.discard(self)
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.release()


def _forget_in_child() -> None:
    """After a bare fork: close the child's copies, or it would hold the locks as long as it
    lives. Closing a copy releases nothing."""
    for lock in list(_open):
        fd, lock.fd = lock.fd, -1
        os.close(fd)
    _open.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def make_private(*places: Path) -> None:
    """Make these folders, mode 0700, where they are missing. OSError."""
    for place in places:  # one by one: the mode of mkdir's `parents` would be the umask's
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place) from None


def held(path: Path) -> bool:
    """Whether anybody holds the lock now. A missing file is not held."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def read_note(path: Path) -> Holder | None:
    """The note, or None: none yet, being written, or damaged."""
    try:
        with path.open("rb") as stream:
            return _decoder.decode(stream.read(_NOTE_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None


def _open_file(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the lock file {path} cannot be opened: {error.strerror}",
            "Let the state directory be on a local disk with space and writable by this user, "
            "or name another one in MENTAT_DR_STATE.",
        ) from error


def _flock(path: Path, fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _LOCKLESS:
            raise _lockless(path) from error
        raise
    return True


def _same_file(path: Path, fd: int) -> bool:
    """False when the file was removed meanwhile: then the lock on it excludes nobody."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def _prove(path: Path, fd: int) -> None:
    """Some network and user-space file systems grant every lock: a second one must be refused."""
    second = _open_file(path)
    try:
        if _same_file(path, second) and _flock(path, second):
            raise _lockless(path)
    finally:
        os.close(second)


def _lockless(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"the file system of {path.parent} keeps no locks, so jobs could not be kept apart",
        "Put the state directory on a local disk: `state` in the configuration, or "
        "MENTAT_DR_STATE.",
    )
