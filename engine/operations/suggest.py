"""What on this machine looks worth protecting, as `--source` spells it."""

from __future__ import annotations

import re

from engine.core.errors import MentatError
from engine.ports import Container, Containers

_DATABASES = re.compile(r"mysql|mariadb|percona")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}\Z")


def sources(containers: Containers) -> tuple[str, ...]:
    """Running database servers, and named volumes of everything else; nothing when Docker does
    not answer."""
    try:
        running = containers.containers(all_states=False)
    except MentatError:
        return ()
    databases = [found for found in running if _DATABASES.search(found.image.lower())]
    others = [found for found in running if found not in databases]
    volumes = sorted({name for found in others for name in _named_volumes(found)})
    return (
        *(f"database:{found.name}" for found in databases),
        *(f"volume:{name}" for name in volumes),
    )


def _named_volumes(container: Container) -> list[str]:
    volumes = [mount.volume for mount in container.mounts if mount.volume]
    return [name for name in volumes if not _ANONYMOUS.match(name)]
