"""A job's folder: `<state>/jobs/<UTC>-<operation>-<4 hex>/`.

spec.json     what to run; written once, before the job exists for others
journal.jsonl what happened
lock          held by the launcher, then by the worker, to the end
worker.log    what the worker printed, e.g. when it cannot even start
reserve       space kept for the last event, should the disk be full then
fold.json     the reader's summary of an ended job
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from engine.core.errors import ConfigurationError, NoSpace, UsageError
from engine.jobs.locks import Busy, Lock, make_private

ID = re.compile(r"\d{8}T\d{6}Z-[a-z][a-z0-9-]{0,40}-[0-9a-f]{4}")
_OPERATION = re.compile(r"[a-z][a-z0-9-]{0,40}")
_SPEC_LIMIT = 16 << 20  # bytes
RESERVE_BYTES = 160 * 1024
KEEP_JOBS = 500
KEEP_AGE = timedelta(days=90)


class Spec(msgspec.Struct, frozen=True):
    """What the worker needs to know. Of secrets and of variables handed over, the names only."""

    job: str
    operation: str
    request: dict[str, Any]
    config_file: str
    state: str
    secrets: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


_spec_decoder = msgspec.json.Decoder(Spec)


@dataclass(frozen=True, slots=True)
class Folder:
    """The paths of one job."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def log(self) -> Path:
        return self.path / "worker.log"

    @property
    def reserve(self) -> Path:
        return self.path / "reserve"

    @property
    def fold(self) -> Path:
        return self.path / "fold.json"

    @property
    def fifo(self) -> Path:
        return self.path / "secrets"

    @property
    def accepted_at(self) -> datetime:
        """From the id, to the second."""
        return datetime.strptime(self.id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    def last_words(self) -> str:
        """The last line of worker.log, or nothing."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(max(0, self.log.stat().st_size - 8192))
                lines = stream.read(8192).decode("utf-8", "backslashreplace").splitlines()
        except OSError:
            return ""
        return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")


def create(state: Path, operation: str, now: datetime) -> Folder:
    """A new, empty folder of mode 0700 under an id of its own."""
    if not _OPERATION.fullmatch(operation):
        raise UsageError(f"{operation!r} is no operation's name", "See `mentat-dr --help`.")
    jobs = state / "jobs"
    try:
        make_private(state, jobs)
        while True:
            stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
            path = jobs / f"{stamp}-{operation}-{os.urandom(2).hex()}"
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
                return Folder(path)
    except OSError as error:
        raise unwritable(jobs, error) from error


def write_spec(folder: Folder, spec: Spec) -> None:
    """Write and sync the spec, the reserve and an empty log."""
    content = msgspec.json.encode(spec)
    if len(content) > _SPEC_LIMIT:
        raise UsageError("the request is too large", "Name fewer things at once.")
    for path, body in (
        (folder.spec, content),
        (folder.reserve, b"\n" * RESERVE_BYTES),
        (folder.log, b""),
    ):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(fd)
    for place in (folder.path, folder.path.parent):
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def read_spec(folder: Folder) -> Spec:
    """ConfigurationError when it is missing or damaged."""
    try:
        with folder.spec.open("rb") as stream:
            spec = _spec_decoder.decode(stream.read(_SPEC_LIMIT + 1))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{folder.spec} cannot be read: {error}", "Start the operation again."
        ) from error
    if spec.job != folder.id:
        raise ConfigurationError(
            f"{folder.spec} belongs to job {spec.job}", "Start the operation again."
        )
    return spec


def ids(state: Path) -> list[str]:
    """All jobs' ids, newest first (to the second)."""
    try:
        names = [path.name for path in (state / "jobs").iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigurationError(
            f"the jobs in {state / 'jobs'} cannot be read: {error.strerror}",
            "Use the account that runs the jobs (root as a rule), or name another state "
            "directory in MENTAT_DR_STATE.",
        ) from error
    return sorted((name for name in names if ID.fullmatch(name)), reverse=True)


def remove_old(state: Path, now: datetime, keep: int = KEEP_JOBS, limit: int = 200) -> list[str]:
    """Remove ended jobs beyond the `keep` newest or older than KEEP_AGE, `limit` at most; never
    one whose lock is held. Returns the ids removed."""
    import shutil

    removed: list[str] = []
    for rank, name in enumerate(ids(state)):
        folder = Folder(state / "jobs" / name)
        if rank < keep and now - folder.accepted_at <= KEEP_AGE:
            continue
        if len(removed) >= limit:
            break
        with contextlib.suppress(Busy, ConfigurationError, OSError), Lock.take(folder.lock):
            gone = folder.path.with_name(f".gone-{name}")
            folder.path.rename(gone)
            shutil.rmtree(gone)
            removed.append(name)
    return removed


def unwritable(path: Path, error: OSError) -> ConfigurationError | NoSpace:
    """The error for a state directory that cannot be written."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(
            f"no job can be started: the disk of {path} is full",
            "Free some space, or name a state directory on another disk in MENTAT_DR_STATE.",
        )
    return ConfigurationError(
        f"no job can be started: {path} cannot be written ({error.strerror})",
        "Run as root, or name a state directory you may write in MENTAT_DR_STATE.",
    )
