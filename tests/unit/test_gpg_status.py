"""gpg's status lines, judged: the cases that a real gpg does not give at will."""

from __future__ import annotations

import pytest

from engine.adapters.gpg_status import decryption_error, signature_check
from engine.core.errors import CipherError, ObjectDamaged, SecretKeyMissing, WrongPassphrase

KEY = "A" * 40


def status(*lines: str) -> list[str]:
    return [f"[GNUPG:] {line}" if line[0].isupper() else line for line in lines]


OPENED = ("ENC_TO 8F2AA885B831FE8A 18 0", f"DECRYPTION_KEY {KEY} {KEY} u", "BEGIN_DECRYPTION")


def test_only_proof_counts() -> None:
    good = status(*OPENED, "DECRYPTION_INFO 2 9 0", "PLAINTEXT 62 1 ", "DECRYPTION_OKAY", "GOODMDC")
    assert decryption_error(True, good) is None
    assert isinstance(decryption_error(False, good), CipherError)
    for missing in ("DECRYPTION_OKAY", "GOODMDC"):
        less = [line for line in good if missing not in line]
        assert isinstance(decryption_error(True, less), ObjectDamaged), missing
    for more in ("BADMDC", "DECRYPTION_FAILED", "NODATA 3", "UNEXPECTED 0"):
        assert isinstance(decryption_error(True, [*good, *status(more)]), ObjectDamaged), more
    assert isinstance(decryption_error(True, []), ObjectDamaged)
    assert isinstance(decryption_error(False, []), CipherError)


def test_authenticated_modes_of_newer_gpg_have_no_mdc() -> None:
    ocb = status(*OPENED, "DECRYPTION_INFO 0 9 2", "PLAINTEXT 62 1 ", "DECRYPTION_OKAY")
    assert decryption_error(True, ocb) is None
    none = status(*OPENED, "DECRYPTION_INFO 0 9 0", "PLAINTEXT 62 1 ", "DECRYPTION_OKAY")
    assert isinstance(decryption_error(True, none), ObjectDamaged)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (("ERROR pkdecrypt_failed 67108875",), WrongPassphrase),
        (("ERROR pkdecrypt_failed 11",), WrongPassphrase),
        (("ERROR symkey_decrypt.maybe_error 11_BAD_PASSPHRASE",), WrongPassphrase),
        (("ERROR pkdecrypt_failed 67108949",), WrongPassphrase),
        (("ERROR pkdecrypt_failed 83886179",), WrongPassphrase),
        (("ERROR get_passphrase 85", "CANCELED_BY_USER"), WrongPassphrase),
        (("NEED_PASSPHRASE X Y 18 0", "gpg: Sorry, we are in batchmode"), WrongPassphrase),
        (("NO_SECKEY F595C67721F8A15D",), SecretKeyMissing),
        (("NO_SECKEY F5", "ERROR pkdecrypt_failed 67108875"), WrongPassphrase),
        (("ERROR pkdecrypt_failed 67108941", "gpg: no agent"), CipherError),
        (("ERROR pkdecrypt_failed 16777226",), ObjectDamaged),
    ],
)
def test_locked_or_damaged(lines: tuple[str, ...], error: type[Exception]) -> None:
    said = status("ENC_TO F595C67721F8A15D 18 0", *lines, "DECRYPTION_FAILED")
    assert type(decryption_error(False, said)) is error


def test_a_missing_key_is_named() -> None:
    said = status("ENC_TO F595C67721F8A15D 18 0", "NO_SECKEY F595C67721F8A15D", "DECRYPTION_FAILED")
    assert "F595C67721F8A15D" in str(decryption_error(False, said))
    hidden = status("ENC_TO 0000000000000000 18 0", "NO_SECKEY 0", "DECRYPTION_FAILED")
    assert "names none" in str(decryption_error(False, hidden))


def test_words_of_gpg_cannot_draw() -> None:
    said = decryption_error(False, ["gpg: fatal: \x1b[31m[b]boom\x07"])
    assert isinstance(said, CipherError)
    assert said.message.isprintable()
    assert "[b]boom" in said.message


SIGNED = f"VALIDSIG {KEY} 2026-11-22 1000 0 4 0 22 10 00 {'B' * 40}"


@pytest.mark.parametrize(
    ("lines", "good", "problem"),
    [
        (("GOODSIG X Host <h@x>", SIGNED), True, ""),
        (("GOODSIG X Host <h@x>",), False, "nothing"),
        (("KEYEXPIRED 2000", "EXPKEYSIG X Host <h@x>", SIGNED), True, "expired since"),
        (("KEYEXPIRED 900", "EXPKEYSIG X Host <h@x>", SIGNED), False, "had expired"),
        (("EXPKEYSIG X Host <h@x>", SIGNED), False, "had expired"),
        (("REVKEYSIG X Host <h@x>", SIGNED), False, "revoked"),
        (("EXPSIG X Host <h@x>", SIGNED), False, "signature has expired"),
        (("BADSIG X Host <h@x>",), False, "does not match"),
        (("BADSIG X Host <h@x>", "GOODSIG X Host <h@x>", SIGNED), False, "does not match"),
        (("ERRSIG X 22 10 00 1 9", "NO_PUBKEY CAFE"), False, "CAFE"),
        (("NODATA 4",), False, "no signature"),
        ((), False, "nothing"),
    ],
)
def test_signatures(lines: tuple[str, ...], good: bool, problem: str) -> None:
    check = signature_check(status(*lines))
    assert check.good is good
    assert problem in check.problem
    assert bool(check.problem) is bool(problem)
    if good:
        assert check.fingerprint == "B" * 40
        assert check.signer == "Host <h@x>"
