"""Keys: how long they last, whether they work, and whether the offline one really opens backups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.api.door import Door
from engine.core.errors import ConfigurationError
from engine.core.findings import Finding
from engine.core.metrics_keys import KeysKnown

if TYPE_CHECKING:
    from engine.operations.keys_escrow import Tested


class Keys:
    """`engine.key_checks`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def check(self) -> KeysKnown:
        """Look at every configured key and try it; remembered. CipherError when gpg cannot be
        used, ConfigurationError when the state directory cannot be written."""
        from engine import wiring
        from engine.operations import keys_check

        settings = self._door.settings
        try:
            return keys_check.check(settings, wiring.key_examiner(settings), wiring.utc_now())
        except OSError as error:
            raise self._unwritable(error) from error

    def known(self) -> KeysKnown:
        """What the last check found; nothing is tried."""
        from engine import wiring
        from engine.operations import keys_age
        from engine.operations.telling_state import Memory

        settings = self._door.settings
        try:
            return keys_age.known(settings, Memory(settings.state), wiring.utc_now())
        except OSError as error:
            raise self._unwritable(error) from error

    def judge(self, known: KeysKnown) -> Sequence[Finding]:
        """What to make of it, and what to do."""
        from engine import wiring
        from engine.core import key_findings

        return key_findings.judge(known, wiring.utc_now())

    def escrow_test(self, file: Path, passphrase: str | None = None, source: str = "") -> Tested:
        """Prove that the private key in this file opens a recent snapshot. The key is used in a
        home directory of its own, which is gone afterwards. CipherError, UsageError, ..."""
        from engine import wiring
        from engine.operations import keys_escrow

        settings = self._door.settings
        if source:
            settings.source(source)
        try:
            return keys_escrow.test(
                settings,
                self._door.repo(),
                wiring.offline_key(file),
                passphrase,
                wiring.utc_now(),
                source,
            )
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"{error.filename or self._door.settings.state} cannot be written: {error.strerror}",
            "Run as the user that owns the state directory (root).",
        )
