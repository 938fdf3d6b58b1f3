"""Pipelines: children joined by OS pipes, with taps that hash and count in passing."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import signal
import threading
from collections.abc import Sequence

from engine.adapters.command import Child, OnLine, first_failure, start, wide_pipe
from engine.core.commands import Command, Ended

_CHUNK = 1 << 20
_TAIL = 4096
_libc = ctypes.CDLL(None, use_errno=True)


def _tee(source: int, sink: int, length: int) -> int:
    """tee(2): duplicate up to `length` bytes between pipes without consuming them; 0 at the end."""
    while True:
        count = int(_libc.tee(source, sink, ctypes.c_size_t(length), 0))
        if count >= 0:
            return count
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code))


class Tap:
    """Counts and hashes the plain stream that passes. Read its facts after the pipeline ended;
    `count` may be read at any time."""

    def __init__(self) -> None:
        self.count = 0
        self.tail = b""
        self.error: OSError | None = None
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def flow(self, source: int, sink: int) -> None:
        """Pass everything from one pipe to the other; closes both."""
        try:
            self._flow(source, sink)
        except OSError as error:
            # The neighbour's exit status tells why; without it this one decides.
            self.error = error
        finally:
            os.close(source)
            os.close(sink)

    def _flow(self, source: int, sink: int) -> None:
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        while count := _tee(source, sink, _CHUNK):
            taken = 0
            while taken < count:
                taken += os.readv(source, [view[taken:count]])
            self._hash.update(view[:count])
            self.count += count
            self.tail = (self.tail + bytes(view[max(0, count - _TAIL) : count]))[-_TAIL:]


Stage = Command | Tap


class Pipeline:
    """Stages joined by pipes and started at once.

    feed=True leaves `input` open for the owner to write; otherwise the first stage reads nothing.
    collect=True leaves `output` open for the owner to read; otherwise the last stage's output is
    dropped. A command's preamble goes into its pipe before anything upstream can write.
    The owner must call `wait` or `kill`; used as a context manager it is killed on the way out
    unless it was waited for.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        feed: bool = False,
        collect: bool = False,
        on_line: OnLine | None = None,
    ) -> None:
        self.children: list[Child] = []
        self.taps = [stage for stage in stages if isinstance(stage, Tap)]
        self.input = -1
        self.output = -1
        self._threads: list[threading.Thread] = []
        self._ended: list[Ended] | None = None
        opened: set[int] = set()
        try:
            self._join(stages, feed, collect, on_line, opened)
        except BaseException:
            for fd in opened:
                os.close(fd)
            self.input = self.output = -1
            self.kill()
            raise

    def _join(
        self,
        stages: Sequence[Stage],
        feed: bool,
        collect: bool,
        on_line: OnLine | None,
        opened: set[int],
    ) -> None:
        last = len(stages) - 1
        upstream: int | None = None
        if feed:
            upstream, self.input = wide_pipe()
            opened.update((upstream, self.input))
            self._prefill(stages[0], self.input)
        for index, stage in enumerate(stages):
            downstream: int | None = None
            next_upstream: int | None = None
            if index < last or collect:
                next_upstream, downstream = wide_pipe()
                opened.update((next_upstream, downstream))
                if index < last:
                    self._prefill(stages[index + 1], downstream)
            if isinstance(stage, Tap):
                assert upstream is not None and downstream is not None
                opened -= {upstream, downstream}
                self._start_tap(stage, upstream, downstream)
            else:
                self.children.append(
                    start(stage, stdin=upstream, stdout=downstream, on_line=on_line)
                )
                for fd in (upstream, downstream):
                    if fd is not None:
                        opened.discard(fd)
                        os.close(fd)
            upstream = next_upstream
        if collect:
            assert upstream is not None
            self.output = upstream

    @staticmethod
    def _prefill(stage: Stage, write_end: int) -> None:
        if isinstance(stage, Command) and stage.preamble:
            os.write(write_end, stage.preamble)

    def _start_tap(self, tap: Tap, source: int, sink: int) -> None:
        thread = threading.Thread(target=tap.flow, args=(source, sink), name="tap", daemon=True)
        thread.start()
        self._threads.append(thread)

    def write(self, chunk: bytes | memoryview) -> bool:
        """Write all of it to the first stage; False when that has stopped reading."""
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(self.input, view) :]
        except BrokenPipeError:
            return False
        return True

    def close_input(self) -> None:
        """Say that nothing more comes."""
        if self.input >= 0:
            os.close(self.input)
            self.input = -1

    def wait(self) -> list[Ended]:
        """Wait for every child and tap; their ends in order of the stages."""
        if self._ended is None:
            self.close_input()
            ended = [child.wait() for child in self.children]
            for thread in self._threads:
                thread.join()
            self._close_output()
            self._ended = ended
        return self._ended

    def interrupt(self) -> None:
        """End the children from any thread; whoever reads or writes sees the pipes close."""
        for child in self.children:
            child.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every child now and close everything. No error when it has ended."""
        self.close_input()
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        self._close_output()
        for thread in self._threads:
            thread.join(5)
        if self._ended is None:
            self._ended = [child.wait() for child in self.children]

    def _close_output(self) -> None:
        if self.output >= 0:
            os.close(self.output)
            self.output = -1

    @property
    def failed(self) -> Ended | None:
        """After `wait`: the stage that failed by itself, or None."""
        return first_failure(self._ended or [])

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ended is None:
            self.kill()
