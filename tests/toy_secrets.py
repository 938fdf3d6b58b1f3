"""Proof that a secret stands nowhere but in the worker that was handed it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from engine.core.job import Job
from engine.jobs import board
from tests.toy_jobs import await_output


def ended(state: Path, job: str) -> Job:
    for _ in board.watch(state, job, 0.02):
        pass
    return board.find(state, job)


def everything_about(pid: int) -> bytes:
    """What /proc shows of a process and its descendants: argv and environment."""
    shown = b""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                session = (entry / "stat").read_text().rpartition(")")[2].split()[3]
                if session == str(pid):
                    shown += (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
    return shown


def on_disk(state: Path) -> bytes:
    files = [path for path in state.rglob("*") if path.is_file()]
    assert len(files) > 3
    content = b""
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # a worker removes its reserve as it ends
            content += path.read_bytes()
    return content


def check_hidden(state: Path, job: str, secret: str) -> None:
    """The secret reached the job, which still runs, and is nowhere to be found."""
    expected = hashlib.sha256(secret.encode()).hexdigest()
    assert await_output(state, job, "sha256") == f"sha256 {expected}"
    pid = board.find(state, job).pid
    assert pid
    await_output(state, job, "child")
    shown = everything_about(pid)
    assert b"toy_jobs" in shown and secret.encode() not in shown
    assert secret.encode() not in on_disk(state)
    assert json.dumps(secret).encode() not in on_disk(state)
    assert not (state / "jobs" / job / "secrets").exists()
    board.cancel(state, job)
    ended(state, job)
    assert secret.encode() not in on_disk(state)
