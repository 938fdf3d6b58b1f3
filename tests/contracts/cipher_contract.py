"""What a Cipher promises, as tests. A subclass gives the fixture `cipher`, whose data opens with
`PASSPHRASE` and not without, and which signs as the host."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.adapters import command
from engine.core.errors import MentatError, ObjectDamaged, WrongPassphrase
from engine.ports import Cipher

PASSPHRASE = "correct horse # battery 'staple' \N{SNOWMAN} %n"
PLAIN = os.urandom(300_000)


def encrypt(cipher: Cipher, plain: bytes) -> bytes:
    return command.run(cipher.encrypt_command(), stdin=plain, timeout=60).stdout


def decrypt(cipher: Cipher, sealed: bytes, passphrase: str | None = PASSPHRASE) -> bytes:
    """The plain bytes, or what decrypt_error says."""
    ended = command.run(cipher.decrypt_command(passphrase), stdin=sealed, timeout=60, check=False)
    error = cipher.decrypt_error(ended.ok, ended.stderr)
    if error is not None:
        raise error
    return ended.stdout


class CipherContract:
    @pytest.fixture(scope="class")
    def sealed(self, cipher: Cipher) -> bytes:
        return encrypt(cipher, PLAIN)

    @pytest.mark.parametrize("plain", [b"", b"x", bytes(2_000_000), PLAIN], ids=len)
    def test_round_trip(self, cipher: Cipher, plain: bytes) -> None:
        sealed = encrypt(cipher, plain)
        assert decrypt(cipher, sealed) == plain
        assert len(sealed) >= len(plain), "compression is off"
        assert len(plain) < 100 or plain not in sealed

    def test_the_same_text_is_never_sealed_alike(self, cipher: Cipher) -> None:
        assert encrypt(cipher, b"same") != encrypt(cipher, b"same")

    def test_secrets_stay_out_of_commands(self, cipher: Cipher) -> None:
        for shown in (cipher.encrypt_command(), cipher.decrypt_command(PASSPHRASE)):
            assert PASSPHRASE not in repr(shown)
            assert PASSPHRASE not in " ".join(shown.argv)
            assert PASSPHRASE not in repr(shown.env)

    def test_wrong_passphrase(self, cipher: Cipher, sealed: bytes) -> None:
        assert decrypt(cipher, sealed) == PLAIN  # an agent that remembers would now take any
        for wrong in ("wrong", "", PASSPHRASE + "x"):
            with pytest.raises(WrongPassphrase) as caught:
                decrypt(cipher, sealed, wrong)
            assert caught.value.exit_code == 5
            assert caught.value.remedy
            with pytest.raises(WrongPassphrase):
                cipher.check_secret(wrong)

    @pytest.mark.parametrize("where", [0.0, 0.2, 0.5, 0.9, 1.0])
    def test_a_flipped_bit(self, cipher: Cipher, sealed: bytes, where: float) -> None:
        # The first bytes tell whom it is for; damage there is tested beside, with its errors.
        position = min(len(sealed) - 1, 200 + int((len(sealed) - 200) * where))
        damaged = bytearray(sealed)
        damaged[position] ^= 0x10
        with pytest.raises(ObjectDamaged) as caught:
            decrypt(cipher, bytes(damaged))
        assert caught.value.exit_code == 7

    @pytest.mark.parametrize("position", range(0, 120, 7))
    def test_a_flipped_bit_in_the_head_never_passes(
        self, cipher: Cipher, sealed: bytes, position: int
    ) -> None:
        damaged = bytearray(sealed)
        damaged[position] ^= 0x04
        with pytest.raises(MentatError):
            decrypt(cipher, bytes(damaged))

    @pytest.mark.parametrize("kept", [0, 1, 10, 150, 1000, 200_000, -1000, -1])
    def test_truncation(self, cipher: Cipher, sealed: bytes, kept: int) -> None:
        with pytest.raises(ObjectDamaged):
            decrypt(cipher, sealed[:kept])

    def test_trailing_garbage(self, cipher: Cipher, sealed: bytes) -> None:
        for garbage in (b"\x00", b"foo\n", PLAIN[:5000], sealed, encrypt(cipher, b"second")):
            with pytest.raises(ObjectDamaged):
                decrypt(cipher, sealed + garbage)

    def test_data_that_is_not_sealed(self, cipher: Cipher) -> None:
        for foreign in (b"", b"\n", b"plain text\n", PLAIN, b"\x1f\x8b\x08" + PLAIN):
            with pytest.raises(ObjectDamaged):
                decrypt(cipher, foreign)

    def test_a_full_sink_is_not_success(self, cipher: Cipher, sealed: bytes) -> None:
        read_end, write_end = os.pipe()
        with open("/dev/full", "wb") as full:  # noqa: PTH123
            child = command.start(
                cipher.decrypt_command(PASSPHRASE), stdin=read_end, stdout=full.fileno()
            )
        os.close(read_end)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_write_all, write_end, sealed)
            ended = child.wait(60)
        error = cipher.decrypt_error(ended.ok, ended.stderr)
        assert isinstance(error, MentatError)
        assert "No space left" in error.message

    def test_many_at_once(self, cipher: Cipher, sealed: bytes) -> None:
        with ThreadPoolExecutor(6) as pool:
            opened = pool.map(lambda _: decrypt(cipher, sealed), range(12))
            assert all(plain == PLAIN for plain in opened)

    def test_check_secret(self, cipher: Cipher) -> None:
        key = cipher.check_secret(PASSPHRASE)
        if cipher.recipients():
            assert key is not None
            assert key.fingerprint in cipher.recipients()
            assert key.has_secret
        else:
            assert key is None

    # ------------------------------------------------------------ signatures

    @pytest.mark.parametrize("document", [b"", b"{}", PLAIN], ids=len)
    def test_signatures(self, cipher: Cipher, document: bytes) -> None:
        signature = cipher.sign(document)
        assert signature.startswith(b"-----BEGIN PGP SIGNATURE-----")
        check, ring = cipher.verify(document, signature), cipher.keys()
        assert check.good
        assert not check.problem
        assert check.fingerprint in {key.fingerprint for key in ring if key.can_sign}
        assert "host@example.org" in check.signer

    def test_signatures_that_are_not_good(self, cipher: Cipher) -> None:
        signature = cipher.sign(b"document")
        for document, given in [
            (b"Document", signature),
            (b"document\n", signature),
            (b"", signature),
            (b"document", b""),
            (b"document", b"no signature"),
            (b"document", signature[: len(signature) // 2]),
            (b"document", b"x" * 100_000),
            (b"document", cipher.sign(b"other")),
            (b"document", encrypt(cipher, b"document")),
        ]:
            check = cipher.verify(document, given)
            assert not check.good
            assert check.problem


def _write_all(fd: int, content: bytes) -> None:
    with os.fdopen(fd, "wb") as stream:
        try:
            stream.write(content)
        except BrokenPipeError:
            return
