"""Folding journals into jobs, cheaply: an ended job's fold is kept beside its journal, a running
one's in memory with the place it was read to."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.core.events import Output, PhaseEnded, PhaseStarted, Progress, Record
from engine.core.job import Job, fold
from engine.jobs import journal
from engine.jobs.folder import Folder

_MEMORY = 2000  # folds kept in memory


@dataclass(frozen=True, slots=True)
class _Read:
    """A fold and how far it was read. `stamp` names the journal's state: size and mtime in ns."""

    job: Job
    offset: int
    stamp: tuple[int, int]


class _Kept(msgspec.Struct, frozen=True):
    """fold.json: true as long as the journal has this size and time."""

    size: int
    modified: int
    job: Job


_memory: dict[Path, _Read] = {}
_lock = threading.Lock()
_decoder = msgspec.json.Decoder(_Kept)


def fold_of(folder: Folder) -> Job:
    """The job as its journal tells now; never `interrupted`."""
    try:
        status = folder.journal.stat()
    except FileNotFoundError:
        return Job(folder.id)
    stamp = (status.st_size, status.st_mtime_ns)
    with _lock:
        known = _memory.get(folder.path)
    if known and known.stamp == stamp:
        return known.job
    if known is None and (kept := _load(folder, stamp)):
        known = _Read(kept, stamp[0], stamp)
    else:
        job, offset = (known.job, known.offset) if known else (Job(folder.id), 0)
        if offset > stamp[0]:
            job, offset = Job(folder.id), 0
        records, offset = journal.read_all(folder.journal, offset)
        known = _Read(fold(job, _needed(records)), offset, stamp)
        if known.job.final:
            _save(folder, known)
    with _lock:
        if len(_memory) >= _MEMORY:
            _memory.clear()
        _memory[folder.path] = known
    return known.job


def keep(folder: Folder) -> None:
    """Keep the fold of a job that died without an end: its journal grows no more either."""
    with _lock:
        known = _memory.get(folder.path)
    if known and not folder.fold.exists():
        _save(folder, known)


def _needed(records: Sequence[Record]) -> list[Record]:
    """Without the progress and output that later ones of the same phase make void."""
    needed: list[Record] = []
    seen: dict[str, bool] = {}  # phases with later progress: whether that says what is expected
    output = False
    for record in reversed(records):
        event = record.event
        if isinstance(event, Progress):
            expected = event.expected is not None
            if event.phase in seen and (seen[event.phase] or not expected):
                continue
            seen[event.phase] = expected
        elif isinstance(event, PhaseStarted | PhaseEnded):
            seen.pop(event.phase, None)
        elif isinstance(event, Output):
            if output:
                continue
            output = True
        needed.append(record)
    needed.reverse()
    return needed


def _load(folder: Folder, stamp: tuple[int, int]) -> Job | None:
    try:
        kept = _decoder.decode(folder.fold.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return kept.job if (kept.size, kept.modified) == stamp and kept.job.id == folder.id else None


def _save(folder: Folder, read: _Read) -> None:
    """Best effort: a reader may lack the right, and the disk the space."""
    if read.offset != read.stamp[0]:
        return
    draft = folder.fold.with_name(f"fold.{os.getpid()}.{threading.get_ident()}")
    with contextlib.suppress(OSError, ValueError, TypeError):
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(msgspec.json.encode(_Kept(*read.stamp, read.job)))
        draft.replace(folder.fold)
        return
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
