"""Run one command and measure it with all its descendants, detached ones too.

`python -m tests.benchmarks.arena` reads a JSON request on standard input and prints what was
measured. It is a process of its own because it takes in orphans (a subreaper): their CPU time
reaches it when they end, and nobody else's does.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks import processes

SAMPLES_PER_SECOND = 20
_PATIENCE = 20.0  # seconds for descendants to end by themselves after the command did
_PR_SET_CHILD_SUBREAPER = 36
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Measured:
    """One command's cost.

    seconds  from its start to its end
    cpu      user and system seconds of it and all its descendants
    engine   highest sum of PSS of the engine's own Python processes, in bytes
    memory   highest sum of PSS of all descendants, in bytes
    """

    seconds: float
    cpu: float
    engine: int
    memory: int
    output: str = ""


class RunFailed(Exception):
    """A measured command did not end with 0; nothing was measured."""


def measure(argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> Measured:
    """Run it with this environment alone. RunFailed, with its last words, unless it ends well."""
    request = {"argv": list(argv), "environment": dict(environment), "directory": str(directory)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.arena"],
        input=json.dumps(request).encode(),
        capture_output=True,
        cwd=_REPOSITORY,
    )
    if done.returncode != 0:
        raise RunFailed(f"the arena failed: {done.stderr.decode(errors='replace')[-2000:]}")
    answer = json.loads(done.stdout)
    status = answer.pop("status")
    if status != 0:
        shown = " ".join(argv)[:200]
        raise RunFailed(f"exit {status} of: {shown}\n{answer['output'][-3000:]}")
    return Measured(**answer)


def main() -> int:
    request = json.load(sys.stdin)
    _take_in_orphans()
    began = time.monotonic()
    child = subprocess.Popen(
        request["argv"],
        env=request["environment"],
        cwd=request["directory"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    sampler = _Sampler()
    sampler.start()
    assert child.stdout is not None
    output = child.stdout.read()
    status = child.wait()
    seconds = time.monotonic() - began
    _reap_the_rest()
    sampler.stop()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = Measured(
        seconds,
        used.ru_utime + used.ru_stime,
        sampler.engine,
        sampler.everything,
        output.decode(errors="replace")[-20_000:],
    )
    print(json.dumps({"status": status, **asdict(measured)}))
    return 0


def _take_in_orphans() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _reap_the_rest() -> None:
    """Wait for descendants that outlived the command; ask those to end that would stay (agents)."""
    deadline = time.monotonic() + _PATIENCE
    asked = False
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            continue
        left = processes.descendants(os.getpid())
        agents = all(processes.command_line(each)[0].endswith(b"gpg-agent") for each in left)
        if agents or time.monotonic() > deadline:
            for each in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL if asked else signal.SIGTERM)
            asked = True
            time.sleep(0.2)
        time.sleep(0.02)


class _Sampler(threading.Thread):
    """Looks at the descendants' memory until it is stopped; keeps the highest."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.engine = 0
        self.everything = 0
        self._ended = threading.Event()

    def run(self) -> None:
        turn = 0
        pids: set[int] = set()
        while not self._ended.wait(1 / SAMPLES_PER_SECOND):
            if turn % 4 == 0:  # who is there changes more slowly than what they hold
                pids = processes.descendants(os.getpid())
            turn += 1
            now = processes.sample(pids)
            self.engine = max(self.engine, now.engine)
            self.everything = max(self.everything, now.everything)

    def stop(self) -> None:
        self._ended.set()
        self.join()


if __name__ == "__main__":
    sys.exit(main())
