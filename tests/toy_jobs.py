"""A worker with toy operations, run as real processes: `python -P -m tests.toy_jobs FOLDER`.

A request is `{"do": [[verb, argument], ...]}`; the verbs are the functions of `Toy`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.adapters import command
from engine.core.commands import Command
from engine.core.errors import WrongPassphrase
from engine.core.events import Emit, Output, PhaseEnded, PhaseStarted, Progress, Result
from engine.jobs import board, launch
from engine.jobs.lease import Lease
from engine.jobs.worker import entry

WORKER = ("-P", "-m", "tests.toy_jobs")


def start(state: Path, *do: list[Any], sources: tuple[str, ...] = (), **given: Any) -> str:
    """Launch a toy job that does these, one after the other."""
    return launch.launch(
        state,
        given.pop("operation", "toy"),
        {"do": list(do)},
        config_file=Path("/nowhere/config.toml"),
        title="a toy",
        now=datetime.now(UTC),
        sources=sources,
        worker=given.pop("worker", WORKER),
        systemd=given.pop("systemd", False),
        **given,
    )


def outputs(state: Path, job: str) -> list[str]:
    """The lines it told, once it has ended."""
    return [r.event.line for r in board.watch(state, job, 0.02) if isinstance(r.event, Output)]


def await_output(state: Path, job: str, start_of_line: str, timeout: float = 60) -> str:
    """The first line that begins so."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        for record in board.records(state, job)[0]:
            if isinstance(record.event, Output) and record.event.line.startswith(start_of_line):
                return record.event.line
        time.sleep(0.02)
    raise AssertionError(f"{job} never said {start_of_line}: {board.find(state, job)}")


def gone(pid: int, timeout: float = 30) -> bool:
    """Whether this process ends in time; a zombie has ended."""
    until = time.monotonic() + timeout
    while True:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)


class Toy:
    def __init__(self, state: Path, job: str, secrets: Mapping[str, bytes], emit: Emit) -> None:
        self.state, self.job, self.secrets, self.emit = state, job, secrets, emit
        self.stack = contextlib.ExitStack()

    def say(self, line: str) -> None:
        self.emit(Output(line))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def chatter(self, count: int) -> None:
        for number in range(count):
            self.emit(PhaseStarted(f"p{number}", "a phase", expected_bytes=10))
            self.emit(Progress(f"p{number}", number, 10, 1.0, None))
            self.emit(PhaseEnded(f"p{number}", 0.1, 10))

    def crowd(self, count: int) -> None:
        """Tell from eight threads at once."""
        threads = [threading.Thread(target=self.chatter, args=(count,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def lease(self, source: str) -> None:
        self.stack.enter_context(Lease.acquire(self.state, source, self.job, "toy", emit=self.emit))

    def child(self, seconds: int) -> None:
        """A child that its owner waits for and ends."""
        child = command.start(Command(("sleep", str(seconds))))
        self.say(f"child {child.pid}")
        try:
            child.wait()
        finally:
            child.kill()

    def stray(self, seconds: int) -> None:
        """A stubborn child whose owner forgot it, and one that left the session."""
        ignore = "trap '' TERM INT HUP; while :; do sleep 0.1; done"
        environment = {**os.environ}
        near = subprocess.Popen(["sh", "-c", ignore], env=environment)
        far = subprocess.Popen(["sleep", str(seconds)], start_new_session=True)
        self.say(f"strays {near.pid} {far.pid}")
        near.returncode = far.returncode = 0  # no warning of children still running

    def secret(self, name: str) -> None:
        self.say(f"sha256 {hashlib.sha256(self.secrets[name]).hexdigest()}")

    def variable(self, name: str) -> None:
        self.say(f"sha256 {hashlib.sha256(os.environ[name].encode()).hexdigest()}")

    def leak(self, name: str) -> None:
        raise ValueError(f"it is {self.secrets[name].decode()}")

    def environment(self, _: None) -> None:
        for name, value in sorted(os.environ.items()):
            self.say(f"{name}={value}")

    def fail(self, message: str) -> None:
        raise WrongPassphrase(message, "Type it again.")

    def crash(self, message: str) -> None:
        raise RuntimeError(message)

    def swallow(self, seconds: float) -> None:
        """What libraries do to an exception they do not expect."""
        try:
            self.say("swallowing")
            time.sleep(seconds)
        except Exception:  # noqa: BLE001
            raise OSError("connection broken") from None

    def slow_cleanup(self, seconds: float) -> None:
        self.say("working")
        try:
            time.sleep(300)
        finally:
            self.say("cleaning up")
            time.sleep(seconds)
            self.say("cleaned up")

    def kill(self, _: None) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def nothing(self, _: None) -> None:
        """Forget to give a Result."""
        self.stack.callback(lambda: None)

    def stuck_thread(self, seconds: float) -> None:
        threading.Thread(target=time.sleep, args=(seconds,)).start()


def run(
    operation: str,
    request: Mapping[str, Any],
    *,
    config_file: Path,
    state: Path,
    job_id: str,
    secrets: Mapping[str, bytes],
    emit: Emit,
) -> Result:
    toy = Toy(state, job_id, secrets, emit)
    with toy.stack:
        for verb, argument in request["do"]:
            getattr(toy, verb)(argument)
    if operation == "careless":
        return None  # type: ignore[return-value]
    return Result("done", f"{len(request['do'])} things done", {"config": str(config_file)})


if __name__ == "__main__":
    sys.exit(entry(sys.argv[1:], run))
