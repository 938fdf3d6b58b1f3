"""Sources on the command line: `volume:shop_uploads`, `config:/etc`, or keys and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.core.errors import UsageError
from engine.settings_file.classic_draft import source_name

SPELLING = (
    "volume:NAME, config:/PATH, database:CONTAINER, or KEY=VALUE,... with the keys of [[source]] "
    "(lists separated by `:`; password-file=FILE, password-env=NAME)"
)
_LISTS = ("paths", "exclude", "schemas")
_SHORT = {"volume": "volume", "config": "paths", "database": "container"}


def parse(spec: str) -> dict[str, Any]:
    """The [[source]] table behind a --source. UsageError when it is neither form."""
    kind, colon, thing = spec.partition(":")
    if colon and kind in _SHORT and thing and "=" not in spec:
        name = thing.strip("/").replace("/", "-") if kind == "config" else thing
        key = _SHORT[kind]
        return {"name": source_name(name), "kind": kind, key: [thing] if key == "paths" else thing}
    return _pairs(spec)


def _pairs(spec: str) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for pair in spec.split(","):
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key or not value:
            raise UsageError(f"--source {spec!r} is not understood", f"Write {SPELLING}")
        table |= _entry(key, value)
    return table


def _entry(key: str, value: str) -> dict[str, Any]:
    if key in ("password-file", "password-env"):
        return {"password": {key.removeprefix("password-"): value}}
    if key == "password":
        raise UsageError(
            "a password does not belong on the command line", "Use password-file=FILE (mode 0600)."
        )
    if key in _LISTS:
        return {key: value.split(":")}
    if key == "port":
        return {key: int(value) if value.isdigit() else value}
    if key == "checksums":
        return {key: value == "true"}
    return {key: value}


def asked(line: str, keep: Callable[[str, str], Any], password: Callable[[str], str]) -> Any:
    """A source typed into the wizard; a database's password is asked for and kept apart."""
    table = parse(line)
    if table.get("kind") == "database" and "password" not in table:
        secret = password(f"Password of {table.get('user', 'root')} in {table.get('name')}")
        if secret:
            table["password"] = keep(f"{table.get('name', 'database')}-password", secret)
    return table
