"""Replicas: which of them is read, and how far each is behind."""

from __future__ import annotations

from engine.api.door import Door


class Replicas:
    """`engine.replicas`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def elsewhere(self) -> str:
        """One line saying that the last listing came from another store, and why; empty when it
        came from the primary."""
        listing = self._door.elsewhere
        if listing is None:
            return ""
        return (
            f"{listing.store} does not answer ({listing.problem}); this is what "
            f"{listing.read_from} holds"
        )
