"""The dashboard is what Grafana's schema takes, and shows what was promised."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from engine import monitoring
from engine.core.metrics import CATALOGUE
from engine.monitoring.panels import REQUIRED

MADE: dict[str, Any] = json.loads(monitoring.dashboard_json())
PANELS = [panel for panel in MADE["panels"] if panel["type"] != "row"]


def lost(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """What of ours the schema's types did not keep."""
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            yield path
            return
        for key, value in ours.items():
            if key not in theirs:
                yield f"{path}.{key}"
            else:
                yield from lost(value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            yield path
            return
        for number, value in enumerate(ours):
            yield from lost(value, theirs[number], f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} became {theirs!r}"


def test_grafanas_own_types_keep_all_of_it() -> None:
    plugins.register_default_plugins()
    read = Dashboard.from_json(MADE)
    theirs = json.loads(JSONEncoder(sort_keys=True, indent=2).encode(read))
    assert list(lost(MADE, theirs)) == []


def test_the_promised_panels_are_there() -> None:
    titles = [panel["title"] for panel in PANELS]
    assert set(REQUIRED) <= set(titles)
    assert len(titles) == len(set(titles))


def test_panels_neither_overlap_nor_leave_the_page() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in MADE["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in MADE["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_queries_are_promql_over_what_is_published(panel: dict[str, Any]) -> None:
    for target in panel.get("targets", ()):
        metrics = re.findall(r"\b(?:backup|dr)_[a-z_]+", target["expr"])
        assert metrics and set(metrics) <= set(CATALOGUE)
