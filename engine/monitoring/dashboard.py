"""`dashboard.json`: the panels as Grafana imports them (dashboard schema 41, Grafana 11 and later).

Made by a generator of our own: `export dashboard` must work where only the product is installed,
and its JSON is small. A test reads it with Grafana's foundation SDK, which has the schema's types.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from engine.monitoring.panels import Panel, Query, Row
from engine.monitoring.rule import APP

SCHEMA = 41
COLUMNS = 24
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def render(rows: Sequence[Row]) -> str:
    """The JSON document."""
    return json.dumps(dashboard(rows), indent=2, ensure_ascii=False) + "\n"


def dashboard(rows: Sequence[Row]) -> dict[str, Any]:
    """The document as Grafana's schema has it."""
    return {
        "uid": APP,
        "title": "Disaster recovery",
        "description": "Is everything recoverable, how fast, and is that proven? By mentat-dr.",
        "tags": [APP, "backup", "disaster-recovery"],
        "timezone": "utc",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "schemaVersion": SCHEMA,
        "time": {"from": "now-7d", "to": "now"},
        "templating": {"list": list(_variables())},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_panels(rows)),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "hide": 0,
        "multi": False,
        "includeAll": False,
    }
    for name, query in (
        ("host", "label_values(backup_publish_timestamp, host)"),
        ("source", 'label_values(backup_snapshots{host=~"$host"}, source)'),
    ):
        yield {
            "type": "query",
            "name": name,
            "label": name,
            "datasource": _DATASOURCE,
            "query": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            # Also series without the label: those of the whole host.
            "allValue": ".*",
            "hide": 0,
            "current": {"text": "All", "value": "$__all"},
        }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": panel.shape,
        "title": panel.title,
        "description": panel.why,
        "options": _options(panel),
    }
    if panel.shape == "alertlist":
        return made
    made |= {
        "datasource": _DATASOURCE,
        "targets": [_target(panel, n, query) for n, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
    }
    if panel.shape == "table":
        made["transformations"] = [
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "renameByName": {
                        "Value #A": "passed",
                        "Value #B": "failed",
                        "Value #C": "warnings",
                    },
                },
            },
        ]
    return made


def _target(panel: Panel, number: int, query: Query) -> dict[str, Any]:
    instant = panel.shape in ("stat", "gauge", "table")
    return {
        "refId": "ABCDEFGH"[number],
        "datasource": _DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if panel.shape == "table" else "time_series",
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": colour} for value, colour in panel.steps]
    field: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if panel.shape in ("stat", "gauge") else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.names:
        words = {
            str(value): {"text": text, "color": colour, "index": index}
            for index, (value, text, colour) in enumerate(panel.names)
        }
        field["mappings"] = [{"type": "value", "options": words}]
    if panel.shape == "gauge":
        field |= {"min": 0}
    if panel.shape == "timeseries":
        field["custom"] = {
            "drawStyle": "line",
            "lineInterpolation": "stepAfter",
            "lineWidth": 1,
            "fillOpacity": 25 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": True,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if len(panel.steps) > 1 else "off"},
        }
    return field


def _options(panel: Panel) -> dict[str, Any]:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.shape == "stat":
        return {
            "reduceOptions": reduced,
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
            "wideLayout": True,
        }
    if panel.shape == "gauge":
        return {
            "reduceOptions": reduced,
            "orientation": "auto",
            "showThresholdLabels": False,
            "showThresholdMarkers": True,
        }
    if panel.shape == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if panel.shape == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    return {
        "viewMode": "list",
        "groupMode": "default",
        "groupBy": [],
        "maxItems": 30,
        "sortOrder": 3,
        "dashboardAlerts": False,
        "alertName": "",
        "alertInstanceLabelFilter": f'{{app="{APP}"}}',
        "datasource": "${datasource}",
        "stateFilter": {
            "firing": True,
            "pending": True,
            "noData": False,
            "normal": False,
            "error": True,
        },
    }
