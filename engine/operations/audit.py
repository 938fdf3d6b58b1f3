"""The audit trail on disk and in the store: who did what, from where, when.

`<state>/audit.jsonl` here, `v1/<host>/journal/audit/<first line's number>.jsonl` in the store.
Every line is on the disk before the act it tells of goes on; a trail that cannot be written stops
the act.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.core import audit
from engine.core.audit import Break
from engine.core.errors import (
    ConfigurationError,
    MentatError,
    NoSpace,
    ObjectExists,
)
from engine.core.incident_events import Who
from engine.core.snapshot import ROOT
from engine.operations import durable
from engine.ports import ObjectStore

TAIL = 1 << 20  # bytes; no line is longer
_FACT = 2000  # characters of one fact


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found. copied: lines that the store has; problem: why it could not be asked."""

    lines: int
    copied: int
    breaks: tuple[Break, ...]
    problem: str = ""


def file_of(state: Path) -> Path:
    return state / "audit.jsonl"


def record(
    state: Path, who: Who, act: str, facts: Mapping[str, Any] | None = None, *, at: datetime
) -> None:
    """Add one line, durably. MentatError when it cannot be written: then nothing may be done."""
    body = {
        "at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "who": asdict(who),
        "act": act,
        "facts": {key: _short(value) for key, value in (facts or {}).items()},
    }
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(file_of(state), flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            _append(fd, body)
        finally:
            os.close(fd)
    except OSError as error:
        raise _unwritable(file_of(state), error) from error


def _unwritable(file: Path, error: OSError) -> MentatError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(
            f"the audit trail cannot be written: the disk of {file} is full",
            "Nothing was done. Free some space, or name another state directory.",
        )
    return ConfigurationError(
        f"the audit trail {file} cannot be written: {error.strerror}",
        "Run as root, or name a state directory you may write in MENTAT_DR_STATE.",
    )


def _append(fd: int, body: Mapping[str, Any]) -> None:
    size = os.fstat(fd).st_size
    tail = os.pread(fd, TAIL, max(0, size - TAIL))
    whole = tail.rfind(b"\n") + 1
    if whole != len(tail):  # a crash tore it: it was never told
        size -= len(tail) - whole
        os.ftruncate(fd, size)
        tail = tail[:whole]
    last = tail.rstrip(b"\n").rsplit(b"\n", 1)[-1] if tail else None
    line = audit.link(last, body, _lines(fd) + 1)
    try:
        if os.write(fd, line) != len(line):
            raise OSError(28, os.strerror(28))
        os.fsync(fd)
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, size)
        raise


def _lines(fd: int) -> int:
    """Whole lines of the file; counted only for what follows."""
    count, at = 0, 0
    while chunk := os.pread(fd, TAIL, at):
        count, at = count + chunk.count(b"\n"), at + len(chunk)
    return count


def _short(value: object) -> object:
    if isinstance(value, str):
        return value[:_FACT]
    if isinstance(value, int | float | bool | None):
        return value
    return json.loads(json.dumps(msgspec.to_builtins(value, enc_hook=str)))


def read(state: Path) -> list[bytes]:
    """The whole lines here, without their newlines."""
    try:
        content = file_of(state).read_bytes()
    except FileNotFoundError:
        return []
    return content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]


def _prefix(host: str) -> str:
    return f"{ROOT}/{host}/journal/audit/"


def _marker(state: Path) -> Path:
    return state / "audit-copied.json"


def copy(store: ObjectStore, state: Path, host: str) -> int:
    """Bring the store up to date; the number of lines it has. StoreError."""
    lines = read(state)
    done = _copied(state)
    while done < len(lines):
        body = b"\n".join(lines[done:]) + b"\n"
        key = f"{_prefix(host)}{done + 1:09}.jsonl"
        try:
            store.put(key, body, if_absent=True)
            done = len(lines)
        except ObjectExists:
            there = store.get(key)
            if not there.endswith(b"\n") or not there.strip():
                raise
            done += there.count(b"\n")
        durable.write(_marker(state), msgspec.json.encode(done))
    return done


def _copied(state: Path) -> int:
    try:
        return max(0, msgspec.json.decode(_marker(state).read_bytes(), type=int))
    except (OSError, msgspec.MsgspecError):
        return 0


def copied_lines(store: ObjectStore, host: str) -> list[bytes]:
    """What the store holds of this host's trail, in order. StoreError."""
    keys = sorted(item.key for item in store.list(_prefix(host)))
    content = b"".join(store.get(key) for key in keys)
    return content.split(b"\n")[:-1]


def verify(store: ObjectStore | None, state: Path, host: str) -> Verified:
    """The chain here, and here against the store."""
    here = read(state)
    breaks = audit.verify(here)
    there: Sequence[bytes] = ()
    problem = ""
    if store is not None:
        try:
            there = copied_lines(store, host)
        except MentatError as error:
            problem = error.message
    breaks += [found for found in audit.compare(here, there) if found not in breaks]
    return Verified(len(here), len(there), tuple(breaks), problem)
