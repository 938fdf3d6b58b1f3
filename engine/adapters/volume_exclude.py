"""Exclude patterns: what tar is told, and the same rules here.

As .gitignore has them: `*`, `?` and `[...]` stop at a slash, a match takes everything below it, a
leading slash ties a pattern to the tree's root, and one without it matches at any depth. Matching
is by bytes, so `?` is one byte.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from engine.core.errors import TreeError

Excluded = Callable[[bytes], bool]

_CLASSES = {
    b"alnum": rb"[0-9A-Za-z]",
    b"alpha": rb"[A-Za-z]",
    b"digit": rb"[0-9]",
    b"lower": rb"[a-z]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"space": rb"[\t-\r ]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}
_ELEMENT = re.compile(
    rb"\[:(?P<named>[a-z]+):\]"
    rb"|(?P<low>\\.|[^\\])-(?P<high>\\.|[^\]\\])"
    rb"|(?P<one>\\.|[^\\])",
    re.DOTALL,
)
_BRACKET = re.compile(rb"\[(?P<not>[!^]?)(?P<set>\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]", re.DOTALL)


def tar_exclusions(patterns: Sequence[str]) -> list[str]:
    """tar's options for the patterns."""
    if not patterns:
        return []
    options = ["--wildcards", "--no-wildcards-match-slash"]
    for pattern in patterns:
        plain = _plain(pattern)
        if pattern.startswith("/"):
            options += ["--anchored", f"--exclude={plain}", f"--exclude=./{plain}"]
        else:
            options += ["--no-anchored", f"--exclude={plain}"]
    return options


def excluder(patterns: Sequence[str]) -> Excluded:
    """Whether tar leaves a member name (`./a/b` or `etc/x`) out by these patterns. TreeError for
    a pattern that names nothing."""
    if not patterns:
        return lambda _name: False
    alternatives = []
    for pattern in patterns:
        where = rb"(?:\./)?" if pattern.startswith("/") else rb"(?:.*/)?"
        alternatives.append(where + _glob(os.fsencode(_plain(pattern))) + rb"(?:/.*)?")
    matches = re.compile(b"|".join(alternatives), re.DOTALL).fullmatch
    return lambda name: matches(name) is not None


def _plain(pattern: str) -> str:
    plain = pattern.strip("/")
    if not plain or "\0" in plain:
        raise TreeError(
            f"the exclude pattern {pattern!r} names nothing",
            "Correct `exclude` of the source in the configuration.",
        )
    return plain


def _glob(pattern: bytes) -> bytes:
    """fnmatch(3) with FNM_PATHNAME in the C locale, as a regular expression."""
    out, at = b"", 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        if char == b"[" and (bracket := _BRACKET.match(pattern, at)):
            out += _set(bool(bracket["not"]), bracket["set"])
            at = bracket.end()
            continue
        if char == b"\\" and at + 1 < len(pattern):
            at += 1
            char = pattern[at : at + 1]
            out += re.escape(char)
        else:
            out += {b"*": b"[^/]*", b"?": b"[^/]"}.get(char, re.escape(char))
        at += 1
    return out


def _set(negated: bool, inside: bytes) -> bytes:
    chosen = set(_members(inside)) - {ord("/")}
    if negated:
        chosen = set(range(256)) - chosen - {ord("/")}
    if not chosen:
        return rb"(?!)"
    return b"[" + b"".join(b"\\x%02x" % code for code in sorted(chosen)) + b"]"


def _members(inside: bytes) -> Iterator[int]:
    for element in _ELEMENT.finditer(inside):
        if element["named"]:
            matches = re.compile(_CLASSES.get(element["named"], rb"(?!)"), re.DOTALL).match
            yield from (code for code in range(256) if matches(bytes([code])))
        elif element["low"]:
            yield from range(element["low"][-1], element["high"][-1] + 1)
        else:
            yield element["one"][-1]
