"""Commands as values: pure functions build them, adapters.command runs them.

Secrets travel by inherited pipes, never in argv or the environment: an argv item may contain
`{fd:NAME}`, replaced at start by the number of a pipe that delivers `secrets[NAME]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    argv        program and arguments; may hold `{fd:NAME}`; safe to show as it stands
    label       one word for errors and progress: "dump", "zstd", "gpg"
    env         additions to the minimal environment children get (PATH, LANG=C.UTF-8, HOME)
    secrets     bytes for `{fd:NAME}` items; they never appear in repr
    preamble    bytes written to the child's stdin before the stream; secret, not in repr
    warn_exits  exit codes that mean "done, with warnings" (GNU tar's 1: file changed)
    where       "host" or the container the program really runs in
    """

    argv: tuple[str, ...]
    label: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    preamble: bytes = field(default=b"", repr=False)
    warn_exits: frozenset[int] = frozenset()
    where: str = "host"

    @property
    def name(self) -> str:
        return self.label or self.argv[0].rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended. exit_status is negative for a signal; stderr is bounded, last lines."""

    command: Command
    exit_status: int
    stderr: tuple[str, ...]
    stdout: bytes = b""

    @property
    def ok(self) -> bool:
        return self.exit_status == 0

    @property
    def warned(self) -> bool:
        return self.exit_status in self.command.warn_exits
