"""The only place that starts processes.

Every child is waited for, every exit status is seen, stderr is drained and kept (bounded), and
secrets travel by inherited pipes. A pipeline joins children by OS pipes; a Tap in it lets the
worker hash and count a stream without copying it onwards (tee(2)).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from engine.core.commands import Command, Ended
from engine.core.errors import CommandFailed

PIPE = subprocess.PIPE
TimeoutExpired = subprocess.TimeoutExpired
PIPE_BYTES = 1 << 20
_SECRET_LIMIT = 32 << 10  # a fresh pipe holds 64 KiB, so writing this much never blocks
_STDERR_LINES = 2000
_LINE_LIMIT = 2000
_FD = re.compile(r"\{fd:([a-z0-9_-]+)\}")
# MENTAT_DR_JOB marks the children of a job, so that those a dead worker left can be told.
_KEPT_ENVIRONMENT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "MENTAT_DR_JOB",
)

OnLine = Callable[[str], None]


def environment(command: Command) -> dict[str, str]:
    """What a child gets: a few plain variables, a fixed locale, and the command's own."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {**kept, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC", **command.env}


def wide_pipe() -> tuple[int, int]:
    """A pipe with a large buffer where the kernel grants one: fewer switches per megabyte."""
    read_end, write_end = os.pipe()
    with contextlib.suppress(OSError):
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return read_end, write_end


def _filled_pipe(content: bytes) -> int:
    if len(content) > _SECRET_LIMIT:
        raise ValueError(f"a secret of {len(content)} bytes does not fit a pipe")
    read_end, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    return read_end


class Child:
    """A running command. `wait` once; `kill` any time. stderr is drained by a thread."""

    def __init__(
        self,
        command: Command,
        *,
        stdin: int | None,
        stdout: int | None,
        on_line: OnLine | None = None,
    ) -> None:
        self.command = command
        self._lines: deque[str] = deque(maxlen=_STDERR_LINES)
        self._on_line = on_line
        self._ended: Ended | None = None
        self._lock = threading.Lock()
        feed = -1
        if command.preamble and stdin is None:
            feed = stdin = _filled_pipe(command.preamble)
        try:
            self.popen = self._start(command, stdin, stdout)
        finally:
            if feed >= 0:
                os.close(feed)
        if command.preamble and stdin == PIPE and self.popen.stdin:
            self.popen.stdin.write(command.preamble)
            self.popen.stdin.flush()
        self._reader = threading.Thread(target=self._drain, name=f"stderr-{command.name}")
        self._reader.daemon = True
        self._reader.start()

    @staticmethod
    def _start(command: Command, stdin: int | None, stdout: int | None) -> subprocess.Popen[bytes]:
        passed = {name: _filled_pipe(secret) for name, secret in command.secrets.items()}
        try:
            # A path may happen to look like a placeholder: only names of secrets are replaced.
            argv = [_FD.sub(lambda m: str(passed.get(m[1], m[0])), i) for i in command.argv]
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.DEVNULL if stdout is None else stdout,
                stderr=subprocess.PIPE,
                env=environment(command),
                pass_fds=tuple(passed.values()),
                # A group of its own: a shell's programs end with the shell.
                process_group=0,
                bufsize=0,
            )
        except FileNotFoundError as error:
            raise CommandFailed(
                f"the program {command.argv[0]} is not installed",
                f"Install {command.argv[0]} and try again; `mentat-dr doctor` lists all it needs.",
                argv=command.argv,
            ) from error
        except OSError as error:
            raise CommandFailed(
                f"{command.argv[0]} could not be started: {error.strerror}",
                "See `mentat-dr doctor`.",
                argv=command.argv,
            ) from error
        finally:
            for fd in passed.values():
                os.close(fd)

    @property
    def stdin(self) -> IO[bytes]:
        assert self.popen.stdin is not None
        return self.popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self.popen.stdout is not None
        return self.popen.stdout

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    @property
    def stderr(self) -> tuple[str, ...]:
        """The last lines so far."""
        return tuple(self._lines)

    def _drain(self) -> None:
        assert self.popen.stderr is not None
        rest = b""
        while chunk := self.popen.stderr.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._keep(line)
            if len(rest) > 4 * _LINE_LIMIT:
                self._keep(rest)
                rest = b""
        if rest:
            self._keep(rest)

    def _keep(self, line: bytes) -> None:
        text = line[:_LINE_LIMIT].decode("utf-8", "backslashreplace").rstrip("\r")
        self._lines.append(text)
        if self._on_line and text:
            self._on_line(text)

    def wait(self, timeout: float | None = None) -> Ended:
        """Wait for the end and the last of stderr. Raises CommandFailed after `timeout` seconds,
        with the child killed."""
        with self._lock:
            if self._ended is not None:
                return self._ended
            try:
                status = self.popen.wait(timeout)
            except subprocess.TimeoutExpired as error:
                self._stop()
                raise CommandFailed(
                    f"{self.command.name} gave no answer within {timeout:g} s",
                    "See what holds it up, then try again.",
                    argv=self.command.argv,
                    stderr_tail=self.stderr[-5:],
                ) from error
            # A grandchild that inherited stderr may outlive the child: do not wait for it.
            self._reader.join(2)
            self._close()
            self._ended = Ended(self.command, status, self.stderr)
            return self._ended

    def signal(self, number: int) -> None:
        """Send a signal to it and to what it started; no error when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            if self.popen.poll() is None:
                os.killpg(self.popen.pid, number)

    def kill(self) -> None:
        """End it now, gently first; returns when it has ended."""
        with self._lock:
            if self._ended is None:
                self._stop()

    def _stop(self) -> None:
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.popen.wait(3)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.popen.wait()
        self._reader.join(2)
        self._close()
        self._ended = Ended(self.command, self.popen.returncode, self.stderr)

    def _close(self) -> None:
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def start(
    command: Command,
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    on_line: OnLine | None = None,
) -> Child:
    """Start a command. stdin and stdout are file descriptors, PIPE, or None for nothing."""
    return Child(command, stdin=stdin, stdout=stdout, on_line=on_line)


def run(
    command: Command,
    *,
    stdin: bytes = b"",
    timeout: float | None = None,
    check: bool = True,
    limit: int = 64 << 20,
) -> Ended:
    """Run a command to its end and return what it printed (at most `limit` bytes).

    With check, CommandFailed unless it ended with 0 or one of its warn_exits."""
    child = Child(command, stdin=PIPE if stdin else None, stdout=PIPE)
    timer = threading.Timer(timeout, child.signal, (signal.SIGKILL,)) if timeout else None
    if timer:
        timer.daemon = True
        timer.start()
    feeder = None
    try:
        if stdin:
            feeder = threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True)
            feeder.start()
        output = _read_all(child, limit)
        if feeder:
            feeder.join()
        ended = child.wait()
    except BaseException:
        child.kill()
        raise
    finally:
        if timer:
            timer.cancel()
    result = Ended(command, ended.exit_status, ended.stderr, output)
    if check and not (result.ok or result.warned):
        raise failure(result)
    return result


def _feed(stream: IO[bytes], content: bytes) -> None:
    with contextlib.suppress(OSError):  # the child's exit status tells what went wrong
        view = memoryview(content)
        while view:
            view = view[stream.write(view) :]
    with contextlib.suppress(OSError):
        stream.close()


def _read_all(child: Child, limit: int) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while chunk := child.stdout.read(1 << 16):
        total += len(chunk)
        if total > limit:
            raise CommandFailed(
                f"{child.command.name} printed more than {limit} bytes",
                "This output is not what was expected of it.",
                argv=child.command.argv,
            )
        pieces.append(chunk)
    return b"".join(pieces)


def failure(ended: Ended) -> CommandFailed:
    """The error for a command that ended badly, with its last words."""
    last = next((line for line in reversed(ended.stderr) if line.strip()), "it said nothing")
    status = ended.exit_status
    how = f"was killed by signal {-status}" if status < 0 else f"ended with exit code {status}"
    return CommandFailed(
        f"{ended.command.name} {how}: {last}",
        "Its last lines stand in the job's journal.",
        argv=ended.command.argv,
        exit_status=status,
        stderr_tail=ended.stderr[-20:],
    )


def is_consequence(ended: Ended) -> bool:
    """Whether it only ended because its neighbour downstream did: a broken pipe."""
    return ended.exit_status in (-13, 141) or any(
        "roken pipe" in line for line in ended.stderr[-5:]
    )


def first_failure(all_ended: Sequence[Ended]) -> Ended | None:
    """The stage that failed by itself, upstream first; None when all ended well."""
    bad = [e for e in all_ended if not (e.ok or e.warned)]
    own = [e for e in bad if not is_consequence(e)]
    return own[0] if own else (bad[0] if bad else None)


def iterate_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of an unbuffered stream, without their newline."""
    rest = b""
    while chunk := stream.read(1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest
