"""What others monitor us with: alert rules, a dashboard, schedules. Pure text, made from values."""

from __future__ import annotations

ALERTS = "alerts.yml"
DASHBOARD = "dashboard.json"


def alerts_yml() -> str:
    """The rules for Prometheus' `rule_files`."""
    from engine.monitoring import alerts_file, rules

    return alerts_file.render(rules.GROUPS)


def dashboard_json() -> str:
    """The dashboard for Grafana's import."""
    from engine.monitoring import dashboard, panels

    return dashboard.render(panels.ROWS)
