"""What a restore makes on its way, noted durably before it is made, so that a killed job's
leftovers are removed by the next one. A note is dropped before what it names comes to hold
anything that was live."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from engine.core.errors import ContainersError, MentatError, SourceMissing
from engine.operations.context import Context

How = Literal["container", "volume", "directory"]
_PREFIX = ".mentat-dr-restore-"


@dataclass(frozen=True, slots=True)
class Made:
    job: str
    how: How
    what: str


class Note:
    """A durable note that `what` is this job's to remove, until `drop`."""

    def __init__(self, ctx: Context, how: How, what: str) -> None:
        folder = ctx.state / "debris"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = folder / f"{ctx.job_id}-{how}-{abs(hash(what)):x}.json"
        fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(msgspec.json.encode(Made(ctx.job_id, how, what)))
            stream.flush()
            os.fsync(stream.fileno())

    def drop(self) -> None:
        self._file.unlink(missing_ok=True)


@contextlib.contextmanager
def noted(ctx: Context, how: How, what: str) -> Iterator[Note]:
    """A note for the length of a block that removes what it made when it fails."""
    note = Note(ctx, how, what)
    try:
        yield note
    finally:
        note.drop()


def clear(ctx: Context, alive: Callable[[str], bool]) -> None:
    """Remove what dead jobs left, and end what they left running inside containers. What cannot
    be removed now is said and left noted."""
    folder = ctx.state / "debris"
    dead: set[str] = set()
    for file in sorted(folder.glob("*.json")):
        try:
            made = msgspec.json.decode(file.read_bytes(), type=Made)
        except (OSError, msgspec.MsgspecError):
            file.unlink(missing_ok=True)
            continue
        if made.job == ctx.job_id or alive(made.job):
            continue
        dead.add(made.job)
        try:
            _remove(ctx, made)
        except (MentatError, OSError) as error:
            ctx.warn("debris", f"{made.what} of the dead job {made.job} is left: {error}")
            continue
        ctx.warn("debris", f"removed {made.how} {made.what}, left by the dead job {made.job}")
        file.unlink(missing_ok=True)


def _remove(ctx: Context, made: Made) -> None:
    with contextlib.suppress(SourceMissing):
        if made.how == "container":
            ctx.containers().remove_container(made.what)
        elif made.how == "volume":
            ctx.containers().remove_volume(made.what)
        else:
            path = Path(made.what)
            if not path.name.startswith(_PREFIX):
                raise ContainersError(f"{path} has not the name of a staging folder")
            if path.exists():
                shutil.rmtree(path)
