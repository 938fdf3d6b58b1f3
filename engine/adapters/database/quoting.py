"""Names and text inside SQL and option files. Everything that comes from outside goes through here.

SQL is written for sessions with NO_BACKSLASH_ESCAPES: a backslash is a plain character in them,
for the server and for the client program, which otherwise trips over a name that ends in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def quote_name(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def quote_text(text: str) -> str:
    """A string literal, for a session with NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("'", "''") + "'"


def quote_texts(texts: Iterable[str]) -> str:
    """A list for IN (...); never empty, so that it stays valid SQL."""
    return ", ".join(quote_text(text) for text in texts) or "NULL"


def from_hex(field: str | None) -> str:
    """The text behind HEX(column): names travel so, since `NULL`, tabs and newlines are names."""
    return bytes.fromhex(field or "").decode("utf-8", "surrogateescape")


def option_line(name: str, value: str) -> str:
    """`name="value"` as option files spell it: quoted, so that `#` and spaces stay."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    for character, letter in (("\n", "n"), ("\t", "t"), ("\r", "r"), ("\b", "b")):
        escaped = escaped.replace(character, "\\" + letter)
    return f'{name}="{escaped}"'


_QUOTED = r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`(?:[^`]|``)*`"""
_WORD = re.compile(rf"(?:{_QUOTED}|\((?:{_QUOTED}|[^()])*\)|[^ \n])+", re.DOTALL)


def words_of(statement: str) -> list[str]:
    """The words of an account statement as servers print it, split at spaces outside quotes and
    parentheses. Backslashes escape inside text, as SHOW CREATE USER writes it."""
    return _WORD.findall(statement)
