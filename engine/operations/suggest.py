"""What on this machine looks worth protecting, as `--source` spells it."""

from __future__ import annotations

from engine.core.discovery import things
from engine.core.errors import MentatError
from engine.ports import Containers


def sources(containers: Containers) -> tuple[str, ...]:
    """Running database servers, named volumes of everything else, and folders that containers or
    compose projects live from; nothing when Docker does not answer."""
    try:
        running = containers.containers(all_states=False)
    except MentatError:
        return ()
    return tuple(thing.spec for thing in things([found.definition for found in running]))
