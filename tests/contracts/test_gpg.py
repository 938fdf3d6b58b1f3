"""gpg keeps the Cipher contract, with keys and with a passphrase; and what only gpg can do."""

from __future__ import annotations

import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.adapters.gpg import HOME_LIMIT, Gpg
from engine.core.errors import (
    CipherError,
    ConfigurationError,
    KeyExpired,
    ObjectDamaged,
    RecipientUnusable,
    SecretKeyMissing,
    WrongPassphrase,
)
from engine.settings import EncryptionSettings, Secret
from tests.contracts.cipher_contract import PASSPHRASE, CipherContract, decrypt, encrypt

KEYED = EncryptionSettings(recipients=("backup@example.org",), signing_key="host@example.org")
MakeHome = Callable[[], Path]


@pytest.fixture(scope="module")
def make_home() -> Iterator[MakeHome]:
    """Short paths, as agents need, and no agent left behind."""
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="mdr-gpg-")))
        return made[-1] / "home"

    yield make
    for parent in made:
        Gpg(KEYED, parent / "home").kill_agent()
        shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture(scope="module")
def keyed(make_home: MakeHome) -> Gpg:
    """The operator's key with a passphrase, the host's without. Not to be changed."""
    cipher = Gpg(KEYED, make_home())
    cipher.generate("Backup", "backup@example.org", PASSPHRASE)
    cipher.generate("Host", "host@example.org")
    return cipher


def gpg(cipher: Gpg, *arguments: str, stdin: bytes = b"") -> bytes:
    argv = ["gpg", "--homedir", str(cipher._home), "--batch", "--yes", *arguments]
    return subprocess.run(argv, input=stdin, capture_output=True, check=True).stdout


class TestWithKeys(CipherContract):
    @pytest.fixture(scope="class")
    def cipher(self, keyed: Gpg) -> Gpg:
        return keyed

    def test_without_a_passphrase(self, cipher: Gpg) -> None:
        with pytest.raises(WrongPassphrase, match="needed"):
            decrypt(cipher, encrypt(cipher, b"x"), None)
        assert cipher.needs_passphrase()


class TestWithAPassphrase(CipherContract):
    @pytest.fixture(scope="class")
    def cipher(self, keyed: Gpg) -> Gpg:
        settings = EncryptionSettings(
            passphrase=Secret(value=PASSPHRASE), signing_key="host@example.org"
        )
        return Gpg(settings, keyed._home)

    def test_the_configured_passphrase_serves(self, cipher: Gpg) -> None:
        assert cipher.recipients() == ()
        assert decrypt(cipher, encrypt(cipher, b"x"), None) == b"x"
        assert not cipher.needs_passphrase()


class TestHome:
    def test_is_private_and_its_agent_forgets(self, keyed: Gpg) -> None:
        assert stat.S_IMODE(keyed._home.stat().st_mode) == 0o700
        conf = (keyed._home / "gpg-agent.conf").read_text()
        assert "default-cache-ttl 0" in conf
        assert "max-cache-ttl 0" in conf

    def test_a_path_too_long(self, tmp_path: Path) -> None:
        home = tmp_path / ("h" * HOME_LIMIT)
        for verb in (
            lambda: Gpg(KEYED, home).recipients(),
            lambda: Gpg(KEYED, home).decrypt_command(),
            lambda: Gpg(KEYED, home).verify(b"", b""),
            lambda: Gpg(KEYED, home).generate("A", "a@example.org"),
        ):
            with pytest.raises(ConfigurationError) as caught:
                verb()
            assert "gnupg_home" in caught.value.remedy
        assert not home.exists()

    def test_the_longest_path_that_works(self, make_home: MakeHome) -> None:
        short = make_home()
        home = short.parent / ("h" * (HOME_LIMIT - len(str(short.parent)) - 1))
        assert len(str(home)) == HOME_LIMIT
        cipher = Gpg(EncryptionSettings(recipients=("a@example.org",)), home)
        cipher.generate("A", "a@example.org")
        assert cipher.check_secret() is not None
        cipher.kill_agent()

    def test_an_operators_own_home_keeps_its_settings(self, make_home: MakeHome) -> None:
        home = make_home()
        home.mkdir(mode=0o700)
        hazards = "encrypt-to nobody@example.org\narmor\nthrow-keyids\ncomment evil\n"
        (home / "gpg.conf").write_text(hazards)
        (home / "gpg-agent.conf").write_text("default-cache-ttl 6000\n")
        settings = EncryptionSettings(
            recipients=("a@example.org",), signing_key="a@example.org", gnupg_home=str(home)
        )
        cipher = Gpg(settings, Path("/nonexistent"))
        cipher.generate("A", "a@example.org", PASSPHRASE)
        sealed = encrypt(cipher, b"x")
        assert not sealed.startswith(b"-----")
        assert cipher.check_secret(PASSPHRASE) is not None
        with pytest.raises(WrongPassphrase):  # its agent remembers, and is told to forget
            cipher.check_secret("wrong")
        assert (home / "gpg-agent.conf").read_text() == "default-cache-ttl 6000\n"

    def test_many_may_begin_at_once(self, make_home: MakeHome) -> None:
        home = make_home()
        settings = EncryptionSettings(recipients=("a@example.org",))
        Gpg(settings, home).generate("A", "a@example.org")
        sealed = encrypt(Gpg(settings, home), b"x")
        Gpg(settings, home).kill_agent()
        with ThreadPoolExecutor(8) as pool:
            opened = pool.map(lambda _: decrypt(Gpg(settings, home), sealed, None), range(8))
            assert list(opened) == [b"x"] * 8


class TestRecipients:
    def test_by_address_fingerprint_and_key_id(self, keyed: Gpg) -> None:
        (fingerprint,) = keyed.recipients()
        for name in (
            "backup@example.org",
            "<Backup@Example.org>",
            fingerprint,
            f"0x{fingerprint.lower()}",
            fingerprint[-16:],
        ):
            settings = EncryptionSettings(recipients=(name, "backup@example.org"))
            assert Gpg(settings, keyed._home).recipients() == (fingerprint,)

    @pytest.mark.parametrize("name", ["nobody@example.org", "backup", "example.org", "A" * 40, ""])
    def test_names_nobody(self, keyed: Gpg, name: str) -> None:
        with pytest.raises(RecipientUnusable) as caught:
            Gpg(EncryptionSettings(recipients=(name,)), keyed._home).recipients()
        assert name in caught.value.message
        assert caught.value.remedy

    def test_none_configured(self, keyed: Gpg) -> None:
        with pytest.raises(ConfigurationError):
            Gpg(EncryptionSettings(), keyed._home).encrypt_command()

    def test_two_keys_of_one_address(self, make_home: MakeHome) -> None:
        cipher = Gpg(EncryptionSettings(recipients=("a@example.org",)), make_home())
        made = [cipher.generate("A", "a@example.org") for _ in range(2)]
        with pytest.raises(RecipientUnusable) as caught:
            cipher.recipients()
        assert all(key.fingerprint in caught.value.message for key in made)

    def test_only_the_recipients_can_open(self, keyed: Gpg, make_home: MakeHome) -> None:
        both = Gpg(
            EncryptionSettings(recipients=("backup@example.org", "host@example.org")), keyed._home
        )
        sealed = encrypt(both, b"x")
        packets = subprocess.run(
            ["gpg", "--homedir", keyed._home, "--batch", "--list-packets"],
            input=sealed,
            capture_output=True,
        ).stdout
        assert packets.count(b":pubkey enc packet:") == 2
        assert decrypt(both, sealed, None) == b"x"  # by the host's key, which has no passphrase

    def test_revoked_and_sign_only_keys(self, make_home: MakeHome) -> None:
        home = make_home()
        cipher = Gpg(EncryptionSettings(recipients=("a@example.org",)), home)
        revoked = cipher.generate("A", "a@example.org").fingerprint
        certificate = (home / "openpgp-revocs.d" / f"{revoked}.rev").read_text()
        gpg(cipher, "--import", stdin=certificate.replace(":-----BEGIN", "-----BEGIN").encode())
        with pytest.raises(RecipientUnusable, match="revoked"):
            cipher.recipients()
        gpg(cipher, "--passphrase", "", "--quick-generate-key", "s@example.org", "ed25519", "sign")
        with pytest.raises(RecipientUnusable, match="cannot encrypt"):
            Gpg(EncryptionSettings(recipients=("s@example.org",)), home).recipients()
        ring = cipher.keys()
        assert {key.revoked for key in ring} == {True, False}


class TestMissingKeys:
    @pytest.fixture
    def elsewhere(self, keyed: Gpg, make_home: MakeHome) -> Gpg:
        """A machine that has the public key only."""
        cipher = Gpg(KEYED, make_home())
        cipher.keyring.import_keys(keyed.export_public(keyed.recipients()))
        return cipher

    def test_data_for_a_key_that_is_not_here(self, keyed: Gpg, elsewhere: Gpg) -> None:
        (fingerprint,) = elsewhere.recipients()
        listing = gpg(keyed, "--with-colons", "--list-keys", fingerprint).decode().splitlines()
        encryption_key = next(row.split(":")[4] for row in listing if row.startswith("sub:"))
        for passphrase in (None, PASSPHRASE):
            with pytest.raises(SecretKeyMissing) as caught:
                decrypt(elsewhere, encrypt(elsewhere, b"x"), passphrase)
            assert encryption_key in caught.value.message
            assert caught.value.remedy
        with pytest.raises(SecretKeyMissing):
            elsewhere.check_secret(PASSPHRASE)
        with pytest.raises(SecretKeyMissing):
            elsewhere.needs_passphrase()

    def test_no_key_to_sign_with(self, elsewhere: Gpg) -> None:
        with pytest.raises(CipherError) as caught:
            elsewhere.sign(b"document")
        assert "signing_key" in caught.value.remedy

    def test_a_signature_by_a_stranger(self, keyed: Gpg, elsewhere: Gpg) -> None:
        check = elsewhere.verify(b"document", keyed.sign(b"document"))
        assert not check.good
        assert "not on this keyring" in check.problem

    def test_importing_the_private_key_mends_it(
        self, keyed: Gpg, elsewhere: Gpg, tmp_path: Path
    ) -> None:
        (fingerprint,) = keyed.recipients()
        escrow = tmp_path / "escrow.asc"
        unlock = ("--pinentry-mode", "loopback", "--passphrase", PASSPHRASE)
        escrow.write_bytes(gpg(keyed, *unlock, "--armor", "--export-secret-keys", fingerprint))
        sealed = encrypt(elsewhere, b"x")
        (key,) = elsewhere.import_file(escrow)
        assert key.has_secret
        assert key.user_ids == ("Backup <backup@example.org>",)
        assert decrypt(elsewhere, sealed) == b"x"

    def test_importing_what_is_no_key(self, elsewhere: Gpg, tmp_path: Path) -> None:
        (tmp_path / "no.key").write_text("nothing")
        for path in (tmp_path / "no.key", tmp_path / "missing"):
            with pytest.raises(CipherError) as caught:
                elsewhere.import_file(path)
            assert str(path) in caught.value.message


class TestExpiry:
    @pytest.fixture(scope="class")
    def expired(self, make_home: MakeHome) -> tuple[Gpg, bytes, bytes]:
        """A cipher whose key has expired, and what it sealed and signed while it was valid."""
        settings = EncryptionSettings(recipients=("a@example.org",), signing_key="a@example.org")
        cipher = Gpg(settings, make_home())
        key = cipher.generate("A", "a@example.org", None, "seconds=4")
        sealed, signature = encrypt(cipher, b"x"), cipher.sign(b"document")
        assert key.expires
        while time.time() <= key.expires.timestamp() + 1:
            time.sleep(0.1)
        return Gpg(settings, cipher._home), sealed, signature

    def test_it_no_longer_encrypts(self, expired: tuple[Gpg, bytes, bytes]) -> None:
        for verb in (expired[0].recipients, expired[0].encrypt_command):
            with pytest.raises(KeyExpired) as caught:
                verb()
            assert "--quick-set-expire" in caught.value.remedy
        (key,) = expired[0].keys()
        assert key.expired
        assert not key.can_encrypt

    def test_what_it_encrypted_still_opens(self, expired: tuple[Gpg, bytes, bytes]) -> None:
        cipher, sealed, _ = expired
        assert decrypt(cipher, sealed, None) == b"x"
        assert cipher.check_secret() is not None
        assert not cipher.needs_passphrase()

    def test_it_no_longer_signs(self, expired: tuple[Gpg, bytes, bytes]) -> None:
        with pytest.raises(KeyExpired):
            expired[0].sign(b"document")

    def test_what_it_signed_in_time_counts(self, expired: tuple[Gpg, bytes, bytes]) -> None:
        cipher, _, signature = expired
        check = cipher.verify(b"document", signature)
        assert check.good
        assert "expired" in check.problem
        assert not cipher.verify(b"another", signature).good


class TestGenerating:
    @pytest.mark.parametrize(
        ("name", "email", "passphrase"),
        [
            ("A\nPassphrase: x", "a@example.org", None),
            ("A", "a@example.org>\n%no-protection", None),
            ("A", "<a@example.org>", None),
            ("A", "a@example.org", "two\nlines"),
            ("A", "a@example.org", " spaces "),
        ],
    )
    def test_text_that_a_key_cannot_have(
        self, keyed: Gpg, name: str, email: str, passphrase: str | None
    ) -> None:
        with pytest.raises(CipherError):
            keyed.generate(name, email, passphrase)

    def test_foreign_user_ids_cannot_draw(self, make_home: MakeHome) -> None:
        cipher = Gpg(KEYED, make_home())
        cipher.keys()
        unlock = ("--passphrase", "", "--pinentry-mode", "loopback")
        gpg(cipher, *unlock, "--quick-generate-key", "E\x1b[31m[b]vil <e@example.org>", "ed25519")
        (key,) = cipher.keys()
        assert all(user_id.isprintable() for user_id in key.user_ids)

    def test_a_signed_stream_is_not_a_sealed_one(self, keyed: Gpg) -> None:
        signed = gpg(keyed, "--local-user", "host@example.org", "--sign", stdin=b"in the clear")
        with pytest.raises(ObjectDamaged, match="not encrypted"):
            decrypt(keyed, signed)
