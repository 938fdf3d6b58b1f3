"""OpenPGP: keys, streams and signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from engine.core.commands import Command


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair on this machine's keyring. expires is None for never."""

    fingerprint: str
    user_ids: tuple[str, ...]
    created: datetime | None
    expires: datetime | None
    can_encrypt: bool
    can_sign: bool
    has_secret: bool
    expired: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """`good` only for a valid signature by a key that this keyring holds."""

    good: bool
    fingerprint: str = ""
    signer: str = ""
    problem: str = ""


class Cipher(Protocol):
    """OpenPGP by gpg. Errors are CipherError's."""

    def recipients(self) -> tuple[str, ...]:
        """Fingerprints of the configured recipients, each able to encrypt now (KeyExpired,
        RecipientUnusable otherwise); empty when a passphrase is configured instead."""

    def encrypt_command(self) -> Command:
        """stdin plain, stdout OpenPGP, no compression, AES256."""

    def decrypt_command(self, passphrase: str | None = None) -> Command:
        """stdin OpenPGP, stdout plain. Its end is to be judged by `decrypt_error`."""

    def decrypt_error(self, ended_ok: bool, stderr: Sequence[str]) -> Exception | None:
        """None when gpg proved the stream (DECRYPTION_OKAY and exit 0), else what was wrong."""

    def sign(self, document: bytes) -> bytes:
        """Detached armoured signature by the host's signing key."""

    def verify(self, document: bytes, signature: bytes) -> SignatureCheck: ...

    def keys(self) -> Sequence[Key]: ...

    def check_secret(self, passphrase: str | None = None) -> Key | None:
        """Prove that data for our recipients can be decrypted here: encrypt and decrypt a probe.
        Returns the key that did it (None when symmetric). WrongPassphrase, SecretKeyMissing, ..."""

    def needs_passphrase(self) -> bool:
        """False when data for our recipients opens without being given one. SecretKeyMissing when
        no passphrase could open it here."""
