"""The costs that the fake engine tells of: the requirements' 60 GB a day, kept for 30 days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from engine.core.cost_report import CostReport
from engine.core.snapshot import SnapshotEntry, SnapshotId
from engine.operations import cost, prices
from tests.console.fake_facts import NOW, settings


class FakeCosts:
    """`engine.costs`, worked out from a listing that is made up."""

    def __init__(self, gate: Callable[[], None]) -> None:
        self._gate = gate
        self.rows = [
            SnapshotEntry(
                SnapshotId(
                    "landsraad", "shop-db", NOW - n * timedelta(days=1), "logical", f"{n:08x}"
                ),
                60_000_000_000,
                True,
                True,
            )
            for n in range(30)
        ]

    def report(self, *, refresh: bool | None = False) -> CostReport:
        self._gate()
        holding = cost.Holding("primary", settings().repository, self.rows)
        return cost.report(settings(), prices.load(), [holding], NOW)
