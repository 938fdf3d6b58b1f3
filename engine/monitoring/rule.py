"""What an alert rule is, and the words that many of them share."""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.alerting import Severity

APP = "mentat-dr"
DAY = 86400


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert. `wait` is how long its condition must last.

    runbook  the id of the runbook it leads to
    command  what to run first; may hold label templates
    """

    name: str
    severity: Severity
    expr: str
    wait: str
    summary: str
    description: str
    runbook: str
    command: str


@dataclass(frozen=True, slots=True)
class Group:
    """The alerts of one category."""

    category: str
    rules: tuple[Rule, ...]


SOURCE = "{{ $labels.source }}"
HOST = "{{ $labels.host }}"
OF = "{{ with $labels.source }}{{ . }} on {{ end }}{{ $labels.host }}"
AGE = "{{ $value | humanizeDuration }}"
BACKUP = f"mentat-dr backup {SOURCE}"
STATUS = "mentat-dr status"


def per(labels: str, metric: str, how: str = "max") -> str:
    """One series for each set of labels: a host may publish to a Pushgateway and a textfile both,
    and must not alarm twice for it."""
    return f"{how} by ({labels}) ({metric})"


def of_source(metric: str, how: str = "max") -> str:
    return per("host, source, kind", metric, how)


def of_host(metric: str, how: str = "max") -> str:
    return per("host", metric, how)


# A source whose RPO is longer than a day needs no daily backup.
DAILY = f"clamp_min({of_source('backup_rpo_target_seconds')}, {DAY})"
