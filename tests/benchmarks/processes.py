"""What a process and its descendants use, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one sample, shared pages divided among those who share them (PSS).

    `engine` is the sum over Python processes of the engine, `everything` over all descendants.
    """

    engine: int
    everything: int


def descendants(root: int) -> set[int]:
    """The processes below `root`, itself left out; those that end meanwhile may be missing."""
    children: dict[int, list[int]] = {}
    for name in os.listdir(_PROC):  # noqa: PTH208  called twenty times a second
        if name.isdigit():
            parent = _parent(int(name))
            children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    ahead = [root]
    while ahead:
        for child in children.get(ahead.pop(), ()):
            if child not in found:
                found.add(child)
                ahead.append(child)
    return found


def sample(pids: set[int]) -> Memory:
    """The memory of these processes now."""
    engine = everything = 0
    for pid in pids:
        size = _pss(pid)
        everything += size
        if size and is_engine(pid):
            engine += size
    return Memory(engine, everything)


def is_engine(pid: int) -> bool:
    """Whether it is a Python process that runs the engine: the command, a worker, a guard."""
    words = command_line(pid)
    program = words[0].rpartition(b"/")[2]
    return program.startswith(b"python") and any(
        word.startswith(b"engine.") or word.endswith(b"/mentat-dr") for word in words[1:6]
    )


def command_line(pid: int) -> list[bytes]:
    """Its arguments; one empty word when it is gone."""
    return _read(_PROC / str(pid) / "cmdline").split(b"\0")


def _parent(pid: int) -> int:
    # The name in parentheses may hold anything: count the fields from behind it.
    fields = _read(_PROC / str(pid) / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _pss(pid: int) -> int:
    for line in _read(_PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
