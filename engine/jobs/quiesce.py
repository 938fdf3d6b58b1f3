"""Quiescing: containers are paused or stopped, and always put back as they were found.

Three lines of defence, each for the death of the one before: the job itself, on any end that runs
its clean-up; the guard, a process of its own that sees the job die; and the durable record, which
the next job, or doctor, finds when both are dead (see recover_quiesced).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.core.errors import ContainersError, HeldError, SourceMissing, UsageError
from engine.core.events import Emit, Output, Warned
from engine.jobs import quiesce_record
from engine.jobs.locks import Busy, Lock, held, make_private
from engine.jobs.order import dependants_first
from engine.jobs.quiesce_record import DONE_WORDS
from engine.jobs.quieting import quiet, unwritable
from engine.ports import Container, Containers

_QUIETABLE = {"pause": ("running",), "stop": ("running", "restarting")}
_PATIENCE = 900.0  # seconds for another job that keeps the same container quiet
_FRESH = 180.0  # seconds in which Docker may still be at what a dead job asked of it


@contextlib.contextmanager
def quiesced(
    containers: Containers,
    names: Sequence[str],
    how: str,
    state_dir: Path,
    job_id: str,
    emit: Emit,
    *,
    patience: float = _PATIENCE,
) -> Iterator[None]:
    """Within the block those of the named containers that run are paused or stopped.

    how is `none`, `pause` or `stop`. Those found paused or ended are left as they are. After the
    block, however it ends, all are as they were found; if one cannot be put back the others still
    are, ContainersError names it, and a guard goes on trying. HeldError when another job keeps
    one of them quiet for more than `patience` seconds. Dependants are stopped first and started
    last.
    """
    if how == "none" or not names:
        yield
        return
    if how not in _QUIETABLE:
        raise UsageError(f"{how!r} is no way to quiesce", "Choose none, pause or stop.")
    with contextlib.ExitStack() as stack:
        found = _found(containers, names, emit)
        owned: list[Lock] = []
        for container in sorted(found, key=lambda c: c.id):
            owned.append(_own(state_dir, container, emit, patience))
            stack.callback(owned[-1].leave)
        for sentence in recover_quiesced(state_dir, containers):
            emit(Warned("put-back", sentence))
        # Again: while we waited, another job, or recovery, has changed them.
        chosen = _chosen(_found(containers, [c.id for c in found], emit), how, emit)
        if chosen:
            stack.enter_context(quiet(containers, chosen, how, state_dir, job_id, emit, owned))
        yield


def _found(containers: Containers, names: Sequence[str], emit: Emit) -> list[Container]:
    found: dict[str, Container] = {}
    for name in names:
        try:
            container = containers.container(name)
            found[container.id] = container
        except SourceMissing:
            emit(Warned("container-gone", f"{name} was removed, so it is not quieted"))
    return list(found.values())


def _chosen(found: Sequence[Container], how: str, emit: Emit) -> list[Container]:
    chosen = [c for c in found if c.state in _QUIETABLE[how]]
    for container in chosen:
        host = container.definition.get("HostConfig") or {}
        if how == "stop" and host.get("AutoRemove"):
            raise ContainersError(
                f"{container.name} was started with --rm: stopping it would remove it",
                'Set quiesce = "pause" for this source, or start the container without --rm.',
            )
    if how == "pause":
        for container in found:
            if container.state == "restarting":
                emit(Warned("not-quiet", f"{container.name} is restarting and cannot be paused"))
    return dependants_first(chosen)


def _own(state: Path, container: Container, emit: Emit, patience: float) -> Lock:
    """The container's lock: two jobs that quieted one would undo each other's work. All take
    their locks in the same order, so none waits for another in a circle."""
    place = quiesce_record.folder(state) / "containers"
    try:
        make_private(quiesce_record.folder(state), place)
    except OSError as error:
        raise unwritable(place, error) from error
    until = time.monotonic() + patience
    told = False
    while True:
        with contextlib.suppress(Busy):
            return Lock.take(place / f"{container.id}.lock")
        if not told:
            emit(Output(f"waiting for another job that keeps {container.name} quiet"))
            told = True
        if time.monotonic() > until:
            raise HeldError(
                f"another job keeps {container.name} quiet",
                "Wait for it (mentat-dr job list), then start this one again.",
            )
        time.sleep(0.2)


def recover_quiesced(state_dir: Path, containers: Containers) -> list[str]:
    """Put back what dead jobs left paused or stopped; a sentence for each thing done and for each
    that could not be. What a living job or guard holds is theirs. Docker is asked only when there
    is something to put back; an unreachable one leaves a sentence, and the record."""
    sentences: list[str] = []
    for path in sorted(quiesce_record.folder(state_dir).glob("*.json")):
        lock_path = path.with_suffix(".lock")
        if held(lock_path):
            continue
        with contextlib.suppress(Busy), Lock.take(lock_path) as lock:
            sentences += _recover(path, lock, containers)
    return sentences


def _recover(path: Path, lock: Lock, containers: Containers) -> list[str]:
    try:
        record = quiesce_record.from_json(path.read_bytes())
        fresh = time.time() - path.stat().st_mtime < _FRESH
    except FileNotFoundError:
        lock.path.unlink(missing_ok=True)  # its guard was quicker
        return []
    except (OSError, ValueError) as error:
        return [f"{path} cannot be read ({error}); look for paused containers: docker ps -a"]
    told: list[str] = []
    failed = [
        f"{name}, which the dead job {record.job} left {DONE_WORDS[record.how]}, could not be "
        f"put back: {error.message}"
        for name, error in quiesce_record.put_back(containers, record, told.append, fresh=fresh)
    ]
    if not failed:
        with contextlib.suppress(OSError):
            quiesce_record.erase(record)
    return [f"{sentence} (left by the dead job {record.job})" for sentence in told] + failed
