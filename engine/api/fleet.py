"""The fleet: all hosts that share the repository, as their snapshots show them."""

from __future__ import annotations

from collections.abc import Sequence

from engine.api.door import Door
from engine.core.catalogue import HostPosture, WrittenSource, hosts


class Fleet:
    """`engine.fleet`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def hosts(self, *, refresh: bool | None = False) -> Sequence[HostPosture]:
        """Every host, those that stopped writing first. refresh lists the whole store before;
        None does so unless the kept listing will do. StoreError when no store answers."""
        from engine import wiring

        return hosts(self.sources(refresh=refresh), wiring.utc_now())

    def sources(self, *, refresh: bool | None = False) -> Sequence[WrittenSource]:
        """Every source of every host with its newest snapshots' times."""
        from engine.repository import ListingFile

        if refresh or (refresh is None and not self._door.fresh_enough()):
            self._door.list()
        if self._door.elsewhere is not None:
            from engine.repository.catalogue import written

            return written(self._door.elsewhere.rows)
        return ListingFile(self._door.settings.state).written(self._door.shown)
