"""Setting a host up: secrets, keys and the configuration, checked before anything is written.

An existing configuration is never replaced without `force`, and then a copy is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from engine import settings_file
from engine.core.errors import ConfigurationError, UsageError
from engine.core.snapshot import format_utc
from engine.ports import Key
from engine.settings import EncryptionSettings, Settings

STAND_IN = "to be made"  # a recipient, while the rest is checked
CARRY_AWAY = "carry-away"
SECRETS = "secrets"
BACKUP_KEY_LIFE = "3y"
SIGNING_KEY_LIFE = "0"  # an expired signing key would stop backups, and protects nobody


class Keyring(Protocol):
    """Keys of one gpg home directory. Errors are CipherError's."""

    def keys(self) -> Sequence[Key]: ...

    def generate(self, name: str, email: str, passphrase: str | None, expires: str) -> Key: ...

    def import_file(self, path: Path) -> Sequence[Key]: ...

    def export_public(self, fingerprints: Sequence[str]) -> bytes: ...

    def export_secret(self, fingerprint: str, passphrase: str | None) -> bytes: ...


OpenKeyring = Callable[[EncryptionSettings, Path], Keyring]


@dataclass(frozen=True, slots=True)
class Draft:
    """What was asked for.

    document    the configuration as TOML has it; without [encryption] recipients they come from
                the keys made and imported
    secrets     file name below `secrets/` -> secret; the document points there
    generate    make a key pair that can decrypt, under `passphrase` (None: without one)
    trust_files keys that prove signatures, and are no recipients
    """

    file: Path
    document: dict[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    generate: bool = False
    passphrase: str | None = field(default=None, repr=False)
    import_files: tuple[Path, ...] = ()
    trust_files: tuple[Path, ...] = ()
    force: bool = False

    @property
    def encryption(self) -> dict[str, Any]:
        return dict(self.document.get("encryption", {}))


@dataclass(frozen=True, slots=True)
class Initialised:
    """What was done.

    kept_copy   the former configuration
    carry_away  files to be taken to a safe place and then removed here
    """

    settings: Settings
    backup_key: Key | None = None
    signing_key: Key | None = None
    imported: tuple[Key, ...] = ()
    kept_copy: Path | None = None
    carry_away: tuple[Path, ...] = ()
    secrets: tuple[Path, ...] = ()


def secret_place(file: Path, name: str) -> dict[str, str]:
    """What the document says of a secret that is to be kept beside the configuration."""
    return {"file": str(file.absolute().parent / SECRETS / name)}


def initialise(draft: Draft, open_keyring: OpenKeyring, now: datetime) -> Initialised:
    """Do it. ConfigurationError when the draft is wrong or a configuration is there; CipherError
    when keys cannot be had. Nothing is written before the draft was found right, and the
    configuration last."""
    if draft.file.exists() and not draft.force:
        raise ConfigurationError(
            f"there is a configuration already: {draft.file}",
            "Edit it, or start anew with --force, which keeps a copy.",
        )
    settings = _checked(draft)
    keyring = open_keyring(settings.encryption, settings.state)
    imported = tuple(key for file in draft.import_files for key in keyring.import_file(file))
    for file in draft.trust_files:
        keyring.import_file(file)
    _refuse_unknown(draft, keyring)
    backup_key = _make_backup_key(draft, keyring)
    signing_key = _make_signing_key(draft, keyring, settings.host)
    encryption = _encryption(draft, imported, backup_key, signing_key)
    final = settings_file.build({**draft.document, "encryption": encryption}, draft.file)
    secrets = _write_secrets(draft)
    _make_directories(final)
    carry_away = _carry_away(draft, keyring, backup_key, signing_key)
    kept_copy = _keep_copy(draft.file, now)
    settings_file.save(final)
    return Initialised(
        final, backup_key, signing_key, imported, kept_copy, carry_away, tuple(secrets)
    )


def _checked(draft: Draft) -> Settings:
    """The settings, with a stand-in for recipients that are still to come."""
    encryption = draft.encryption
    to_come = draft.generate or bool(draft.import_files)
    if to_come and not encryption.get("recipients") and not encryption.get("passphrase"):
        encryption["recipients"] = [STAND_IN]
    if not encryption.get("recipients") and not encryption.get("passphrase"):
        raise UsageError(
            "who can decrypt the backups?",
            "Add --generate-keys, --import-key FILE, --recipient KEY or --symmetric-file FILE",
        )
    return settings_file.build({**draft.document, "encryption": encryption}, draft.file)


def _write_secrets(draft: Draft) -> list[Path]:
    written = []
    for name, secret in draft.secrets.items():
        path = Path(secret_place(draft.file, name)["file"])
        settings_file.write_private(path, secret.encode() + b"\n")
        written.append(path)
    return written


def _refuse_unknown(draft: Draft, keyring: Keyring) -> None:
    """A recipient whose public key is not here could not be encrypted to."""
    known = keyring.keys()
    for wanted in draft.encryption.get("recipients", []):
        if not any(_answers(key, wanted) for key in known):
            raise UsageError(
                f"no public key of {wanted} is on this machine",
                f"gpg --export {wanted} > {wanted}.asc, then add: --import-key {wanted}.asc",
            )


def _answers(key: Key, wanted: str) -> bool:
    plain = wanted.removeprefix("0x").replace(" ", "").upper()
    addresses = {uid.rpartition("<")[2].rstrip(">").casefold() for uid in key.user_ids}
    long_enough = len(plain) >= 16
    return (long_enough and key.fingerprint.endswith(plain)) or wanted.casefold() in addresses


def _make_backup_key(draft: Draft, keyring: Keyring) -> Key | None:
    if not draft.generate:
        return None
    host = draft.document["host"]
    return keyring.generate(
        f"mentat-dr backups of {host}", f"backup@{host}", draft.passphrase, BACKUP_KEY_LIFE
    )


def _make_signing_key(draft: Draft, keyring: Keyring, host: str) -> Key | None:
    if draft.encryption.get("signing_key"):
        return None
    return keyring.generate(f"mentat-dr on {host}", f"signing@{host}", None, SIGNING_KEY_LIFE)


def _encryption(
    draft: Draft, imported: Sequence[Key], backup_key: Key | None, signing_key: Key | None
) -> dict[str, Any]:
    """The [encryption] table, keys by fingerprint."""
    encryption = draft.encryption
    if not encryption.get("passphrase"):
        recipients = list(encryption.get("recipients", []))
        recipients += [backup_key.fingerprint] if backup_key else []
        if not recipients:
            recipients = [key.fingerprint for key in imported if key.can_encrypt]
        if not recipients:
            raise UsageError(
                "none of the imported keys can encrypt", "Import one with an encryption subkey."
            )
        encryption["recipients"] = recipients
    if signing_key:
        encryption["signing_key"] = signing_key.fingerprint
    return encryption


def _make_directories(settings: Settings) -> None:
    for store in (settings.repository, settings.local):
        if store and store.provider == "directory":
            try:
                Path(store.path).mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as problem:
                raise ConfigurationError(
                    f"the directory {store.path} cannot be made: {problem.strerror}",
                    "Run as root, or choose another place: --directory PATH",
                ) from problem


def _carry_away(
    draft: Draft, keyring: Keyring, backup_key: Key | None, signing_key: Key | None
) -> tuple[Path, ...]:
    """What the operator is to take to a safe place: the new key, both halves, and the public key
    that proves this host's signatures to a host that comes after it."""
    folder = draft.file.absolute().parent / CARRY_AWAY
    bodies: dict[str, bytes] = {}
    if backup_key:
        secret = keyring.export_secret(backup_key.fingerprint, draft.passphrase)
        bodies[_key_file("backup-private", backup_key)] = secret
        public = keyring.export_public([backup_key.fingerprint])
        bodies[_key_file("backup-public", backup_key)] = public
    if signing_key:
        public = keyring.export_public([signing_key.fingerprint])
        bodies[_key_file("signing-public", signing_key)] = public
    for name, body in bodies.items():
        settings_file.write_private(folder / name, body)
    return tuple(folder / name for name in bodies)


def _key_file(what: str, key: Key) -> str:
    return f"{what}-key-{key.fingerprint[-16:]}.asc"


def _keep_copy(file: Path, now: datetime) -> Path | None:
    if not file.exists():
        return None
    copy = file.with_name(f"{file.name}.before-{format_utc(now)}")
    settings_file.write_private(copy, file.read_bytes())
    return copy
