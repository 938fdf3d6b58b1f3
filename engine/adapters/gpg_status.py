"""What gpg's status lines (`[GNUPG:] ...`, see GnuPG's doc/DETAILS) say about a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.core.errors import (
    CipherError,
    MentatError,
    ObjectDamaged,
    SecretKeyMissing,
    WrongPassphrase,
)
from engine.ports import SignatureCheck

PREFIX = "[GNUPG:] "

# libgpg-error's codes, the low 16 bits of the numbers in ERROR lines.
_BAD_PASSPHRASE = 11
_NO_PASSPHRASE = frozenset({85, 99, 177})  # no pinentry, cancelled, no passphrase
_DAMAGE = frozenset({"BADMDC", "DECRYPTION_FAILED", "NODATA", "UNEXPECTED", "PLAINTEXT"})
_AGENT_TROUBLE = frozenset({77, 78, 79, 80, 81, 257})  # agent not there, not answering, protocol


@dataclass(frozen=True, slots=True)
class Status:
    word: str
    arguments: tuple[str, ...]


def statuses(lines: Iterable[str]) -> list[Status]:
    """The status lines among lines of stderr."""
    found = []
    for line in lines:
        if line.startswith(PREFIX):
            word, *arguments = line.removeprefix(PREFIX).split(" ")
            found.append(Status(word, tuple(arguments)))
    return found


def complaint(lines: Sequence[str]) -> str:
    """gpg's own last words for people, on one line."""
    spoken = [line for line in lines if not line.startswith(PREFIX) and line.strip()]
    text = spoken[-1].removeprefix("gpg: ") if spoken else "it said nothing"
    return "".join(c if c.isprintable() else " " for c in text)


def decrypted_by(lines: Sequence[str]) -> str:
    """The primary fingerprint of the key that opened the stream; empty for a passphrase."""
    for status in statuses(lines):
        if status.word == "DECRYPTION_KEY" and len(status.arguments) >= 2:
            return status.arguments[1]
    return ""


def created_key(lines: Sequence[str]) -> str:
    """The fingerprint of the key just made; empty when none was."""
    for status in statuses(lines):
        if status.word == "KEY_CREATED" and len(status.arguments) >= 2:
            return status.arguments[1]
    return ""


# Foreign bytes may look like a packet that gpg knows but cannot read on.
_NO_MESSAGE = re.compile(
    r"decrypt_message failed: (Unknown|Invalid|Unexpected|Unsupported|Bad|No data|End of file)"
)


def decryption_error(ended_ok: bool, lines: Sequence[str]) -> MentatError | None:
    """None when gpg ended well and says it proved the whole stream; else what was wrong."""
    found = statuses(lines)
    words = {status.word for status in found}
    proven = _proven(found, words)
    if ended_ok and proven:
        return None
    if proven:  # the stream was whole, but not all of it could be handed on
        return CipherError(
            f"gpg could not pass on what it decrypted: {complaint(lines)}",
            "Look at the step after it: its disk may be full, or it may have ended early.",
        )
    if "DECRYPTION_KEY" not in words and "PLAINTEXT" not in words:
        locked = _locked(found, words, lines)
        if locked:
            return locked
    # gpg ends with 0 on data that stops within its head: no complaint is no proof.
    if ended_ok or words & _DAMAGE or any(_NO_MESSAGE.search(line) for line in lines):
        return ObjectDamaged(
            f"the encrypted data is damaged or cut short: {_damage(words, lines)}",
            "Nothing of it may be used. Take another copy of this snapshot, or an earlier one.",
        )
    return CipherError(
        f"gpg ended before it could judge the data: {complaint(lines)}",
        "See `mentat-dr doctor` on gpg and its home directory, then try again.",
    )


def _proven(found: list[Status], words: set[str]) -> bool:
    authenticated = any(
        status.word == "DECRYPTION_INFO" and status.arguments[2:3] not in ((), ("0",))
        for status in found
    )
    whole = "DECRYPTION_OKAY" in words and ("GOODMDC" in words or authenticated)
    return whole and not words & {"BADMDC", "DECRYPTION_FAILED", "NODATA", "UNEXPECTED"}


def _locked(found: list[Status], words: set[str], lines: Sequence[str]) -> MentatError | None:
    """Why the data could not be opened at all, if that is a matter of keys."""
    codes = {_error_code(status) for status in found if status.word == "ERROR"}
    if _BAD_PASSPHRASE in codes or "BAD_PASSPHRASE" in words:
        return WrongPassphrase(
            "the passphrase is wrong", "Type it again; mind the keyboard layout."
        )
    if codes & _NO_PASSPHRASE or words & {"MISSING_PASSPHRASE", "NEED_PASSPHRASE"}:
        return WrongPassphrase(
            "a passphrase is needed to open this, and none was given", "Give the passphrase."
        )
    if codes & _AGENT_TROUBLE:
        return CipherError(
            f"gpg has no working agent: {complaint(lines)}",
            "See `mentat-dr doctor`; the path of gpg's home directory may be too long.",
        )
    if "NO_SECKEY" in words and not codes - {0}:
        wanted = [status.arguments[0] for status in found if status.word == "ENC_TO"]
        anonymous = all(set(key) == {"0"} for key in wanted)
        return SecretKeyMissing(
            "the data is encrypted to a key that is not here: "
            + ("it names none" if anonymous else ", ".join(wanted)),
            "Import the private key from its escrow: mentat-dr init --help, or gpg --import FILE.",
        )
    return None


def _error_code(status: Status) -> int:
    """`ERROR pkdecrypt_failed 67108875`, `ERROR symkey_decrypt.maybe_error 11_BAD_PASSPHRASE`."""
    digits = status.arguments[1].partition("_")[0] if len(status.arguments) > 1 else ""
    return int(digits) & 0xFFFF if digits.isdigit() else 0


def _damage(words: set[str], lines: Sequence[str]) -> str:
    if "BADMDC" in words:
        return "its integrity check failed"
    if "NODATA" in words:
        return "it is not, or not only, OpenPGP data"
    if "PLAINTEXT" in words and "DECRYPTION_INFO" not in words:
        return "it is not encrypted at all"
    return "it ends too early" if "DECRYPTION_INFO" not in words else complaint(lines)


def signature_check(lines: Sequence[str]) -> SignatureCheck:
    """Judge `gpg --verify`. An expired key counts as good for what it signed while it was valid;
    `problem` says so."""
    by_word = {status.word: status.arguments for status in statuses(lines)}
    valid = by_word.get("VALIDSIG")
    signer = next(
        (" ".join(by_word[w][1:]) for w in ("GOODSIG", "EXPKEYSIG", "REVKEYSIG", "EXPSIG", "BADSIG")
         if w in by_word),
        "",
    )  # fmt: skip
    fingerprint = (valid[9] if len(valid) > 9 else valid[0]) if valid else ""
    problem = _signature_problem(by_word)
    if valid and not problem:
        return SignatureCheck(True, fingerprint, signer)
    if valid and problem == _EXPIRED and _signed_in_time(by_word):
        return SignatureCheck(True, fingerprint, signer, "the signing key has expired since")
    return SignatureCheck(False, fingerprint, signer, problem or complaint(lines))


_EXPIRED = "the signing key had expired when it signed"


def _signature_problem(by_word: dict[str, tuple[str, ...]]) -> str:
    if "NO_PUBKEY" in by_word:
        return f"signed by a key that is not on this keyring: {by_word['NO_PUBKEY'][0]}"
    table = {
        "BADSIG": "the signature does not match the document",
        "REVKEYSIG": "the signing key is revoked",
        "EXPSIG": "the signature has expired",
        "EXPKEYSIG": _EXPIRED,
        "ERRSIG": "the signature cannot be checked",
        "NODATA": "there is no signature in it",
    }
    return next((text for word, text in table.items() if word in by_word), "")


def _signed_in_time(by_word: dict[str, tuple[str, ...]]) -> bool:
    """Whether the signature's own time lies before the key's expiry (KEYEXPIRED seconds)."""
    signed, expired = by_word["VALIDSIG"][2:3], by_word.get("KEYEXPIRED", ())[:1]
    if not (signed and expired and signed[0].isdigit() and expired[0].isdigit()):
        return False
    return int(signed[0]) < int(expired[0])


def from_epoch(text: str) -> datetime | None:
    """A time in gpg's listings; None for an empty field, which means never."""
    return datetime.fromtimestamp(int(text), UTC) if text.isdigit() and int(text) else None
