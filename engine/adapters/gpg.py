"""OpenPGP by the gpg program: streams, signatures and probes. Keys stand in gpg_keyring."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from engine.adapters import command
from engine.adapters.gpg_keyring import Keyring, parameters
from engine.adapters.gpg_status import (
    complaint,
    created_key,
    decrypted_by,
    decryption_error,
    signature_check,
)
from engine.core.commands import Command
from engine.core.errors import CipherError, ConfigurationError, WrongPassphrase
from engine.ports import Key, SignatureCheck
from engine.settings import EncryptionSettings

HOME_LIMIT = 86  # characters; the agent's longest socket name must fit in 107 with it
_SIGNATURE_LIMIT = 16 << 10
_SECONDS = 120.0  # for anything that is not a stream
_AGENT_CONF = "gpg-agent.conf"
_AGENT_LINES = """\
# Written by mentat-dr. Passphrases are never kept, so a wrong one is always noticed; their
# strengthening is fixed at its usual maximum, since measuring it takes seconds on a busy machine.
default-cache-ttl 0
max-cache-ttl 0
s2k-count 65011712
"""
_BASE = (
    "--no-options",
    "--batch",
    "--no-tty",
    "--yes",
    "--status-fd",
    "2",
    "--trust-model",
    "always",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--no-auto-check-trustdb",
)
_ENCRYPT = (
    "--no-encrypt-to",
    "--compress-algo",
    "none",
    "-z",
    "0",
    "--cipher-algo",
    "AES256",
    "--personal-cipher-preferences",
    "AES256",
)
_S2K = (
    "--s2k-mode",
    "3",
    "--s2k-digest-algo",
    "SHA512",
    "--s2k-cipher-algo",
    "AES256",
    "--s2k-count",
    "65011712",
)


class Gpg:
    """Cipher over one gpg home directory, by default one of our own: `home`."""

    def __init__(self, settings: EncryptionSettings, home: Path) -> None:
        self._settings = settings
        self._home = Path(settings.gnupg_home) if settings.gnupg_home else home
        self._keyring: Keyring | None = None
        self._resolved: tuple[str, ...] | None = None

    @property
    def keyring(self) -> Keyring:
        """The keys, for making, importing and exporting them."""
        if self._keyring is None:
            self._prepare()
            self._keyring = Keyring(self._home)
        return self._keyring

    # ------------------------------------------------------------ streams

    def recipients(self) -> tuple[str, ...]:
        if self._settings.passphrase is not None:
            return ()
        if self._resolved is None:
            if not self._settings.recipients:
                raise ConfigurationError(
                    "neither recipients nor a passphrase is configured: nothing can be encrypted",
                    "Set `recipients` under [encryption]; `mentat-dr init` makes a key.",
                )
            found = [self.keyring.recipient(name) for name in self._settings.recipients]
            self._resolved = tuple(dict.fromkeys(key.fingerprint for key in found))
        return self._resolved

    def encrypt_command(self) -> Command:
        if self._settings.passphrase is not None:
            return self._symmetric_command()
        return self._encrypt_to(self.recipients())

    def decrypt_command(self, passphrase: str | None = None) -> Command:
        if passphrase is None and self._settings.passphrase is not None:
            passphrase = self._settings.passphrase.reveal()
        if passphrase is None:  # never a question on somebody's terminal
            return self._gpg("--no-symkey-cache", "--pinentry-mode", "error", "--decrypt")
        return self._gpg(
            "--no-symkey-cache",
            *("--pinentry-mode", "loopback", "--passphrase-fd", "{fd:passphrase}"),
            "--decrypt",
            secrets={"passphrase": _passphrase_line(passphrase)},
        )

    def decrypt_error(self, ended_ok: bool, stderr: Sequence[str]) -> Exception | None:
        return decryption_error(ended_ok, stderr)

    # ------------------------------------------------------------ signatures

    def sign(self, document: bytes) -> bytes:
        _, fingerprint = self.keyring.signer(self._settings.signing_key)
        ended = command.run(
            self._gpg(
                *("--pinentry-mode", "error", "--digest-algo", "SHA512"),
                *("--local-user", f"{fingerprint}!", "--armor", "--detach-sign"),
            ),
            stdin=document,
            timeout=_SECONDS,
            check=False,
        )
        if not ended.ok or not ended.stdout:
            raise CipherError(
                f"gpg could not sign with {fingerprint}: {complaint(ended.stderr)}",
                "The signing key must have no passphrase: cron has nobody to ask.",
            )
        return ended.stdout

    def verify(self, document: bytes, signature: bytes) -> SignatureCheck:
        if len(signature) > _SIGNATURE_LIMIT:
            return SignatureCheck(False, problem="it is too long to be a signature")
        self._prepare()
        ended = command.run(
            self._gpg(
                *("--enable-special-filenames", "--verify", "--", "-&{fd:signature}", "-"),
                secrets={"signature": signature},
            ),
            stdin=document,
            timeout=_SECONDS,
            check=False,
        )
        return signature_check(ended.stderr)

    # ------------------------------------------------------------ keys

    def keys(self) -> Sequence[Key]:
        return self.keyring.keys()

    def check_secret(self, passphrase: str | None = None) -> Key | None:
        """As Cipher promises; also for keys that have expired, which open what they encrypted."""
        probe = secrets.token_bytes(64)
        sealed = command.run(self._probe_command(), stdin=probe, timeout=_SECONDS, check=False)
        if not sealed.ok:
            raise CipherError(
                f"gpg could not encrypt a probe: {complaint(sealed.stderr)}",
                "See `mentat-dr doctor` on keys.",
            )
        self.forget_passphrases()
        opened = command.run(
            self.decrypt_command(passphrase), stdin=sealed.stdout, timeout=_SECONDS, check=False
        )
        problem = decryption_error(opened.ok, opened.stderr)
        if problem is not None:
            raise problem
        if opened.stdout != probe:
            raise CipherError("gpg gave back other bytes than it was given", "Reinstall gnupg.")
        fingerprint = decrypted_by(opened.stderr)
        return next((key for key in self.keys() if key.fingerprint == fingerprint), None)

    def needs_passphrase(self) -> bool:
        """False when data for our recipients opens without being given one. SecretKeyMissing when
        no passphrase could open it here."""
        try:
            self.check_secret()
        except WrongPassphrase:
            return True
        return False

    def generate(
        self, name: str, email: str, passphrase: str | None = None, expires: str = "2y"
    ) -> Key:
        """Make a key pair that signs and encrypts. expires as gpg spells it: 2y, 90d, 0 (never)."""
        self._resolved = None
        # By descriptor, not in the parameters: the agent would lose it between the key and its
        # subkey, since it remembers none.
        given = ("--pinentry-mode", "loopback", "--passphrase-fd", "{fd:passphrase}")
        make = self._gpg(
            *given,
            "--generate-key",
            secrets={"passphrase": _passphrase_line(passphrase or "")},
        )
        asked = parameters(name, email, passphrase, expires)
        ended = command.run(make, stdin=asked, timeout=_SECONDS, check=False)
        made = created_key(ended.stderr)
        if not ended.ok or not made:
            raise CipherError(
                f"gpg could not make a key for {email}: {complaint(ended.stderr)}",
                "See `mentat-dr doctor` on gpg and its home directory.",
            )
        return next(key for key in self.keys() if key.fingerprint == made)

    def import_file(self, path: Path) -> Sequence[Key]:
        """Take over all keys of a file; which they were."""
        self._resolved = None
        return self.keyring.import_file(path)

    def export_public(self, fingerprints: Sequence[str]) -> bytes:
        """Public keys, armoured, for a recovery kit or another host."""
        return self.keyring.export_public(fingerprints)

    def export_secret(self, fingerprint: str, passphrase: str | None = None) -> bytes:
        """A key pair, armoured, still under its passphrase. WrongPassphrase, SecretKeyMissing."""
        given = ("--pinentry-mode", "loopback", "--passphrase-fd", "{fd:passphrase}")
        export = self._gpg(
            *given,
            *("--armor", "--export-secret-keys", fingerprint),
            secrets={"passphrase": _passphrase_line(passphrase or "")},
        )
        ended = command.run(export, timeout=_SECONDS, check=False)
        if ended.ok and ended.stdout:
            return ended.stdout
        problem = decryption_error(False, ended.stderr)
        raise problem or CipherError(
            f"gpg could not export the key {fingerprint}: {complaint(ended.stderr)}",
            "See `mentat-dr doctor` on keys.",
        )

    # ------------------------------------------------------------ the agent

    def forget_passphrases(self) -> None:
        """Make sure that no passphrase is remembered. Ours never are; in a home directory with
        its operator's own agent settings the agent is told to forget."""
        if not _is_ours(self._home / _AGENT_CONF):
            reload = Command(
                ("gpgconf", "--homedir", str(self._home), "--reload", "gpg-agent"), "gpgconf"
            )
            command.run(reload, timeout=_SECONDS, check=False)

    def kill_agent(self) -> None:
        """End the agent that gpg leaves behind. Not while another job decrypts."""
        if self._home.is_dir():
            kill = Command(("gpgconf", "--homedir", str(self._home), "--kill", "all"), "gpgconf")
            command.run(kill, timeout=_SECONDS, check=False)

    # ------------------------------------------------------------ within

    def _prepare(self) -> None:
        prepare_home(self._home, ours=not self._settings.gnupg_home)

    def _gpg(self, *arguments: str, secrets: dict[str, bytes] | None = None) -> Command:
        self._prepare()
        return Command(
            ("gpg", "--homedir", str(self._home), *_BASE, *arguments),
            label="gpg",
            secrets=secrets or {},
        )

    def _encrypt_to(self, fingerprints: Sequence[str], *extra: str) -> Command:
        named = [item for fingerprint in fingerprints for item in ("--recipient", fingerprint)]
        return self._gpg(*extra, *_ENCRYPT, *named, "--encrypt")

    def _symmetric_command(self) -> Command:
        assert self._settings.passphrase is not None
        return self._gpg(
            *("--no-symkey-cache", *_ENCRYPT, *_S2K),
            *("--pinentry-mode", "loopback", "--passphrase-fd", "{fd:passphrase}", "--symmetric"),
            secrets={"passphrase": _passphrase_line(self._settings.passphrase.reveal())},
        )

    def _probe_command(self) -> Command:
        """Encrypts as a backup would; for expired keys, as of the last second they were valid."""
        if self._settings.passphrase is not None:
            return self._symmetric_command()
        found = [self.keyring.recipient(r, today=False) for r in self._settings.recipients]
        ends = [key.expires for key in found if not key.can_encrypt and key.expires]
        as_of = f"{int(min(ends).timestamp()) - 1}!" if ends else ""
        extra = ("--faked-system-time", as_of) if as_of else ()
        return self._encrypt_to([key.fingerprint for key in found], *extra)


def prepare_home(home: Path, *, ours: bool = True) -> None:
    """Make the home directory, private and with an agent that remembers nothing; one that is not
    ours keeps its settings. ConfigurationError when its path is too long for agent sockets."""
    if len(str(home)) > HOME_LIMIT:
        raise ConfigurationError(
            f"the path of gpg's home directory is {len(str(home))} characters long, and its agent "
            f"allows {HOME_LIMIT}: {home}",
            "Set gnupg_home under [encryption] to a shorter path.",
        )
    conf = home / _AGENT_CONF
    if conf.exists() or (home.is_dir() and not ours):
        return
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        conf.write_text(_AGENT_LINES)
    except OSError as error:
        raise CipherError(
            f"gpg's home directory {home} cannot be made: {error.strerror}",
            "Run as its owner, or set gnupg_home under [encryption].",
        ) from error


def _is_ours(conf: Path) -> bool:
    try:
        return conf.read_text() == _AGENT_LINES
    except (OSError, UnicodeDecodeError):
        return False


def _passphrase_line(passphrase: str) -> bytes:
    if "\n" in passphrase:
        raise WrongPassphrase(
            "a passphrase cannot hold a line break", "Give it as one line of text."
        )
    return passphrase.encode() + b"\n"
