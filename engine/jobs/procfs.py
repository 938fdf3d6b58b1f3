"""Processes as /proc shows them: told apart by start time, since process ids come again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MARK = "MENTAT_DR_JOB"  # in the environment of a job's worker and its children: the job's id


@dataclass(frozen=True, slots=True)
class Process:
    """started is in clock ticks since boot; with pid it names a process for good."""

    pid: int
    parent: int
    session: int
    started: int
    zombie: bool


def look(pid: int) -> Process | None:
    """The process now, or None when there is none of that id."""
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    try:
        # The name, in brackets, may hold anything, brackets and blanks included.
        after = text[text.rindex(b")") + 2 :].split()
        return Process(pid, int(after[1]), int(after[3]), int(after[19]), after[0] in (b"Z", b"X"))
    except (ValueError, IndexError):
        return None


def alive(pid: int, started: int) -> bool:
    found = look(pid)
    return found is not None and found.started == started and not found.zombie


def boot() -> str:
    """An id of this boot of the machine; empty where the kernel does not tell."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def everybody() -> Iterable[Process]:
    for path in PROC.iterdir():
        if path.name.isdigit() and (found := look(int(path.name))):
            yield found


def in_session(session: int, mark: str = "") -> list[Process]:
    """Living members of a session but the caller; with mark, only those of the job so marked."""
    return [
        found
        for found in everybody()
        if found.session == session
        and not found.zombie
        and found.pid != os.getpid()
        and (not mark or _marked(found.pid, mark))
    ]


def _marked(pid: int, job: str) -> bool:
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={job}".encode() in environment.split(b"\0")


def tell(pid: int, started: int, number: signal.Signals) -> bool:
    """Signal this very process; False when it has ended, also if its id is in use again."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        fd = -1  # gone, or a kernel before 5.3
    try:
        if not alive(pid, started):
            return False
        if fd >= 0:
            signal.pidfd_send_signal(fd, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    finally:
        if fd >= 0:
            os.close(fd)
    return True


def end(processes: Iterable[Process], patience: float = 2.0) -> int:
    """Terminate them, then kill those left after `patience` seconds. Returns how many lived."""
    living = [p for p in processes if alive(p.pid, p.started)]
    count = len(living)
    for number, limit in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for process in living:
            with contextlib.suppress(PermissionError):
                tell(process.pid, process.started, number)
        until = time.monotonic() + limit
        while living and time.monotonic() < until:
            living = [p for p in living if alive(p.pid, p.started)]
            if living:
                time.sleep(0.02)
    return count
