"""Getting a passphrase without showing it: from a file, a descriptor or the terminal."""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.api import Engine
from engine.cli.output import absolute, interactive
from engine.core.errors import UsageError, WrongPassphrase

TRIES = 3
LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """Where the command line says the passphrase is."""

    file: str = ""
    descriptor: int | None = None

    def read(self) -> str | None:
        """The passphrase, or None when no place was given."""
        if self.file and self.descriptor is not None:
            raise UsageError(
                "--passphrase-file and --passphrase-fd exclude each other", "Give one."
            )
        if self.file:
            from engine.settings import Secret

            return Secret(file=str(absolute(self.file))).reveal()
        if self.descriptor is not None:
            return _from_descriptor(self.descriptor)
        return None


def _from_descriptor(descriptor: int) -> str:
    try:
        raw = b""
        while len(raw) <= LIMIT and (chunk := os.read(descriptor, 4096)):
            raw += chunk
    except OSError as problem:
        raise UsageError(
            f"--passphrase-fd {descriptor} cannot be read: {problem.strerror}",
            "Give a descriptor that is open for reading: --passphrase-fd 3 3<FILE",
        ) from problem
    text = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError(
            f"--passphrase-fd {descriptor} gave nothing", "Write the passphrase to it."
        )
    return text


def obtain(engine: Engine, given: Given) -> str | None:
    """The passphrase that opens the secret key, proven before anything starts; None when none is
    needed. WrongPassphrase, SecretKeyMissing, UsageError."""
    passphrase = given.read()
    if passphrase is not None:
        engine.check_key(passphrase)
        return passphrase
    if not engine.needs_passphrase():
        return None
    if not interactive():
        raise UsageError(
            "the secret key needs its passphrase, and there is nobody to ask",
            "Add --passphrase-file FILE (mode 0600) or --passphrase-fd N.",
        )
    return _asked(engine)


def _asked(engine: Engine) -> str:
    from getpass import getpass

    for attempt in range(1, TRIES + 1):
        passphrase = getpass("Passphrase of the secret key: ")
        try:
            engine.check_key(passphrase)
        except WrongPassphrase:
            if attempt == TRIES:
                raise
            print("That is not it.", flush=True)
        else:
            return passphrase
    raise AssertionError("unreachable")


def asked_twice(question: str) -> str:
    """A new passphrase, typed twice alike. UsageError where there is nobody to ask."""
    from getpass import getpass

    if not interactive():
        raise UsageError("a passphrase is needed, and there is nobody to ask", "--passphrase-file")
    while True:
        first = getpass(f"{question}: ")
        if not first:
            print("It must not be empty.", flush=True)
        elif first == getpass("Again: "):
            return first
        else:
            print("They differ; once more.", flush=True)
