"""The job's side of its guard: start it, keep it told, notice its death, let it go.

Starts a process by itself instead of through adapters.command, whose children end with the job.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from engine.core.events import Emit, Warned
from engine.jobs.guard import READY, RELEASED
from engine.jobs.locks import Lock
from engine.jobs.quiesce_record import Quiescence

_READY_SECONDS = 20.0
_TRIES = 5
_LOG_LIMIT = 1 << 20  # bytes
_KEPT = (
    *("PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("SSH_AUTH_SOCK", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"),
)


class Guards:
    """One guard at a time for one record. When it dies another takes its place."""

    def __init__(self, record: Quiescence, locks: Sequence[Lock], emit: Emit) -> None:
        self._record = record
        self._locks = locks
        self._emit = emit
        self._guard: subprocess.Popen[bytes] | None = None
        self._over = False
        self._turn = threading.Lock()

    def start(self) -> bool:
        """Whether a guard stands by. Without one the job goes on: the record has to do."""
        why = self._start()
        if why:
            self._emit(Warned("no-guard", f"no guard for {self._record.names}: {why}"))
            return False
        threading.Thread(target=self._watch, name="guard", daemon=True).start()
        return True

    def update(self, record: Quiescence) -> None:
        """Tell the guard how far the job is."""
        with self._turn:
            self._record = record
            if self._guard:
                _say(self._guard, record.to_json().encode())

    def release(self) -> None:
        """Everything is put back: the guard may go."""
        with self._turn:
            self._over = True
            guard, self._guard = self._guard, None
            if guard:
                _say(guard, RELEASED)
                _end(guard)

    def abandon(self) -> None:
        """Let the guard put back what the job could not; it may outlive the job. Without effect
        after `release`."""
        with self._turn:
            self._over = True
            guard, self._guard = self._guard, None
        if guard:
            # The thread only reaps it; a daemon thread holds up no exit.
            threading.Thread(target=_end, args=(guard,), daemon=True).start()

    def _start(self) -> str:
        """Start a guard and wait until it stands by; why it does not, else nothing."""
        try:
            guard = self._popen()
        except OSError as error:
            return error.strerror or str(error)
        if not _greet(guard, self._record):
            guard.kill()
            _end(guard)
            return "it did not come to life, see guard.log"
        self._guard = guard
        return ""

    def _popen(self) -> subprocess.Popen[bytes]:
        path = Path(self._record.file).parent / "guard.log"
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(log).st_size > _LOG_LIMIT:
                os.ftruncate(log, 0)
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.jobs.guard"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                env=_environment(),
                start_new_session=True,
                pass_fds=[lock.fd for lock in self._locks],
                bufsize=0,
            )
        finally:
            os.close(log)

    def _watch(self) -> None:
        for _ in range(_TRIES):
            guard = self._guard
            if guard is None:
                return
            with contextlib.suppress(ChildProcessError):  # already reaped, after `release`
                os.waitid(os.P_PID, guard.pid, os.WEXITED | os.WNOWAIT)
            with self._turn:
                if self._over:
                    return
                _end(guard)
                self._guard = None
                why = self._start()
            after = f"and no other could be started: {why}" if why else "another took its place"
            self._emit(Warned("guard-died", f"the guard of {self._record.names} died; {after}"))


def _greet(guard: subprocess.Popen[bytes], record: Quiescence) -> bool:
    """Tell the guard what it guards; True when it has understood."""
    assert guard.stdout
    _say(guard, record.to_json().encode())
    ready, _, _ = select.select([guard.stdout], [], [], _READY_SECONDS)
    answered = bool(ready) and guard.stdout.read(len(READY)) == READY
    guard.stdout.close()
    return answered


def _say(guard: subprocess.Popen[bytes], line: bytes) -> None:
    assert guard.stdin
    with contextlib.suppress(BrokenPipeError):  # it died: the watcher sees to that
        guard.stdin.write(line + b"\n")


def _end(guard: subprocess.Popen[bytes]) -> None:
    """Close its pipe and wait for its end."""
    for stream in (guard.stdin, guard.stdout):
        if stream:
            stream.close()
    guard.wait()


def _environment() -> dict[str, str]:
    """Not the job's mark: whoever ends what a dead job left must not end its guard."""
    kept = {name: os.environ[name] for name in _KEPT if os.environ.get(name)}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    root = Path(__file__).resolve().parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        kept["PYTHONPATH"] = str(root)  # a checkout: the guard starts in another directory
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
