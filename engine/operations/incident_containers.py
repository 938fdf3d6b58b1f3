"""Stopping and starting containers as a step of a runbook: writers, stacks, what is affected."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.core.errors import ContainersError, UsageError
from engine.core.events import Output, Result
from engine.operations.context import Context
from engine.operations.progress import Phase

STARTING = 30.0  # seconds a container may take until it runs


def stop(ctx: Context, names: Sequence[str]) -> Result:
    """Stop each that runs; those that do not are told. Nothing is stopped when one is unknown."""
    docker = ctx.containers()
    found = [docker.container(name) for name in _given(names)]
    was: dict[str, str] = {}
    for container in found:
        was[container.name] = container.state
        with Phase(ctx.emit, f"stop {container.name}", "Stop"):
            if container.state == "paused":
                docker.unpause(container.name)
            if container.state in ("running", "paused", "restarting"):
                docker.stop(container.name)
            else:
                ctx.emit(Output(f"{container.name} was {container.state} already"))
    return Result("done", f"stopped {', '.join(was)}", {"containers": list(was), "was": was})


def start(ctx: Context, names: Sequence[str]) -> Result:
    """Start each, and see that it runs and goes on running."""
    docker = ctx.containers()
    found = [docker.container(name) for name in _given(names)]
    for container in found:
        with Phase(ctx.emit, f"start {container.name}", "Start"):
            if container.state == "paused":
                docker.unpause(container.name)
            elif container.state != "running":
                docker.start(container.name)
            _await(ctx, container.name)
    names_ = [container.name for container in found]
    return Result("done", f"started {', '.join(names_)}", {"containers": names_})


def _await(ctx: Context, name: str) -> None:
    until = time.monotonic() + STARTING
    seen = 0
    while seen < 2:  # twice in a row: some fall over at once
        state = ctx.containers().container(name).state
        seen = seen + 1 if state == "running" else 0
        if time.monotonic() > until:
            last = ctx.containers().logs(name, 1)
            raise ContainersError(
                f"{name} does not run: it is {state}" + (f" ({last[0]})" if last else ""),
                f"docker logs --tail 50 {name}",
            )
        time.sleep(0.5)


def _given(names: Sequence[str]) -> Sequence[str]:
    if not names:
        raise UsageError("no container is named", "Set them: mentat-dr incident set NAME=A,B")
    return names
