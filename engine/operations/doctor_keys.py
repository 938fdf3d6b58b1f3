"""Doctor's look at keys: can backups be encrypted and signed, and who can read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from engine.core.errors import MentatError, SecretKeyMissing, WrongPassphrase
from engine.core.findings import Finding, failure
from engine.ports import Cipher, Key
from engine.settings import Settings

CHECK = "keys"
EXPIRY_WARNING = timedelta(days=30)


def keys(settings: Settings, open_cipher: Callable[[], Cipher], now: datetime) -> Iterator[Finding]:
    """Recipients, their expiry, the signing key, and whether the secret key is here."""
    cipher = open_cipher()
    ring = cipher.keys()
    known = {key.fingerprint: key for key in ring}
    fingerprints = cipher.recipients()
    for fingerprint in fingerprints:
        yield _recipient(known.get(fingerprint), fingerprint, now)
    if not fingerprints:
        yield Finding(CHECK, "ok", "backups are encrypted with a passphrase")
    if len(fingerprints) == 1:
        yield Finding(
            CHECK,
            "warning",
            "one recipient only: when its secret key is lost, so is every backup",
            "Add a second recipient whose secret key is kept elsewhere: [encryption] recipients.",
        )
    yield _signing(settings, cipher)
    yield _reading(settings, cipher)


def _recipient(key: Key | None, fingerprint: str, now: datetime) -> Finding:
    name = f"{key.user_ids[0] if key and key.user_ids else 'recipient'} ({fingerprint[-16:]})"
    if key is None or key.expires is None:
        return Finding(CHECK, "ok", f"{name} can encrypt; it does not expire")
    left = key.expires - now
    if left < EXPIRY_WARNING:
        return Finding(
            CHECK,
            "warning",
            f"{name} expires in {max(0, left.days)} days; backups stop then",
            f"Where its secret key is: gpg --quick-set-expire {fingerprint} 2y, then import the "
            "public key here again.",
        )
    return Finding(CHECK, "ok", f"{name} can encrypt; it expires in {left.days} days")


def _signing(settings: Settings, cipher: Cipher) -> Finding:
    remedy = "Make one: mentat-dr init --generate-keys, and set [encryption] signing_key."
    if not settings.encryption.signing_key:
        return Finding(CHECK, "critical", "this host has no signing key", remedy)
    probe = b"mentat-dr doctor\n"
    try:
        checked = cipher.verify(probe, cipher.sign(probe))
    except MentatError as error:
        return failure(f"{CHECK} (signing)", error)
    if not checked.good:
        return Finding(CHECK, "critical", f"our own signature is bad: {checked.problem}", remedy)
    return Finding(CHECK, "ok", f"manifests are signed by {checked.signer or checked.fingerprint}")


def _reading(settings: Settings, cipher: Cipher) -> Finding:
    if settings.encryption.passphrase:
        return Finding(CHECK, "ok", "the passphrase is here: this host can restore at once")
    try:
        key = cipher.check_secret()
    except SecretKeyMissing:
        return Finding(
            CHECK, "ok", "no secret key of a recipient is here, as is right; restores need it"
        )
    except WrongPassphrase:
        return Finding(CHECK, "ok", "the secret key is here, under its passphrase")
    who = key.user_ids[0] if key and key.user_ids else "a recipient"
    return Finding(
        CHECK,
        "warning",
        f"the secret key of {who} opens without a passphrase: who takes this host reads every "
        "backup",
        "Give it a passphrase (gpg --edit-key ... passwd), or keep it off this host.",
    )
