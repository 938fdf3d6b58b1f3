"""The keys of one gpg home directory, by python-gnupg: list, choose, generate, import, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.gpg_status import from_epoch
from engine.core.errors import CipherError, KeyExpired, RecipientUnusable
from engine.ports import Key

if TYPE_CHECKING:
    import gnupg

# The operator's own gpg.conf must not add recipients, comments or network look-ups.
OPTIONS = ("--no-options", "--no-auto-key-locate", "--no-auto-key-retrieve", "--batch", "--no-tty")


class Keyring:
    """Keys under `home`, which must exist."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._gnupg: gnupg.GPG | None = None

    def keys(self) -> Sequence[Key]:
        """All keys, those with a secret half first."""
        secret = {entry["fingerprint"] for entry in self._open().list_keys(True)}
        keys = [_key(entry, entry["fingerprint"] in secret) for entry in self._open().list_keys()]
        return sorted(keys, key=lambda key: (not key.has_secret, key.fingerprint))

    def recipient(self, wanted: str, *, today: bool = True) -> Key:
        """The one key for a fingerprint, key id or address, able to encrypt. KeyExpired,
        RecipientUnusable. With today off, a key that has only expired is taken."""
        found = [(_key(e, False), e) for e in self._open().list_keys() if _matches(e, wanted)]
        if not found:
            raise RecipientUnusable(
                f"no public key for {wanted} is on this machine",
                "Import it: mentat-dr init, or gpg --homedir "
                f"{self._home} --import FILE; or correct `recipients`.",
            )
        able = [key for key, _ in found if key.can_encrypt]
        if not able and not today:
            able = [
                key for key, entry in found if not key.revoked and _expired_for_encryption(entry)
            ]
        if len(able) == 1:
            return able[0]
        if able:
            raise RecipientUnusable(
                f"{len(able)} keys answer to {wanted}: {', '.join(k.fingerprint for k in able)}",
                "Write the fingerprint of the right one into `recipients`.",
            )
        raise _unable(wanted, found[0][0], found[0][1], self._home)

    def signer(self, wanted: str) -> tuple[Key, str]:
        """The host's signing key and the fingerprint of the (sub)key that signs."""
        secret = self._open().list_keys(True)
        found = [entry for entry in secret if _matches(entry, wanted)]
        for entry in found:
            signing = _signing_fingerprint(entry)
            if signing:
                return _key(entry, True), signing
        if found and found[0].get("trust") == "e":
            raise KeyExpired(
                f"the signing key {wanted} has expired",
                _extend(self._home, found[0]["fingerprint"]),
            )
        raise CipherError(
            f"this machine has no private key of {wanted or 'the host'} that can sign",
            "Make one with `mentat-dr init`, or correct `signing_key` in the configuration.",
        )

    def import_file(self, path: Path) -> Sequence[Key]:
        """Take over every key of a file, public or private. CipherError when it holds none."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CipherError(
                f"the key file {path} cannot be read: {error.strerror}", "Check its path."
            ) from error
        return self.import_keys(content, str(path))

    def import_keys(self, content: bytes, origin: str = "the text given") -> Sequence[Key]:
        done = self._open().import_keys(content)
        prints = {fingerprint for fingerprint in done.fingerprints if fingerprint}
        if not prints:
            raise CipherError(
                f"{origin} holds no OpenPGP key that could be imported: {_last_words(done.stderr)}",
                "Export it again: gpg --armor --export-secret-keys ADDRESS (or --export).",
            )
        return [key for key in self.keys() if key.fingerprint in prints]

    def export_public(self, fingerprints: Sequence[str]) -> bytes:
        """The public keys, armoured."""
        text = self._open().export_keys(list(fingerprints)) if fingerprints else ""
        if not text:
            raise CipherError("there is no such public key to export", "List them: mentat-dr key.")
        return text.encode() if isinstance(text, str) else bytes(text)

    def _open(self) -> gnupg.GPG:
        if self._gnupg is None:
            import gnupg

            try:
                self._gnupg = gnupg.GPG(gnupghome=str(self._home), options=list(OPTIONS))
            except (OSError, ValueError) as error:
                raise CipherError(
                    f"gpg cannot be used: {error}", "Install gnupg: apt-get install gnupg"
                ) from error
            self._gnupg.encoding = "utf-8"
        return self._gnupg


def parameters(name: str, email: str, passphrase: str | None, expires: str) -> bytes:
    """What gpg reads to make an ed25519 key that signs, with a cv25519 subkey that encrypts."""
    _refuse_odd_text(name, email, expires, passphrase or "")
    lines = [
        *("Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign"),
        *("Subkey-Type: ecdh", "Subkey-Curve: cv25519", "Subkey-Usage: encrypt"),
        *(f"Name-Real: {name}", f"Name-Email: {email}", f"Expire-Date: {expires}"),
        *(() if passphrase else ("%no-protection",)),
        "%commit",
    ]
    return "\n".join(lines).encode() + b"\n"


def _matches(entry: dict[str, Any], wanted: str) -> bool:
    plain = wanted.removeprefix("0x").replace(" ", "").rstrip("!").upper()
    if len(plain) >= 16 and all(c in "0123456789ABCDEF" for c in plain):
        prints = [entry["fingerprint"], *(sub[2] for sub in entry["subkeys"])]
        return any(fingerprint.endswith(plain) for fingerprint in prints)
    address = wanted.strip("<>").casefold()
    return bool(address) and any(address == _address(uid).casefold() for uid in entry["uids"])


def _address(uid: str) -> str:
    _, bracket, after = uid.rpartition("<")
    return after.rstrip(">") if bracket else uid


def _key(entry: dict[str, Any], has_secret: bool) -> Key:
    capabilities = entry["cap"]  # capital letters: what the whole key can do now
    return Key(
        fingerprint=entry["fingerprint"],
        user_ids=tuple(_plain(uid) for uid in entry["uids"]),
        created=from_epoch(entry["date"]),
        expires=from_epoch(entry["expires"]),
        can_encrypt="E" in capabilities and "D" not in capabilities,
        can_sign="S" in capabilities,
        has_secret=has_secret,
        expired=entry["trust"] == "e",
        revoked=entry["trust"] == "r",
    )


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _encryption_subkeys(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return [sub for sub in entry.get("subkey_info", {}).values() if "e" in sub["cap"]]


def _expired_for_encryption(entry: dict[str, Any]) -> bool:
    return entry["trust"] == "e" or any(sub["trust"] == "e" for sub in _encryption_subkeys(entry))


def _unable(wanted: str, key: Key, entry: dict[str, Any], home: Path) -> CipherError:
    if key.revoked:
        return RecipientUnusable(
            f"the key of {wanted} is revoked ({key.fingerprint})",
            "Encrypt to another key: change `recipients` in the configuration.",
        )
    if _expired_for_encryption(entry):
        ends = {sub["expires"] for sub in _encryption_subkeys(entry)} | {entry["expires"]}
        when = max(filter(None, map(from_epoch, ends)), default=None)
        day = f" on {when:%Y-%m-%d}" if when else ""
        return KeyExpired(
            f"the key of {wanted} expired{day} ({key.fingerprint}); what it encrypted still opens",
            _extend(home, key.fingerprint),
        )
    return RecipientUnusable(
        f"the key of {wanted} cannot encrypt ({key.fingerprint})",
        "Add an encryption subkey to it, or name another key in `recipients`.",
    )


def _signing_fingerprint(entry: dict[str, Any]) -> str:
    """The primary key where it signs itself, else the newest usable signing subkey."""
    if "S" not in entry["cap"]:
        return ""
    if "s" in entry["cap"]:
        return str(entry["fingerprint"])
    details = entry.get("subkey_info", {})
    usable = [
        (details[key_id]["date"], fingerprint)
        for key_id, _, fingerprint, *_ in entry["subkeys"]
        if "s" in details[key_id]["cap"] and details[key_id]["trust"] not in ("e", "r")
    ]
    return str(max(usable)[1]) if usable else ""


def _extend(home: Path, fingerprint: str) -> str:
    extend = f"gpg --homedir {home} --quick-set-expire {fingerprint} 2y"
    return f"Extend it where its private half is: {extend}, then {extend} '*'; or make a new key."


def _refuse_odd_text(name: str, email: str, expires: str, passphrase: str) -> None:
    """gpg reads its parameters line by line, and trims them."""
    named = name + email + expires
    if not named.isprintable() or set(named) & set("<>"):
        raise CipherError(
            "a key's name or address holds a character that it cannot have",
            "Use plain text without line breaks or angle brackets.",
        )
    if "\n" in passphrase or passphrase != passphrase.strip():
        raise CipherError(
            "the passphrase begins or ends with a space, or holds a line break",
            "Choose one without these; they get lost when it is typed or pasted.",
        )


def _last_words(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line and not line.startswith("[GNUPG:]")]
    return _plain(lines[-1].removeprefix("gpg: ")) if lines else "it said nothing"
