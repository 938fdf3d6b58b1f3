"""Containers and volumes for one test, apart from everything live, and surely gone after it.

Whatever a restore makes through these gets no network, a memory limit and labels that tell whose it
is. Only what carries them is ever removed, by the test itself or, after a kill, by the next one.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from engine.core.errors import DockerUnreachable, MentatError, SourceMissing
from engine.operations.context import Context
from engine.operations.restore_tree import LABEL, staging_beside
from engine.ports import Container, Containers, Volume

TEST = f"{LABEL}.test"  # label: the job that made it
STATE = f"{LABEL}.state"  # label: the state directory of that job


@dataclass(frozen=True, slots=True)
class Isolated:
    """Containers as the port promises, but for what they make: see the module."""

    inner: Containers
    job: str
    state: str
    memory: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {**labels, TEST: self.job, STATE: self.state}

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Volume:
        return self.inner.create_volume(name, self._labels(labels))

    def create_like(
        self,
        model: Container | None,
        *,
        image: str,
        name: str,
        mounts: Mapping[str, str],
        labels: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        network: str | None = "none",
        command: Sequence[str] | None = None,
        memory_limit: str | None = None,
    ) -> Container:
        return self.inner.create_like(
            model,
            image=image,
            name=name,
            mounts=mounts,
            labels=self._labels(labels),
            environment=environment,
            network="none",
            command=command,
            memory_limit=self.memory,
        )


def isolated(ctx: Context, home: Path) -> Context:
    """The same context, with containers that are apart. `home` is the state directory that the job
    belongs to."""
    memory = ctx.settings.verify.memory

    def containers() -> Containers:
        return cast(Containers, Isolated(ctx.containers(), ctx.job_id, str(home), memory))

    return replace(ctx, containers=containers)


@contextlib.contextmanager
def made_here(ctx: Context) -> Iterator[None]:
    """At the end of the block, however it ends, nothing is left that this job made for tests."""
    try:
        yield
    finally:
        _remove(ctx, lambda labels: labels.get(TEST) == ctx.job_id)


def clear_leftovers(ctx: Context, alive: Callable[[Path, str], bool]) -> None:
    """Remove what tests of dead jobs left, of this state directory or of one that is gone.
    `alive(state, job)` tells which jobs still run. Does nothing where Docker is not there."""

    def dead(labels: Mapping[str, str]) -> bool:
        job, state = labels.get(TEST, ""), Path(labels.get(STATE, ""))
        if not job or job == ctx.job_id:
            return False
        return not state.is_dir() or not alive(state, job)

    with contextlib.suppress(DockerUnreachable):
        for name in _remove(ctx, dead):
            ctx.warn("debris", f"removed {name}, left by a restore test that died")


def _remove(ctx: Context, mine: Callable[[Mapping[str, str]], bool]) -> list[str]:
    """Containers first, then volumes. What cannot be removed is said; the next test tries again."""
    containers = ctx.containers()
    gone = []
    for container in containers.containers():
        if mine(container.labels):
            gone += _gone(ctx, containers.remove_container, container.name)
    for volume in containers.volumes(TEST):
        if mine(volume.labels):
            gone += _gone(ctx, containers.remove_volume, volume.name)
    return gone


def _gone(ctx: Context, remove: Callable[[str], None], name: str) -> list[str]:
    try:
        remove(name)
    except SourceMissing:
        return []
    except MentatError as error:
        ctx.warn("debris", f"{name} is left: {error.message}")
        return []
    return [name]


@contextlib.contextmanager
def scratch(ctx: Context, home: Path, name: str) -> Iterator[Path]:
    """A private directory below the state directory `home` for the length of the block; after a
    kill the next job of that state directory removes it."""
    parent = home / "restore-test" / name
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with staging_beside(replace(ctx, state=home), parent) as (folder, _note):
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
            with contextlib.suppress(OSError):
                parent.rmdir()
