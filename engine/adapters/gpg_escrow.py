"""An offline key, given for the moment: opened in a home directory of its own that is then gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from engine.adapters import command
from engine.adapters.gpg import Gpg
from engine.adapters.gpg_status import decrypted_by, decryption_error
from engine.core.errors import CipherError, MentatError
from engine.settings import EncryptionSettings

_ZSTD = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
_MEMORY = Path("/dev/shm")
_SECONDS = 120.0


class OfflineKey:
    """The private keys of a file, usable within the block. Nothing of them stays: they are kept
    in memory where the machine has a place for that, and their agent is ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._home: Path | None = None
        self._cipher: Gpg | None = None

    def __enter__(self) -> OfflineKey:
        """CipherError when the file cannot be read or holds no private key."""
        place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        self._home = Path(tempfile.mkdtemp(prefix="mdr-", dir=place))
        try:
            self._cipher = Gpg(EncryptionSettings(), self._home)
            keys = self._cipher.import_file(self._file)
            if not any(key.has_secret for key in keys):
                raise CipherError(
                    f"{self._file} holds public keys only",
                    "Give the private key: gpg --armor --export-secret-keys ADDRESS",
                )
        except BaseException:
            self._forget()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._forget()

    def open(self, sealed: bytes, passphrase: str | None, *, whole: bool) -> str:
        """Decrypt a compressed artifact, or its first part; the fingerprint of the key that did
        it. With `whole`, gpg must prove it to its end. SecretKeyMissing, WrongPassphrase,
        ObjectDamaged."""
        assert self._cipher is not None
        ended = command.run(
            self._cipher.decrypt_command(passphrase), stdin=sealed, timeout=_SECONDS, check=False
        )
        problem = decryption_error(ended.ok, ended.stderr)
        opener = decrypted_by(ended.stderr)
        if problem is not None and (whole or not opener or not ended.stdout):
            raise problem
        if not ended.stdout.startswith(_ZSTD):
            raise CipherError(
                "what came out is not what backups hold", "Try it with another snapshot."
            )
        return opener

    def _forget(self) -> None:
        if self._cipher is not None:
            with contextlib.suppress(MentatError):  # without an agent there is none to end
                self._cipher.kill_agent()
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
