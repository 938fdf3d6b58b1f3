"""In which order containers are stopped: those that depend on others first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.ports import Container

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_DEPENDS = "com.docker.compose.depends_on"  # "db:service_healthy:true,cache:service_started:false"


def dependants_first(containers: Sequence[Container]) -> list[Container]:
    """The containers so that each stands before what it needs, else in the given order. What is
    needed is read from Compose's labels, shared network and volume settings, and links. Circles
    are broken where they are met."""
    needs = {c.id: [o for o in containers if o.id != c.id and _needs(c, o)] for c in containers}
    providers_first: list[Container] = []
    met: set[str] = set()

    def visit(container: Container) -> None:
        if container.id in met:
            return
        met.add(container.id)
        for provider in reversed(needs[container.id]):
            visit(provider)
        providers_first.append(container)

    for container in reversed(containers):
        visit(container)
    return providers_first[::-1]


def _needs(container: Container, other: Container) -> bool:
    labels, others = container.labels, other.labels
    same_project = labels.get(_PROJECT) and labels.get(_PROJECT) == others.get(_PROJECT)
    wanted = {part.split(":", 1)[0].strip() for part in labels.get(_DEPENDS, "").split(",")}
    if same_project and others.get(_SERVICE, "") in wanted - {""}:
        return True
    host = container.definition.get("HostConfig") or {}
    modes = [str(host.get(key) or "") for key in ("NetworkMode", "IpcMode", "PidMode")]
    named = [mode.removeprefix("container:") for mode in modes if mode.startswith("container:")]
    named += [str(item).split(":", 1)[0] for item in host.get("VolumesFrom") or ()]
    named += [str(item).split(":", 1)[0].lstrip("/") for item in host.get("Links") or ()]
    return _is_one_of(other, named)


def _is_one_of(container: Container, named: Iterable[str]) -> bool:
    return any(
        name == container.name or (len(name) >= 12 and container.id.startswith(name))
        for name in named
    )
