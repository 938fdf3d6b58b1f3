"""Costs: what is stored, what that costs, and what it will cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.api.door import Door
from engine.core.cost_report import CostReport
from engine.core.errors import StoreError

if TYPE_CHECKING:
    from engine.operations.cost import Holding


class Costs:
    """`engine.costs`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    @property
    def override(self) -> Path:
        """Where an operator's own prices stand: beside the configuration."""
        return self._door.settings.file.with_name("prices.toml")

    def report(self, *, refresh: bool | None = False) -> CostReport:
        """The report, from the listings kept on this host. refresh lists the stores before: None
        does so for the primary unless its kept listing will do. StoreError when asked to list
        and no store answers; ConfigurationError for a wrong price table."""
        from engine import wiring
        from engine.operations import cost, prices

        table = prices.load(self.override)
        if refresh or (refresh is None and not self._door.fresh_enough()):
            self._door.list()
            self._list_others()
        return cost.report(self._door.settings, table, self._holdings(), wiring.utc_now())

    def _list_others(self) -> None:
        """Keep whole listings of the replicas and the local tier; one that does not answer stays
        as it was."""
        from engine import wiring
        from engine.repository import Listing, ListingFile

        settings = self._door.settings
        now = wiring.utc_now()
        kept = ListingFile(settings.state)
        others = [*settings.replicas, *([settings.local] if settings.local else [])]
        answers = self._door.repo().copies_entries()
        for store, answer in zip(others, answers, strict=True):
            if not isinstance(answer, StoreError):
                kept.save(Listing(now, store.shown, tuple(answer)))

    def _holdings(self) -> list[Holding]:
        from engine.operations.cost import Holding
        from engine.repository import ListingFile

        settings = self._door.settings
        kept = ListingFile(settings.state)
        stores = [("primary", settings.repository)]
        stores += [("replica", replica) for replica in settings.replicas]
        if settings.local is not None:
            stores.append(("local", settings.local))
        holdings = []
        for tier, store in stores:
            listing = kept.load(store.shown) or kept.load(store.shown, settings.host)
            rows = listing.rows if listing else None
            holdings.append(Holding(tier, store, rows))
        return holdings
