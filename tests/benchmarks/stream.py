"""One long stream: does the engine's memory stay bounded whatever the size?"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks import turn
from tests.benchmarks.contenders import Contender
from tests.benchmarks.report import Act, Result, Turn
from tests.benchmarks.tree import Tree
from tests.lab import Lab

_BLOCK = 64 << 20  # random bytes, repeated: farther apart than zstd looks back, so not compressed
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Streamed:
    """The tree of one file, and the file's hash."""

    tree: Tree
    sha256: str


def make(root: Path, size: int) -> Streamed:
    """One file of `size` bytes below root, written in pieces, so that it needs no memory."""
    block = memoryview(random.Random(2).randbytes(_BLOCK))
    digest = hashlib.sha256()
    root.mkdir()
    with (root / "stream").open("wb") as file:
        left = size
        while left > 0:
            piece = block[: min(left, _BLOCK)]
            file.write(piece)
            digest.update(piece)
            left -= len(piece)
    return Streamed(Tree(root, 1, size), digest.hexdigest())


def run(lab: Lab, contender: Contender, size: int, say: Say) -> Result:
    """Back up a tree of one such file, remove it, restore it, and compare the hashes."""
    with (
        TemporaryDirectory(prefix="stream-", dir=lab.directory) as place,
        turn.new_key(lab) as key,
    ):
        streamed = make(Path(place) / "tree", size)
        taken = _turn(lab, contender, streamed, key, say)
    return Result.of(streamed.tree, [contender], [taken])


def _turn(lab: Lab, contender: Contender, streamed: Streamed, key: turn.Key, say: Say) -> Turn:
    with turn.surroundings(lab, streamed.tree, key) as around:
        contender.prepare(around)
        backup = turn.act(lambda: contender.measure_backup(around))
        say(f"{contender.name} backup {backup.seconds:.1f} s, {_engine(backup)}")
        stored = turn.stored(lab, around.bucket)
        (streamed.tree.path / "stream").unlink()  # room for the restored one
        restore = turn.act(lambda: contender.measure_restore(around))
        say(f"{contender.name} restore {restore.seconds:.1f} s, {_engine(restore)}")
        _require_same(around.target, streamed.sha256)
    return Turn(1, contender.name, backup, restore, stored)


def _engine(act: Act) -> str:
    return f"engine {act.engine >> 20} MiB"


def _require_same(restored: Path, sha256: str) -> None:
    (found,) = [path for path in restored.rglob("stream") if path.is_file()]
    with found.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ValueError(f"{found} is not what was backed up")
