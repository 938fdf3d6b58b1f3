"""Colder storage classes: what of a snapshot is frozen, and what a bucket's rules do to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

RULE = "mentat-dr-transition"
TAG = ("mentat-dr", "artifact")

# How long a thaw takes at Amazon, in seconds, by class (Standard retrieval; AWS S3 user guide,
# "Understanding archive retrieval options").
THAW_SECONDS = {"GLACIER": 5 * 3600.0, "DEEP_ARCHIVE": 12 * 3600.0}


@dataclass(frozen=True, slots=True)
class Chill:
    """One object: its class where that is a cold one, and whether it can be read now."""

    storage_class: str
    state: Literal["ready", "frozen", "thawing"]


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """A rule of a bucket, as far as it matters. Days count from an object's creation."""

    id: str
    enabled: bool
    prefix: str = ""
    tagged: bool = False
    expire_days: int | None = None
    move_days: int | None = None
    storage_class: str = ""


def breaks(rules: Iterable[LifecycleRule], prefix: str, days: int) -> list[str]:
    """Rules that remove what lies below `prefix` before it is `days` old, in words."""
    return [
        f"the bucket's rule {rule.id or '(no name)'} removes objects after {rule.expire_days} "
        f"days; the retention keeps them for {days}"
        for rule in rules
        if rule.enabled
        and rule.expire_days is not None
        and rule.expire_days < days
        and (rule.prefix.startswith(prefix) or prefix.startswith(rule.prefix))
    ]
