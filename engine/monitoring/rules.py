"""All alert rules, by category. `alerts.yml` beside this file is made from them; a test says when
it must be made again (`python -m engine.monitoring`)."""

from __future__ import annotations

from engine.monitoring.rule import Group
from engine.monitoring.rules_backups import (
    DATABASE,
    EXECUTION,
    FILES,
    OFFSITE,
    RETENTION,
    STORAGE,
    VERIFICATION,
)
from engine.monitoring.rules_readiness import KEYS, OURSELVES, READINESS

GROUPS: tuple[Group, ...] = (
    EXECUTION,
    VERIFICATION,
    STORAGE,
    OFFSITE,
    DATABASE,
    RETENTION,
    READINESS,
    FILES,
    KEYS,
    OURSELVES,
)
