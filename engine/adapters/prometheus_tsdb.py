"""Prometheus' own snapshots of its data: hard links of one moment, made at once.

API: POST /api/v1/admin/tsdb/snapshot (needs --web.enable-admin-api).
"""

from __future__ import annotations

import re

from engine.adapters.prometheus_http import reason, table
from engine.core.errors import MonitoringError

_TIMEOUT = (3.0, 300.0)  # the newest two hours are written out first
_NAME = re.compile(r"[0-9A-Za-z-]{1,100}\Z")


def snapshot(url: str) -> str:
    """Make one; the name of its folder below `snapshots` in the server's data. MonitoringError."""
    import requests

    try:
        answer = requests.post(f"{url.rstrip('/')}/api/v1/admin/tsdb/snapshot", timeout=_TIMEOUT)
        said = table(answer.json()) if answer.content else {}
    except (requests.RequestException, ValueError) as error:
        raise _refused(url, reason(error)) from error
    name = str(table(said.get("data")).get("name", ""))
    if answer.status_code >= 300 or not _NAME.match(name):
        raise _refused(url, str(said.get("error") or f"it answered {answer.status_code}")[:200])
    return name


def _refused(url: str, why: str) -> MonitoringError:
    return MonitoringError(
        f"Prometheus at {url} made no snapshot: {why}",
        "Check `prometheus` of the source; start Prometheus with --web.enable-admin-api.",
    )
