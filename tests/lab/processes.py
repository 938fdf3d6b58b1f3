"""Server processes of the lab: started detached, known by pid *and* start time, always stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.lab.errors import NotReady
from tests.lab.locks import read_json, write_json


@dataclass(frozen=True)
class Process:
    """One process. A pid alone may be reused by a stranger; with its start time it cannot."""

    name: str
    pid: int
    started: int
    # Files that it makes outside its own directories: patterns, removed when its run is closed.
    leaves: tuple[str, ...] = ()
    # How it was started, so that it can be started again.
    argv: tuple[str, ...] = ()
    log: str = ""

    @classmethod
    def current(cls, name: str) -> Process:
        """The process that runs this code."""
        return cls.of_pid(name, os.getpid())

    @classmethod
    def of_pid(cls, name: str, pid: int) -> Process:
        """The process that has ``pid`` now; its ``started`` is 0 when there is none."""
        return cls(name, pid, start_time(pid) or 0)

    @property
    def alive(self) -> bool:
        """True while this very process runs; a zombie is dead."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return self.started != 0 and start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal to this very process, or do nothing when it is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def save(self, directory: Path) -> None:
        """Write it down, so that another process can stop it."""
        write_json(directory / f"{self.name}.json", asdict(self))


def remove_leavings(stopped: Iterable[Process]) -> None:
    """Remove what those processes made elsewhere."""
    for process in stopped:
        for pattern in process.leaves:
            directory, _, name = pattern.rpartition("/")
            for path in Path(directory).glob(name):
                path.unlink(missing_ok=True)


def saved(directory: Path) -> list[Process]:
    """Every process written down in ``directory``."""
    records = (read_json(path) for path in sorted(directory.glob("*.json")))
    return [from_record(record) for record in records if record]


def from_record(record: Mapping[str, Any]) -> Process:
    """A process as ``save`` wrote it down."""
    lists = {key: tuple(record.get(key, ())) for key in ("leaves", "argv")}
    return Process(**{**record, **lists})


def start_time(pid: int) -> int | None:
    """The start of ``pid`` in clock ticks since boot; None when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command name stands in parentheses and may hold spaces: count from behind it.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def command_line(pid: int) -> list[str]:
    """The arguments of ``pid``; empty when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode(errors="replace") for part in raw.split(b"\0") if part]


def start(
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    registry: Path | None = None,
    leaves: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a server in its own session, its output in ``log``; it outlives its parent.

    It is written down in ``registry``; where that is gone (the run has been closed meanwhile) it
    is ended again and ``NotReady`` raised, so nothing runs that nobody will stop. For the same
    reason a predecessor of the same name there is ended first.
    """
    if registry is not None:
        stop((old for old in saved(registry) if old.name == name), seconds=2)
    # Not subprocess.Popen: that ties the child to the Python object, and warns when it goes.
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        dict(os.environ if environment is None else environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        # Python ignores SIGPIPE; the servers must not inherit that.
        setsigdef=[signal.SIGPIPE],
    )
    process = replace(
        Process.of_pid(name, pid), leaves=tuple(leaves), argv=tuple(argv), log=str(log)
    )
    if registry is not None:
        try:
            process.save(registry)
        except OSError as error:
            stop([process], seconds=1)
            raise NotReady(f"{name} was not started: the run is closed") from error
    return process


def restart(process: Process, registry: Path) -> Process:
    """Start a server again as it was started before, ending it first if it still runs."""
    log = Path(process.log)
    return start(process.name, process.argv, log=log, registry=registry, leaves=process.leaves)


def stop(processes: Iterable[Process], *, seconds: float = 8.0) -> None:
    """End them all: asked to at first, killed after ``seconds``."""
    remaining = [process for process in processes if process.alive]
    for number, bound in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
        for process in remaining:
            process.signal(number)
        deadline = time.monotonic() + bound
        while remaining and time.monotonic() < deadline:
            time.sleep(0.02)
            remaining = [process for process in remaining if process.alive]


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    seconds: float,
    process: Process | None = None,
    log: Path | None = None,
) -> None:
    """Ask ``ready`` until it says yes; ``NotReady`` when the time is up or ``process`` has died."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not ready():
        if process is not None and not process.alive:
            raise NotReady(f"{what} ended at its start{_end_of(log)}")
        if time.monotonic() > deadline:
            raise NotReady(f"{what} was not ready within {seconds:.0f} s{_end_of(log)}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def _end_of(log: Path | None, lines: int = 15) -> str:
    if log is None or not log.exists():
        return ""
    tail = log.read_text(errors="replace").splitlines()[-lines:]
    return f"; the end of {log}:\n  " + "\n  ".join(tail)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def fetched(url: str, *, seconds: float = 2.0) -> bytes:
    """What a GET of ``url`` gives with status 2xx; empty for any other outcome."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=seconds) as response:
            body: bytes = response.read()
            return body
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return b""
    except (OSError, ValueError):
        return b""


def answers(url: str, *, seconds: float = 2.0) -> bool:
    """True when a GET of ``url`` is answered with a 2xx status and a body."""
    return bool(fetched(url, seconds=seconds))


def connects(host: str, port: int, *, seconds: float = 1.0) -> bool:
    """True when a TCP connection to ``host:port`` is accepted."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False
