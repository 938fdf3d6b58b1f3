"""What a restore makes on its way, noted durably before it is made, so that a killed job's
leftovers are removed by the next one. A note is dropped before what it names comes to hold
anything that was live: from then on a record of kept data answers for it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from engine.core.errors import ContainersError, MentatError, SourceMissing, UsageError
from engine.operations import durable, kept
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
        self._ctx = ctx
        self.made = Made(ctx.job_id, how, what)
        folder = ctx.state / "debris"
        self._file = folder / f"{ctx.job_id}-{how}-{abs(hash(what)):x}.json"
        self._stands = True
        durable.write(self._file, msgspec.json.encode(self.made))

    def drop(self) -> None:
        durable.remove(self._file)
        self._stands = False

    def clean(self) -> None:
        """Remove what was made, if the note still stands. What cannot be removed now stays noted:
        the next job tries again."""
        if not self._stands:
            return
        try:
            _remove(self._ctx, self.made)
        except (MentatError, OSError) as error:
            self._ctx.warn("debris", f"{self.made.what} could not be removed yet: {error}")
            return
        self.drop()


@contextlib.contextmanager
def noted(ctx: Context, how: How, what: str) -> Iterator[Note]:
    """A note for the length of a block, before which there is no `what`. When the block fails,
    what it made is removed, unless it dropped the note. UsageError when the name is taken."""
    _require_free(ctx, how, what)
    note = Note(ctx, how, what)
    try:
        yield note
    except BaseException:
        note.clean()
        raise
    note.drop()


def _require_free(ctx: Context, how: How, what: str) -> None:
    """What was there before must never be taken for this job's own."""
    if how == "directory":
        taken = os.path.lexists(what)
    else:
        containers = ctx.containers()
        taken = True
        try:
            containers.container(what) if how == "container" else containers.volume(what)
        except SourceMissing:
            taken = False
    if taken:
        raise UsageError(
            f"there is a {how} {what} already", "Choose another name, or remove it first."
        )


def clear(ctx: Context, alive: Callable[[str], bool]) -> None:
    """Remove what dead jobs left, and end what they left running inside containers. What cannot
    be removed now is said and left noted."""
    folder = ctx.state / "debris"
    for file in sorted(folder.glob("*.json")):
        try:
            made = msgspec.json.decode(file.read_bytes(), type=Made)
        except (OSError, msgspec.MsgspecError):
            file.unlink(missing_ok=True)
            continue
        if made.job == ctx.job_id or alive(made.job):
            continue
        if kept.holds(ctx.state, made.what):
            continue  # it may hold what was live: not debris
        try:
            _remove(ctx, made)
        except (MentatError, OSError) as error:
            ctx.warn("debris", f"{made.what} of the dead job {made.job} is left: {error}")
            continue
        ctx.warn("debris", f"removed {made.how} {made.what}, left by the dead job {made.job}")
        durable.remove(file)


def _remove(ctx: Context, made: Made) -> None:
    with contextlib.suppress(SourceMissing, FileNotFoundError):
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
