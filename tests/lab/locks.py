"""File locks between the lab's processes; the kernel frees them when a holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.errors import NotReady


@contextmanager
def held(path: Path, *, seconds: float = 1200.0) -> Iterator[None]:
    """Hold the lock file ``path`` alone; ``NotReady`` after ``seconds`` of waiting."""
    # The descriptor is not inherited by what the lab starts (PEP 446), so only we hold it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for(descriptor, path, seconds)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, path: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NotReady(f"another lab process has held {path} for {seconds:.0f} s") from None
            time.sleep(0.05)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Replace ``path`` in one step, readable by its owner only; its directory must be there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(record, file, indent=1)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The record at ``path``; None when there is none or it is not a record."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
