"""What an operation works with: values and ports, handed in by wiring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from engine.core.events import Emit, Warned
from engine.ports import Clock, Containers, Database, Processes, Trees
from engine.repository import Repository
from engine.settings import Settings, SourceSettings


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one job.

    lease     holds a source against other writers; HeldError when another job has it
    quiesced  pauses or stops containers and always puts them back: (names, how) -> context
    database  the server of a database source; `container` overrides where it runs
    """

    settings: Settings
    repository: Repository
    processes: Processes
    trees: Trees
    containers: Callable[[], Containers]
    database: Callable[[SourceSettings, str], Database]
    lease: Callable[[str], AbstractContextManager[object]]
    quiesced: Callable[[Sequence[str], str], AbstractContextManager[object]]
    clock: Clock
    emit: Emit
    state: Path
    job_id: str

    @property
    def host(self) -> str:
        return self.settings.host

    @property
    def marker(self) -> str:
        """Marks processes of this job inside containers."""
        return f"mentat-dr-{self.job_id}"

    def warn(self, code: str, message: str, source: str = "") -> None:
        self.emit(Warned(code, message, source))
