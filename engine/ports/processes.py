"""Starting children and joining them by pipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from engine.core.commands import Command, Ended


class StreamTap(Protocol):
    """Counts and hashes what passes it in a pipeline; `count` may be read at any time."""

    count: int
    tail: bytes  # the last 4 KiB
    error: OSError | None

    @property
    def sha256(self) -> str: ...


class RunningPipeline(Protocol):
    """Stages joined by OS pipes, running. Owned as a context manager: killed unless waited for."""

    output: int  # file descriptor to read from, where collect was asked for

    def write(self, chunk: bytes | memoryview) -> bool:
        """Feed the first stage; False when it has stopped reading."""

    def close_input(self) -> None: ...

    def wait(self) -> list[Ended]: ...

    def interrupt(self) -> None:
        """End the children from any thread; whoever reads or writes sees the pipes close."""

    def kill(self) -> None: ...

    @property
    def failed(self) -> Ended | None:
        """After `wait`: the stage that failed by itself."""

    def __enter__(self) -> RunningPipeline: ...

    def __exit__(self, *exc: object) -> None: ...


class Processes(Protocol):
    """How operations start children; adapters.command and adapters.pipeline stand behind it."""

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        check: bool = True,
    ) -> Ended: ...

    def tap(self) -> StreamTap: ...

    def pipeline(
        self,
        stages: Sequence[Command | StreamTap],
        *,
        feed: bool = False,
        collect: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> RunningPipeline: ...

    def failure(self, ended: Ended) -> Exception:
        """The error for a command that ended badly."""
