"""Leases: one writer per source on this host."""

from __future__ import annotations

import hashlib
import string
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from engine.core.errors import ConfigurationError, HeldError
from engine.core.events import Emit, Warned
from engine.jobs import procfs
from engine.jobs.identity import user_name
from engine.jobs.journal import utc_now
from engine.jobs.locks import Busy, Holder, Lock, make_private, myself, read_note

_PLAIN = frozenset(string.ascii_letters + string.digits + "_-.")


class Lease:
    """The right to write one source, until `release` or the end of this process.

    `warning` tells of a former holder that died with it; it was also emitted.
    """

    def __init__(self, source: str, lock: Lock, holder: Holder, warning: Warned | None) -> None:
        self.source = source
        self.holder = holder
        self.warning = warning
        self._lock = lock

    @classmethod
    def acquire(
        cls,
        state: Path,
        source: str,
        job: str,
        operation: str,
        *,
        emit: Emit | None = None,
        now: datetime | None = None,
    ) -> Lease:
        """Take the lease at once. HeldError naming the holder when another job has it;
        ConfigurationError when the state directory cannot keep locks."""
        path = lease_path(state, source)
        _make_room(path.parent)
        try:
            lock = Lock.take(path)
        except Busy as busy:
            raise _refusal(source, busy.holder) from None
        try:
            former = read_note(path)
            holder = myself(job, operation, user_name(), now or utc_now())
            lock.note(holder)
            warning = _taken_over(source, former)
            if warning and emit:
                emit(warning)
        except BaseException:
            lock.release()
            raise
        return cls(source, lock, holder, warning)

    def release(self) -> None:
        """Safe to call twice."""
        if self._lock.fd >= 0:
            self._lock.note(msgspec.structs.replace(self.holder, released=utc_now()))
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.release()


def lease_path(state: Path, source: str) -> Path:
    """Any name makes one file name of its own, inside the folder."""
    name = "".join(
        c if c in _PLAIN else f"%{c.encode('utf-8', 'surrogatepass').hex()}" for c in source
    )
    if name.startswith(".") or not name or len(name) > 150:
        digest = hashlib.sha256(_bytes(source)).hexdigest()[:16]
        name = f"{name.lstrip('.')[:80]}%{digest}"
    return state / "leases" / f"{name}.lock"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _make_room(folder: Path) -> None:
    try:
        make_private(folder.parent, folder)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {folder} cannot be made: {error.strerror}",
            "Run as root, or name a state directory you may write in MENTAT_DR_STATE.",
        ) from error


def _refusal(source: str, holder: Holder | None) -> HeldError:
    if holder is None:
        return HeldError(
            f"{source} is held by another job, which left no name yet",
            "See `mentat-dr job list` for what runs, and try again.",
        )
    return HeldError(
        f"{source} is held by {holder.operation} job {holder.job} (pid {holder.pid} on "
        f"{holder.host}, user {holder.user}) since {holder.since:%Y-%m-%d %H:%M:%S} UTC",
        f"Let it end (`mentat-dr job attach {holder.job}`) or stop it "
        f"(`mentat-dr job cancel {holder.job}`), then try again.",
    )


def _taken_over(source: str, former: Holder | None) -> Warned | None:
    """What to say of a former holder that never released; its children are ended first, since
    they may still be writing."""
    if former is None or former.released is not None:
        return None
    ended = 0
    if former.boot == procfs.boot() and not former.alive and former.session == former.pid:
        ended = procfs.end(procfs.in_session(former.session, mark=former.job))
    children = f" {ended} of its child processes still ran and were ended." if ended else ""
    return Warned(
        "lease-taken-over",
        f"{former.operation} job {former.job} (pid {former.pid} on {former.host}) died without "
        f"releasing {source}; its lease was taken over.{children}",
        source,
    )
