"""Finding and loading the configuration file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine import secrets_source
from engine.core.errors import ConfigurationError
from engine.settings import DEFAULT_CONFIG, Settings
from engine.settings_file.read import read_settings

CONFIG_VARIABLE = "MENTAT_DR_CONFIG"
STATE_VARIABLE = "MENTAT_DR_STATE"
LIMIT = 1024 * 1024  # bytes


def locate(config: Path | None = None) -> Path:
    """Where the configuration is: the argument, $MENTAT_DR_CONFIG or /etc/mentat-dr/config.toml."""
    return config or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def state_directory(given: str = "") -> Path:
    """Where jobs and listings live: $MENTAT_DR_STATE, the file's `state`, /var/lib/mentat-dr for
    root, the XDG state directory for others."""
    chosen = os.environ.get(STATE_VARIABLE) or given
    if chosen:
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/mentat-dr")
    base = os.environ.get("XDG_STATE_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return home / "mentat-dr"


def load(config: Path | None = None) -> Settings:
    """The settings of the file. ConfigurationError when it is missing, open to others, not TOML,
    or wrong anywhere: then with every problem, one a line."""
    file = locate(config).absolute()
    settings, problems = read_settings(_parse(file, _read(file)), file, state_directory)
    if problems:
        raise ConfigurationError(_all(file, problems), f"Correct {file}, then: mentat-dr doctor")
    return settings


def build(document: Mapping[str, Any], file: Path) -> Settings:
    """The settings of a document that is not written yet. ConfigurationError as for `load`."""
    settings, problems = read_settings(document, file.absolute(), state_directory)
    if problems:
        raise ConfigurationError(_all(file, problems), "Correct these and try again.")
    return settings


def _all(file: Path, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{file}: {problems[0]}"
    return "\n".join([f"{file} has {len(problems)} problems", *(f"  {p}" for p in problems)])


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            secrets_source.refuse_shared(file, os.fstat(stream.fileno()))
            raw = stream.read(LIMIT + 1)
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no configuration at {file}",
            "Make one: mentat-dr init, or name another: --config FILE or $MENTAT_DR_CONFIG",
        ) from None
    except OSError as problem:
        raise ConfigurationError(
            f"the configuration {file} cannot be read: {problem.strerror or problem}",
            "Run as its owner (sudo), or name another: --config FILE",
        ) from problem
    if len(raw) > LIMIT:
        raise ConfigurationError(f"{file} is longer than {LIMIT} bytes", "Is it the right file?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigurationError(
            f"{file} is not UTF-8 text: byte {problem.start}", "Save it as UTF-8."
        ) from None


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(
            f"{file} is not TOML: {problem}", "Correct that line; strings need quotes."
        ) from problem
