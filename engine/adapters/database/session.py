"""A conversation with a server by its own client program: metadata, locks and checksums.

The child's stdin is the session's life: when this process ends, however, the client reads the
end of its input and leaves, and the server releases the session's locks and transaction.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import threading
import time
from collections.abc import Callable

from engine.adapters.command import PIPE, TimeoutExpired, start
from engine.adapters.database.failures import (
    GONE,
    ServerSaid,
    from_output,
    parse_line,
    said,
)
from engine.core.commands import Command

Row = tuple[str | None, ...]
OPTIONS = (
    "--batch",
    "--skip-column-names",
    "--unbuffered",
    "--quick",
    "--force",  # a refused statement must not end the session and drop its locks
    "--skip-reconnect",  # a silent new connection would have neither locks nor snapshot
    "--binary-mode",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    "--connect-timeout=15",
)
_ESCAPES = {ord("n"): b"\n", ord("t"): b"\t", ord("0"): b"\0", ord("\\"): b"\\"}
_START_TIMEOUT = 60.0
_SILENCE = 5.0
# What this session must not inherit from the server's configuration. Refusals are ignored.
_SETTINGS = (
    "SET SESSION sql_mode='NO_BACKSLASH_ESCAPES'",
    "SET SESSION time_zone='+00:00'",
    "SET SESSION wait_timeout=604800",
    "SET SESSION net_write_timeout=3600",
    "SET SESSION autocommit=1",
    "SET SESSION sql_select_limit=DEFAULT",
    "SET SESSION sql_big_selects=1",
    "SET SESSION lock_wait_timeout=30",
)


def unescape(field: bytes) -> str | None:
    """One column of a `--batch` line. The text NULL and a NULL look alike: ask for HEX where a
    value may be that text."""
    if field == b"NULL":
        return None
    if b"\\" in field:
        pieces = bytearray()
        escaped = False
        for byte in field:
            if escaped:
                pieces += _ESCAPES.get(byte, b"\\" + bytes([byte]))
                escaped = False
            elif byte == 0x5C:
                escaped = True
            else:
                pieces.append(byte)
        field = bytes(pieces)
    return field.decode("utf-8", "surrogateescape")


class Session:
    """One connection. Thread-safe: statements run one after another. Close it."""

    def __init__(
        self,
        command: Command,
        doing: str = "the database",
        alive: Callable[[], bool] | None = None,
    ) -> None:
        """`alive` is asked in long silences: when a container is killed, `docker exec` may
        neither end nor close its output."""
        self._doing = doing
        self._alive = alive
        self._lock = threading.Lock()
        self._closed = False
        self._buffer = b""
        self._count = 0
        self._token = secrets.token_hex(8)
        self._child = start(command, stdin=PIPE, stdout=PIPE)
        try:
            self.query("SELECT 1", timeout=_START_TIMEOUT)
            for setting in _SETTINGS:
                self.attempt(setting)
        except BaseException:
            self.close()
            raise

    def query(self, sql: str, timeout: float | None = 120.0) -> list[Row]:
        """Rows of one statement. ServerSaid when the server refuses it; after `timeout` seconds
        without an end the session is over (its client is ended) and ServerSaid tells so."""
        lines = self._exchange(sql, timeout)
        for index, line in enumerate(lines):
            if line.startswith(b"ERROR "):
                text = "\n".join(part.decode("utf-8", "replace") for part in lines[index:])
                found = parse_line(text)
                if found:
                    if found[0] in GONE:
                        self.close()
                    raise said(*found, self._doing)
        return [tuple(unescape(field) for field in line.split(b"\t")) for line in lines]

    def value(self, sql: str, timeout: float | None = 120.0) -> str | None:
        """The first column of the first row; None when there is no row."""
        rows = self.query(sql, timeout)
        return rows[0][0] if rows else None

    def attempt(self, sql: str, timeout: float | None = 120.0) -> ServerSaid | None:
        """Run a statement that may be refused; the refusal is returned. Other ends raise."""
        try:
            self.query(sql, timeout)
        except ServerSaid as error:
            if error.number == 0 or self._closed:
                raise
            return error
        return None

    def _exchange(self, sql: str, timeout: float | None) -> list[bytes]:
        with self._lock:
            if self._closed:
                raise ServerSaid(f"{self._doing}: the session is closed", "Run it again.")
            self._count += 1
            mark = f"mentat-dr-{self._token}-{self._count}"
            deadline = None if timeout is None else time.monotonic() + timeout
            request = f"{sql};\nSELECT '{mark}';\n".encode("utf-8", "surrogateescape")
            try:
                self._send(request)
                return self._receive(mark.encode(), deadline, first=self._count == 1)
            except BaseException:
                self._end()
                raise

    def _send(self, request: bytes) -> None:
        view = memoryview(request)
        try:
            while view:
                view = view[self._child.stdin.write(view) or 0 :]
        except (BrokenPipeError, ValueError) as error:
            raise self._over([]) from error

    def _receive(self, mark: bytes, deadline: float | None, *, first: bool) -> list[bytes]:
        lines: list[bytes] = []
        while True:
            *complete, self._buffer = self._buffer.split(b"\n")
            for index, line in enumerate(complete):
                if line == mark:
                    # Nothing follows the mark, since we have not asked anything more.
                    self._buffer = b"\n".join([*complete[index + 1 :], self._buffer])
                    # What a client says while it starts (deprecations) is no answer.
                    return [b"1"] if first and b"1" in lines else lines
                lines.append(line)
            chunk = self._read(deadline)
            if not chunk:
                raise self._over([*lines, self._buffer])
            self._buffer += chunk

    def _read(self, deadline: float | None) -> bytes:
        try:
            descriptor = self._child.stdout.fileno()
            while True:
                left = _SILENCE if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    raise ServerSaid(
                        f"{self._doing}: no answer in time",
                        "See what holds the server up: SHOW PROCESSLIST.",
                    )
                if select.select([descriptor], [], [], min(left, _SILENCE))[0]:
                    return os.read(descriptor, 1 << 18)
                if left >= _SILENCE and self._alive and not self._alive():
                    raise ServerSaid(
                        f"{self._doing}: the server's container is gone",
                        "See that the container runs: `docker ps -a`.",
                    )
        except (OSError, ValueError):
            return b""  # closed by another thread

    def _over(self, lines: list[bytes]) -> ServerSaid:
        """The error for a client that ended, from its last words."""
        text = [line.decode("utf-8", "replace") for line in lines if line]
        if not text and not self._child.stderr:
            return ServerSaid(
                f"{self._doing}: the connection was cut without a word",
                "See that the server and its container run, then run it again.",
            )
        return from_output([*text, *self._child.stderr], self._doing)

    def _end(self) -> None:
        """End the client; the caller holds the lock, so nobody reads or writes its pipes."""
        self._closed = True
        if self._child.running:
            # The end of input lets an idle client log out by itself, also inside a container.
            with contextlib.suppress(OSError):
                self._child.stdin.close()
            with contextlib.suppress(TimeoutExpired):
                self._child.popen.wait(2)
        self._child.kill()

    def close(self) -> None:
        """End the session now, from any thread; its locks and transaction are gone."""
        self._closed = True
        if not self._lock.acquire(timeout=0.2):
            # A statement runs in another thread: that one sees the client's end and cleans up.
            self._child.popen.terminate()
            self._lock.acquire()
        try:
            self._end()
        finally:
            self._lock.release()

    @property
    def closed(self) -> bool:
        return self._closed

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
