"""The audit trail: every act is recorded here before it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from engine.api.door import Door

if TYPE_CHECKING:
    from engine.core.incident_events import Who
    from engine.operations.audit import Verified


class Audit:
    """`engine.audit`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    @cached_property
    def who(self) -> Who:
        """The person behind this process."""
        from engine.operations import audit_identity

        return audit_identity.whoami()

    def record(self, act: str, facts: Mapping[str, Any] | None = None) -> None:
        """Add a line, on the disk when this returns. MentatError: then the act must not go on."""
        from engine import wiring
        from engine.operations import audit

        audit.record(self._door.settings.state, self.who, act, facts, at=wiring.utc_now())

    def lines(self, limit: int = 200) -> list[dict[str, Any]]:
        """The newest lines, oldest of them first."""
        from engine.operations import audit

        found = []
        for line in audit.read(self._door.settings.state)[-limit:]:
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"act": "UNREADABLE", "at": "", "who": {}, "facts": {}})
        return found

    def copy(self) -> int:
        """Bring the store's copy up to date; the lines it has. StoreError."""
        from engine.operations import audit

        settings = self._door.settings
        return audit.copy(self._door.repo().store, settings.state, settings.host)

    def verify(self, *, store: bool = True) -> Verified:
        """Whether the trail is whole, here and against the store's copy."""
        from engine.operations import audit

        settings = self._door.settings
        where = self._door.repo().store if store else None
        return audit.verify(where, settings.state, settings.host)
