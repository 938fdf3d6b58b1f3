"""Reading one TOML table strictly: every key typed, every unknown key named, nothing lost.

Problems are collected, so that one run shows them all; values read after a problem are stand-ins
and never leave, since the caller raises when there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, TypeVar

from engine.core.durations import SPELLING, parse_duration
from engine.core.snapshot import NAME
from engine.settings import Secret

T = TypeVar("T")
_TYPE_WORDS = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
NAME_RULE = "lower-case letters, digits, dots, dashes and underscores, at most 63, not first a dot"
_SECRET_KEYS = ("file", "env", "credential")


def describe(value: object) -> str:
    """What was found, for a problem: never the value of something that may be a secret."""
    return _TYPE_WORDS.get(type(value), f"a {type(value).__name__}")


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean "bucket"?`, or the list of what is known when nothing is near."""
    near = get_close_matches(word, known, 1, cutoff=0.6)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known here: {', '.join(sorted(known))}" if known else ""


class Table:
    """One table of the file. `where` is its key path, empty for the top."""

    def __init__(self, raw: Mapping[str, Any], where: str, problems: list[str]) -> None:
        self.raw = raw
        self.where = where
        self.problems = problems
        self._known: dict[str, None] = {}

    def path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self.path(key)}: {text}" if key else f"{self.where}: {text}")

    def has(self, key: str) -> bool:
        return key in self.raw

    def close(self) -> None:
        """Report keys that nothing asked for."""
        known = list(self._known)
        for key in self.raw:
            if key not in self._known:
                place = self.where or "the top of the file"
                self.problems.append(f'{place}: unknown key "{key}"{nearest(key, known)}')

    def _get(self, key: str, expected: type[T], default: T, required: bool) -> T:
        self._known[key] = None
        if key not in self.raw:
            if required:
                self.problem(key, f"is missing; it must be {_TYPE_WORDS[expected]}")
            return default
        value = self.raw[key]
        if type(value) is not expected:  # bool is an int to isinstance
            self.problem(key, f"expected {_TYPE_WORDS[expected]}, found {describe(value)}")
            return default
        return value

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        value = self._get(key, str, default, required)
        if key in self.raw and isinstance(self.raw[key], str):
            if required and not value.strip():
                self.problem(key, "must not be empty")
            elif any(ord(char) < 32 or ord(char) == 127 for char in value):
                self.problem(key, "must not hold control characters")
        return value

    def name(self, key: str) -> str:
        """A must-have that may stand in keys of the repository."""
        value = self.text(key, required=True)
        if value and not NAME.match(value):
            self.problem(key, f'"{value}" is no name; use {NAME_RULE}')
        return value

    def absolute(self, key: str, *, required: bool = False) -> str:
        """An absolute path."""
        value = self.text(key, required=required)
        if value and not value.startswith("/"):
            self.problem(key, "must be an absolute path")
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str, required: bool = False) -> Any:
        value = self.text(key, default, required=required)
        if value not in allowed and isinstance(self.raw.get(key), str):
            words = ", ".join(word for word in allowed if word)
            self.problem(key, f'"{value}" is not one of {words}')
            return default
        return value

    def flag(self, key: str, default: bool | None) -> bool | None:
        return self._get(key, bool, default, False)

    def count(self, key: str, default: int, low: int = 0, high: int = 1_000_000) -> int:
        value = self._get(key, int, default, False)
        if key in self.raw and not low <= value <= high:
            self.problem(key, f"{value} is not between {low} and {high}")
            return default
        return value

    def parsed(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """A string that `parse` understands; its ValueError becomes the problem."""
        given = key in self.raw
        value = self._get(key, str, "", False)
        if not given or not isinstance(self.raw[key], str):
            return default
        try:
            return parse(value)
        except ValueError as wrong:
            self.problem(key, str(wrong))
            return default

    def duration(self, key: str, default: timedelta) -> timedelta:
        if key in self.raw and not isinstance(self.raw[key], str):
            self._known[key] = None
            self.problem(key, f"expected a duration {SPELLING}, found {describe(self.raw[key])}")
            return default
        return self.parsed(key, parse_duration, default)

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        values = self._get(key, list, [], required)
        wrong = next((v for v in values if not isinstance(v, str) or not v.strip()), None)
        if wrong is not None:
            self.problem(key, f"expected a list of strings, found {describe(wrong)} in it")
            return ()
        if required and key in self.raw and not values:
            self.problem(key, "must not be empty")
        return tuple(values)

    def secret(self, key: str) -> Secret:
        self._known[key] = None
        value = self.raw.get(key)
        return Secret() if value is None else self._secret(self.path(key), value)

    def secrets(self, key: str) -> tuple[Secret, ...]:
        values = self._get(key, list, [], False)
        path = self.path(key)
        return tuple(self._secret(f"{path}[{i}]", v) for i, v in enumerate(values, 1))

    def _secret(self, path: str, value: object) -> Secret:
        if isinstance(value, str) and value:
            return Secret(value=value)
        if isinstance(value, dict) and len(value) == 1:
            ((source, place),) = value.items()
            if source in _SECRET_KEYS and isinstance(place, str) and place:
                if source == "file" and not place.startswith("/"):
                    self.problems.append(f"{path}.file: must be an absolute path")
                return Secret(**{source: place})
            if source not in _SECRET_KEYS:
                hint = nearest(source, _SECRET_KEYS)
                self.problems.append(f'{path}: unknown key "{source}"{hint}')
                return Secret()
        self.problems.append(
            f"{path}: expected a string that is not empty, {{ file = ... }}, {{ env = ... }} or "
            f"{{ credential = ... }}, found {describe(value)}"
        )
        return Secret()

    def table(self, key: str, *, required: bool = False) -> Table:
        raw = self._get(key, dict, {}, False)
        if required and not self.raw.get(key, raw or None):
            self.problems.append(f"the table [{self.path(key)}] is missing or empty")
        return Table(raw, self.path(key), self.problems)

    def tables(self, key: str) -> list[Table]:
        """`[[key]]`: a list of tables; each is named by its `name` where it has one."""
        found = []
        for number, raw in enumerate(self._get(key, list, [], False), 1):
            path = f"{self.path(key)}[{number}]"
            if not isinstance(raw, dict):
                self.problems.append(f"{path}: expected a table, found {describe(raw)}")
                continue
            name = raw.get("name")
            if isinstance(name, str) and name.isprintable() and name:
                path = f"{self.path(key)}.{name}"
            found.append(Table(raw, path, self.problems))
        return found
