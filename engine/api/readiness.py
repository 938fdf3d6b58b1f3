"""Health checks and quick-reference cards. Cards work with everything else down."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.api.door import Door
from engine.api.runbooks import Form, written
from engine.core.errors import MentatError, UsageError
from engine.core.health import Health
from engine.core.objectives import Posture

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.core.document import Block

PATIENCE = 10.0  # seconds a card waits for health checks and keys


class HealthChecks:
    """`engine.health`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def examine(self, names: Sequence[str] = ()) -> tuple[Health, ...]:
        """Ask these checks now, or all. UsageError for a name that is not configured."""
        from engine import wiring
        from engine.operations import health

        configured = self._door.settings.health
        known = {check.name: check for check in configured}
        for name in names:
            if name not in known:
                raise UsageError(
                    f"no health check is called {name!r}",
                    f"There are: {', '.join(known) or 'none; add [[health]] tables'}",
                )
        chosen = [known[name] for name in names] if names else configured
        return health.examine(wiring.examined(self._door.settings), chosen)


class Cards:
    """`engine.cards`."""

    def __init__(self, door: Door, engine: Engine) -> None:
        self._door = door
        self._engine = engine

    def values(self) -> dict[str, str]:
        """What the configuration fills in for runbooks and cards."""
        settings = self._door.settings
        store = settings.repository
        prefix = f"/{store.prefix}" if store.prefix else ""
        bucket = store.path if store.provider == "directory" else f"s3://{store.bucket}{prefix}"
        return {
            "host": settings.host,
            "environment": settings.environment,
            "store": store.shown,
            "bucket": bucket,
            "endpoint": store.endpoint,
            "prefix": store.prefix,
            "state": str(settings.state),
            "config": str(settings.file),
            "recipients": ",".join(settings.encryption.recipients),
            "signing_key": settings.encryption.signing_key,
        }

    def of_source(self, name: str) -> dict[str, str]:
        """What a source adds: its container and volume; nothing for an unknown one."""
        for source in self._door.settings.sources:
            if source.name == name:
                return {"container": source.container, "volume": source.volume}
        return {}

    def card(self, runbook: str = "", form: Form = "text", *, live: bool = True) -> str:
        """The card of a scenario, or of none. `live` asks the health checks; whatever does not
        answer within ten seconds is said, and the rest stands."""
        settings = self._door.settings
        title = f"Recovery card: {settings.host}, {settings.environment}"
        return written(title, self.blocks(runbook, live=live), form)

    def blocks(self, runbook: str = "", *, live: bool = True) -> list[Block]:
        from engine import wiring
        from engine.core import card

        settings = self._door.settings
        books = [self._engine.runbooks.book(runbook)] if runbook else []
        waiting = [
            _Within(self._keys),
            _Within(lambda: self._engine.health.examine() if live else None),
        ]
        (keys, keys_problem), (health, _) = (each.answer() for each in waiting)
        facts = card.CardFacts(
            host=settings.host,
            environment=settings.environment,
            store=settings.repository.shown,
            now=wiring.utc_now(),
            values=self.values(),
            recipients=settings.encryption.recipients,
            keys=keys or (),  # type: ignore[arg-type]
            keys_problem=keys_problem,
            contacts=settings.contacts,
            checks=settings.health,
            health=health,  # type: ignore[arg-type]
            posture=self._posture(),
            symmetric=settings.encryption.passphrase is not None,
        )
        return card.blocks(facts, books)

    def _keys(self) -> list[str]:
        found = []
        on_keyring = self._engine.keys()
        for key in on_keyring:
            expires = f", expires {key.expires:%Y-%m-%d}" if key.expires else ""
            half = "private key is here" if key.has_secret else "public half only"
            name = key.user_ids[0] if key.user_ids else ""
            found.append(f"{key.fingerprint} {name} ({half}{expires})")
        return found

    def _posture(self) -> Posture | None:
        """From the listing kept on disk: no store is asked."""
        posture = self._engine.posture(refresh=False)
        return posture if posture.store.listed_at else None


class _Within:
    """A call in a thread of its own, waited for no longer than PATIENCE."""

    def __init__(self, call: object) -> None:
        self._value: object = None
        self._problem = f"no answer within {PATIENCE:.0f} s"

        def work() -> None:
            try:
                self._value = call()  # type: ignore[operator]
                self._problem = ""
            except (MentatError, OSError) as error:
                self._problem = str(error)

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def answer(self) -> tuple[object, str]:
        self._thread.join(PATIENCE)
        return self._value, self._problem
