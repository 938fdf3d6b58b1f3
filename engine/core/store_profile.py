"""What a store was seen to do: the answers to a probe, and what is relied on because of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.core.objectives import Level

# What each feature is for, and how bad its lack is.
FEATURES: dict[str, tuple[str, Level]] = {
    "conditional-put": ("refuses to overwrite a small object when asked to", "warning"),
    "conditional-complete": ("refuses to overwrite a large object when asked to", "warning"),
    "checksums": ("checks the SHA-256 sent with an object, and refuses a wrong one", "warning"),
    "part-checksums": ("confirms the SHA-256 of each part of an upload", "warning"),
    "read-back": (
        "gives back, byte for byte, what was sent, in one piece and in parts",
        "critical",
    ),
    "ranges": ("serves any range of an object", "critical"),
    "long-lists": ("lists more keys than fit on a page, each once", "critical"),
    "uploads": ("lists and drops unfinished uploads", "warning"),
    "batch-delete": ("deletes many keys in one request", "ok"),
    "versioning": ("keeps former versions of an object", "ok"),
    "lock": ("locks objects against deletion", "ok"),
    "lifecycle": ("has lifecycle rules", "ok"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the store does it; None where it could not be found out. `detail` says how."""

    able: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StoreProfile:
    """One store as it was probed. `features` by the names of FEATURES."""

    store: str
    at: datetime
    features: Mapping[str, Answer] = field(default_factory=dict)

    def proven(self, feature: str) -> bool | None:
        """What was found of a feature; None where nothing was."""
        answer = self.features.get(feature)
        return answer.able if answer is not None else None
