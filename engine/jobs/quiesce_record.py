"""What a job pauses or stops, written down before it does so, and how that is undone.

`<state>/quiesce/<job>-<8 hex>.json` with a lock beside it, which the job and its guard hold: a
record whose lock is free belongs to the dead. Standard library only: the guard imports it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.core.errors import ContainersError
    from engine.ports import Containers

Tell = Callable[[str], None]
Stage = Literal["planned", "begun", "done"]

DONE_WORDS = {"pause": "paused", "stop": "stopped"}
STOP_SECONDS = 60
_SETTLE_SECONDS = 3.0  # for a request to pause that was under way when its sender died


@dataclass(frozen=True, slots=True)
class Quieted:
    """stage: `begun` says that Docker may have been asked, `done` that it has answered."""

    id: str
    name: str
    stage: Stage = "planned"


@dataclass(frozen=True, slots=True)
class Quiescence:
    """containers in the order in which they are quieted; how is `pause` or `stop`; docker is the
    engine's address; file is where the record stands."""

    job: str
    how: str
    docker: str
    containers: tuple[Quieted, ...]
    file: str

    @property
    def lock(self) -> Path:
        return Path(self.file).with_suffix(".lock")

    @property
    def names(self) -> str:
        return ", ".join(c.name for c in self.containers)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def at(self, container_id: str, stage: Stage) -> Quiescence:
        """The record with one container a stage further."""
        changed = (replace(c, stage=stage) if c.id == container_id else c for c in self.containers)
        return replace(self, containers=tuple(changed))


def from_json(text: str | bytes) -> Quiescence:
    """ValueError for anything but a record."""
    found = json.loads(text)
    try:
        containers = tuple(
            Quieted(str(c["id"]), str(c["name"]), c["stage"]) for c in found["containers"]
        )
        how = str(found["how"])
        if how not in DONE_WORDS:
            raise ValueError(f"{how!r} is no way to quiesce")
        return Quiescence(
            str(found["job"]), how, str(found["docker"]), containers, str(found["file"])
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a record of quiesced containers: {error!r}") from error


def folder(state: Path) -> Path:
    return state / "quiesce"


def write(record: Quiescence) -> None:
    """Durably, whole or not at all. OSError when it cannot be."""
    path = Path(record.file)
    temporary = path.with_suffix(".new")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write(record.to_json())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def erase(record: Quiescence) -> None:
    """The record, then its lock, which the caller holds. OSError when it cannot be."""
    Path(record.file).unlink(missing_ok=True)
    record.lock.unlink(missing_ok=True)
    _sync_folder(Path(record.file).parent)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def put_back(
    containers: Containers, record: Quiescence, tell: Tell, *, fresh: bool = True
) -> Iterator[tuple[str, ContainersError]]:
    """Undo it, in reverse order, whatever had been done of it; safe to repeat.

    fresh       what was begun may still be under way in Docker
    tell        gets a sentence for each that was put back, or left because it was removed or is
                in a state that was not our doing

    Yields (name, error) for each container that could not be put back."""
    from engine.core.errors import ContainersError, SourceMissing

    for quieted in reversed(record.containers):
        if quieted.stage == "planned":
            continue
        try:
            if fresh and quieted.stage == "begun":
                _settle(containers, record.how, quieted)
            _put_back_one(containers, record.how, quieted, tell)
        except SourceMissing:
            tell(f"{quieted.name} was removed meanwhile, so it was not put back")
        except ContainersError as error:
            yield quieted.name, error


def _settle(containers: Containers, how: str, quieted: Quieted) -> None:
    """Docker goes on with a request whose sender died: wait for it, or it would take effect
    after we have looked."""
    if how == "stop":
        if containers.container(quieted.id).state in ("running", "restarting"):
            containers.stop(quieted.id, STOP_SECONDS)
        return
    until = time.monotonic() + _SETTLE_SECONDS
    while containers.container(quieted.id).state == "running" and time.monotonic() < until:
        time.sleep(0.1)


def _put_back_one(containers: Containers, how: str, quieted: Quieted, tell: Tell) -> None:
    state = containers.container(quieted.id).state
    if how == "pause" and state == "paused":
        containers.unpause(quieted.id)
        tell(f"{quieted.name} was paused and goes on")
    elif how == "stop" and state in ("exited", "created", "dead"):
        containers.start(quieted.id)
        tell(f"{quieted.name} was stopped and is started again")
    elif state not in ("running", "restarting"):
        tell(
            f"{quieted.name} is {state}, though it was only {DONE_WORDS[how]}: somebody else did "
            f"that, so it is left"
        )
