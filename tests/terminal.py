"""A pseudo-terminal with a program on it, for tests that type and read."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from types import TracebackType
from typing import Self


class Terminal:
    """The program owns the terminal; `shown` is all it has written so far."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self.shown = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], list(argv), {**env, "TERM": "xterm-256color"})
        ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._status: int | None = None

    def read(self, seconds: float) -> bool:
        """Take what was written within that time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            chunk = os.read(self.fd, 65536)
        except OSError:  # EIO: the program closed the terminal
            return False
        self.shown += chunk.decode("utf-8", "replace")
        return bool(chunk)

    def expect(self, text: str, seconds: float = 60) -> str:
        """Wait until `text` was shown; everything up to and with it is taken off `shown`."""
        until = time.monotonic() + seconds
        while text not in self.shown:
            if time.monotonic() > until or not self.read(0.2):
                break
        before, found, self.shown = self.shown.partition(text)
        assert found, f"{text!r} was never shown; what was: {before!r}"
        return before + found

    def send(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait(self, seconds: float = 60) -> int:
        """The exit code, negative for a signal."""
        until = time.monotonic() + seconds
        while self._status is None and time.monotonic() < until:
            self.read(0.1)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
        while (
            self._status is not None and self.read(0.05) and select.select([self.fd], [], [], 0)[0]
        ):
            pass
        assert self._status is not None, f"still running; shown: {self.shown!r}"
        return self._status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
