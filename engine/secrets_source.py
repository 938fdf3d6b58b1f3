"""Reading secrets from where the configuration says they are, as late as possible."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from engine.core.errors import ConfigurationError

LIMIT = 64 * 1024  # bytes; a secret is never longer


class Whereabouts(Protocol):
    """Where a secret is: one of these is not empty."""

    @property
    def value(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def env(self) -> str: ...
    @property
    def credential(self) -> str: ...


def reveal(secret: Whereabouts) -> str:
    """The secret without its trailing newline. ConfigurationError when it cannot be read."""
    if secret.file:
        return _from_file(Path(secret.file), private=True)
    if secret.env:
        return _from_environment(secret.env)
    if secret.credential:
        return _from_credentials(secret.credential)
    return secret.value


def _from_file(path: Path, *, private: bool) -> str:
    try:
        with path.open("rb") as stream:
            if private:
                refuse_shared(path, os.fstat(stream.fileno()))
            raw = stream.read(LIMIT + 1)
    except OSError as problem:
        raise ConfigurationError(
            f"the secret file {path} cannot be read: {problem.strerror or problem}",
            "Create it with mode 0600, or correct the path in the configuration.",
        ) from problem
    if len(raw) > LIMIT:
        raise ConfigurationError(
            f"the secret file {path} is longer than {LIMIT} bytes",
            "Point the configuration at the file that holds the secret alone.",
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"the secret file {path} is not UTF-8 text", "Write the secret as plain text."
        ) from None
    return _nonempty(text.removesuffix("\n").removesuffix("\r"), f"the secret file {path}")


def _from_environment(name: str) -> str:
    text = os.environ.get(name)
    if text is None:
        raise ConfigurationError(
            f"the environment variable {name} is not set, and the configuration takes a secret "
            "from it",
            f"Set {name} for this program, or give the secret as {{ file = ... }}.",
        )
    return _nonempty(text, f"the environment variable {name}")


def _from_credentials(name: str) -> str:
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        raise ConfigurationError(
            f"the credential {name!r} is asked for, but systemd gave no $CREDENTIALS_DIRECTORY",
            f"Run this under a unit with LoadCredential={name}:FILE, or use {{ file = ... }}.",
        )
    # systemd protects the directory itself and may give the files group bits by ACL mask.
    return _from_file(Path(directory) / name, private=False)


def _nonempty(text: str, where: str) -> str:
    if not text:
        raise ConfigurationError(f"{where} is empty", "Put the secret into it.")
    return text


def refuse_shared(path: Path, status: os.stat_result) -> None:
    """ConfigurationError when others than its owner may read or change this file, or when it
    belongs to somebody who is neither us nor root."""
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigurationError(
            f"{path} belongs to user {status.st_uid}, who could change it",
            f"chown root {path}; chmod 600 {path}",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise ConfigurationError(
            f"{path} can be read or changed by others (mode {mode:04o})", f"chmod 600 {path}"
        )
