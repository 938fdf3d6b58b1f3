"""key check: every configured key looked at and tried, and remembered for metrics and status."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from engine.core.metrics_keys import KeysKnown, KeyState
from engine.operations import keys_age
from engine.operations.telling_state import Memory
from engine.settings import Settings


class KeyExaminer(Protocol):
    """Looks at one key of the keyring, with a probe; what is wrong stands in the state."""

    def recipient(self, name: str) -> KeyState: ...

    def signer(self, name: str) -> KeyState: ...


def check(settings: Settings, examiner: KeyExaminer, now: datetime) -> KeysKnown:
    """Look at every recipient and the signing key. OSError when it cannot be remembered."""
    encryption = settings.encryption
    states = [examiner.recipient(name) for name in encryption.recipients]
    if encryption.signing_key:
        states.append(examiner.signer(encryption.signing_key))
    memory = Memory(settings.state)
    with memory.held():
        memory.keep_keys(replace(memory.keys(), checked_at=now, keys=tuple(states)))
    return keys_age.known(settings, memory, now)
