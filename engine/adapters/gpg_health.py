"""How long a configured key can still do its work, and whether it does it now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.adapters.gpg import Gpg
from engine.adapters.gpg_status import from_epoch
from engine.core.errors import CipherError
from engine.core.metrics_keys import KeyState, Role

_PROBE = b"mentat-dr key check\n"
_CAPABILITY = {"recipient": "e", "signing": "s"}


class KeyHealth:
    """Looks at keys of one keyring; each look makes a probe."""

    def __init__(self, cipher: Gpg) -> None:
        self._cipher = cipher

    def recipient(self, name: str) -> KeyState:
        """Can be encrypted to, now and until when. Never raises for what it finds."""
        state = self._listed(name, "recipient")
        try:
            key = self._cipher.keyring.recipient(name)
            self._cipher.encrypt_probe(key.fingerprint, _PROBE)
        except CipherError as error:
            return replace(state, problem=error.message, remedy=error.remedy)
        return replace(state, usable=True, fingerprint=key.fingerprint)

    def signer(self, name: str) -> KeyState:
        """Signs, and its signature is good. Never raises for what it finds."""
        state = self._listed(name, "signing")
        try:
            checked = self._cipher.verify(_PROBE, self._cipher.sign(_PROBE))
        except CipherError as error:
            return replace(state, problem=error.message, remedy=error.remedy)
        if not checked.good:
            remedy = "Make another: mentat-dr init, and set `signing_key`."
            return replace(
                state, problem=f"its own signature is bad: {checked.problem}", remedy=remedy
            )
        return replace(state, usable=True, fingerprint=checked.fingerprint or state.fingerprint)

    def _listed(self, name: str, role: Role) -> KeyState:
        """What the keyring lists of it."""
        try:
            entry = self._cipher.keyring.entry(name)
        except CipherError as error:
            return KeyState(name, role, problem=error.message, remedy=error.remedy)
        if entry is None:
            return KeyState(name, role)
        user = entry["uids"][0] if entry["uids"] else ""
        return KeyState(name, role, entry["fingerprint"], user, expiry(entry, _CAPABILITY[role]))


def expiry(entry: dict[str, Any], capability: str) -> datetime | None:
    """When the key stops being able to: with its primary key, or with the last of the (sub)keys
    that have the capability. None for never."""
    ends = [from_epoch(entry["expires"])]
    able = [
        from_epoch(sub["expires"])
        for sub in entry.get("subkey_info", {}).values()
        if capability in sub["cap"] and sub["trust"] != "r"
    ]
    # In a primary key's field, small letters are its own capabilities.
    if able and capability not in entry["cap"]:
        last = [end for end in able if end is not None]
        ends.append(max(last) if len(last) == len(able) else None)
    known = [end for end in ends if end is not None]
    return min(known) if known else None
