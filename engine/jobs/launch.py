"""Starting a job: its folder, its first event, and its worker, detached from the terminal.

Starts processes by itself instead of through adapters.command, which ties a child to its
parent: waited for, drained, ended with it. A worker must outlive whoever started it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.core.errors import ConfigurationError, MentatError
from engine.core.events import Accepted, Failed, Started, Warned
from engine.jobs import folder as folders
from engine.jobs import handover, journal, procfs
from engine.jobs.folder import Folder, Spec
from engine.jobs.identity import host_name, user_name
from engine.jobs.locks import Busy, Lock

SYSTEMD = Path("/run/systemd/system")
WORKER = ("-P", "-m", "engine.jobs.worker")
_UNIT_PATIENCE = 10.0  # seconds for systemd-run to answer, and then for the worker to come
_KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
    *("XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "CREDENTIALS_DIRECTORY"),
    *("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"),
    *("MENTAT_DR_STATE", "MENTAT_DR_CONFIG"),
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")  # they may hold passwords


def launch(
    state: Path,
    operation: str,
    request: Mapping[str, Any],
    *,
    config_file: Path,
    title: str,
    now: datetime,
    secrets: Mapping[str, bytes] | None = None,
    sources: Sequence[str] = (),
    environment: Sequence[str] = (),
    wait: float = 0.0,
    worker: Sequence[str] = WORKER,
    systemd: bool | None = None,
) -> str:
    """Start `operation` as a job and return its id.

    request      its parameters, JSON-able, without secrets: they stand in the journal
    secrets      reach the worker through the kernel alone
    environment  names of variables the configuration takes secrets from (`{ env = ... }`); those
                 set here are handed over like secrets
    wait         seconds to wait for the worker's first sign of life
    worker       arguments of sys.executable that run the worker
    systemd      whether to start it as a transient unit; None: when root, and systemd runs

    ConfigurationError or NoSpace, with nothing started, when the state directory is unusable. A
    worker that cannot start makes the job a failed one; that is not raised.
    """
    if not sys.executable:
        raise ConfigurationError(
            "the Python interpreter's path is unknown, so no job can be started",
            "Run mentat-dr by its installed command.",
        )
    handed = {name: os.environ[name] for name in _handed(environment) if name in os.environ}
    packed = handover.pack(secrets or {}, handed) if secrets or handed else b""
    folder = folders.create(state, operation, now)
    spec = Spec(
        job=folder.id,
        operation=operation,
        request=dict(request),
        config_file=str(config_file.absolute()),
        state=str(state.absolute()),
        secrets=tuple(secrets or ()),
        environment=tuple(handed),
    )
    accepted = Accepted(
        folder.id, operation, title, host_name(), user_name(), spec.request, tuple(sources)
    )
    try:
        lock = Lock.take(folder.lock)
        folders.write_spec(folder, spec)
        with journal.Journal(folder.journal, lambda: now) as writer:
            writer.append(accepted)
    except OSError as error:
        raise folders.unwritable(folder.path, error) from error
    if systemd is None:
        systemd = os.geteuid() == 0 and SYSTEMD.is_dir()
    _start(folder, lock, packed, [sys.executable, *worker, str(folder.path.absolute())], systemd)
    if wait:
        wait_started(folder, wait)
    return folder.id


def _handed(environment: Sequence[str]) -> list[str]:
    return [*environment, *_PROXIES, *(name.lower() for name in _PROXIES)]


def wait_started(folder: Folder, timeout: float) -> bool:
    """Whether the worker showed itself, running or ended, within `timeout` seconds."""
    until = time.monotonic() + timeout
    while True:
        records, _ = journal.read(folder.journal)
        if any(isinstance(record.event, Started | Failed) for record in records):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.02)


def _start(folder: Folder, lock: Lock, packed: bytes, argv: list[str], systemd: bool) -> None:
    """Start the worker; what goes wrong becomes the job's end. The lock passes to the worker."""
    try:
        if systemd:
            refused = _start_unit(folder, lock, packed, argv)
            if not refused:
                return
            lock = Lock.take(folder.lock)
            with journal.Journal(folder.journal) as writer:
                writer.append(
                    Warned(
                        "not-a-unit",
                        f"systemd-run could not start the job ({refused}); it runs as a plain "
                        "process, which logind may end with this session",
                    )
                )
        _start_plain(folder, lock, packed, argv)
        lock.leave()
    except Busy:
        pass  # the unit came to life after all
    except (OSError, MentatError) as error:
        _give_up(folder, f"its worker could not be started: {error}")
    finally:
        lock.release()


def _start_plain(folder: Folder, lock: Lock, packed: bytes, argv: list[str]) -> None:
    """A process in a session of its own, which inherits the lock: there is no moment at which
    the job lives and its lock is free."""
    passed = [lock.fd]
    argv = [*argv, "--lock-fd", str(lock.fd)]
    pipe = handover.filled_pipe(packed) if packed else -1
    log = os.open(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if packed:
            passed.append(pipe)
            argv += ["--secrets-fd", str(pipe)]
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(folder.id),
            umask=0o077,
            start_new_session=True,
            pass_fds=passed,
        )
    finally:
        os.close(log)
        if pipe >= 0:
            os.close(pipe)
    # Reaps the worker while this program lives; a daemon thread holds up no exit.
    threading.Thread(target=_reap, args=(child, folder), daemon=True, name=folder.id).start()


def _reap(child: subprocess.Popen[bytes], folder: Folder) -> None:
    status = child.wait()
    records, _ = journal.read(folder.journal)
    if not any(isinstance(record.event, Started | Failed) for record in records):
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit code {status}"
        with contextlib.suppress(Busy, OSError, MentatError), Lock.take(folder.lock):
            _give_up(folder, f"its worker {how} before it began")


def _give_up(folder: Folder, why: str) -> None:
    """End a job whose worker never came. The caller holds the lock, so nobody else writes."""
    said = folder.last_words()
    failed = Failed(
        "worker-died",
        f"the job did not begin: {why}" + (f": {said}" if said else ""),
        f"See {folder.log}; `mentat-dr doctor` checks the installation. Then start it again.",
        1,
    )
    with contextlib.suppress(OSError), journal.Journal(folder.journal) as writer:
        writer.append(failed)
    folder.reserve.unlink(missing_ok=True)


def _start_unit(folder: Folder, lock: Lock, packed: bytes, argv: list[str]) -> str:
    """Ask systemd for a transient unit. Returns why it refused; nothing when it took it."""
    fifo = handover.Fifo(folder.fifo, packed) if packed else None
    try:
        lock.release()  # descriptors cannot pass through systemd
        try:
            done = subprocess.run(
                unit_command(folder, argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_UNIT_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            lines = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
            return lines[-1][:500] if lines else f"exit code {done.returncode}"
        if fifo and not fifo.wait_taken(_UNIT_PATIENCE):
            with contextlib.suppress(Busy), Lock.take(folder.lock):
                _give_up(folder, "its unit did not come to life")
        return ""
    finally:
        if fifo:
            fifo.close()


def unit_command(folder: Folder, argv: Sequence[str]) -> list[str]:
    """systemd-run for this job. KillMode=process: the guard that puts paused containers back
    must outlive the worker. OOMPolicy: a child out of memory fails the job by its exit code."""
    properties = {
        "WorkingDirectory": "/",
        "UMask": "0077",
        "StandardInput": "null",
        "StandardOutput": f"append:{folder.log.absolute()}".replace("%", "%%"),
        "StandardError": "inherit",
        "KillMode": "process",
        "OOMPolicy": "continue",
        "SendSIGHUP": "no",
    }
    return [
        "systemd-run",
        "--quiet",
        "--no-block",
        "--collect",
        f"--unit=mentat-dr-{folder.id}",
        f"--description=mentat-dr job {folder.id}",
        "--slice=mentatdr.slice",
        *(f"--property={name}={value}" for name, value in properties.items()),
        *(f"--setenv={name}={value}" for name, value in _environment(folder.id).items()),
        "--",
        *argv,
    ]


def _environment(job: str) -> dict[str, str]:
    """The worker's environment: nothing secret, nothing of the terminal's."""
    kept = {name: os.environ[name] for name in _KEPT if os.environ.get(name)}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    root = Path(__file__).resolve().parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        kept["PYTHONPATH"] = str(root)  # a checkout: the worker starts in another directory
    fixed = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC", procfs.MARK: job}
    return {**kept, **fixed}
