"""`python -m engine.monitoring`: write alerts.yml and dashboard.json beside this file anew."""

from __future__ import annotations

from pathlib import Path

from engine.monitoring import ALERTS, DASHBOARD, alerts_yml, dashboard_json

FOLDER = Path(__file__).parent


def main() -> None:
    """Write both."""
    (FOLDER / ALERTS).write_text(alerts_yml(), "utf-8")
    (FOLDER / DASHBOARD).write_text(dashboard_json(), "utf-8")


if __name__ == "__main__":
    main()
