"""What a statement does to which objects, in a few words: `DROP TABLE shop.orders`.

Only verbs and names: a statement's text may hold passwords and data, and these words are kept
beside the log in the clear (as the manifests' table names are).
"""

from __future__ import annotations

import re

_LEADING = re.compile(r"\s*(?:/\*.*?\*/\s*|--[ \t][^\n]*\n\s*|#[^\n]*\n\s*)*", re.DOTALL)
# What is no name: ASCII but letters, digits, _ and $. (Said as a set of what is, without case, it
# takes 40 ms to compile.)
_NAME = r"(?:`(?:[^`]|``)+`|[^\x00-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+)"
_QUALIFIED = rf"{_NAME}(?:\s*\.\s*{_NAME})?"
_OBJECTS = r"TABLE|DATABASE|SCHEMA|VIEW|INDEX|TRIGGER|PROCEDURE|FUNCTION|EVENT|SEQUENCE"
_OPTIONS = (
    r"(?:OR\s+REPLACE|TEMPORARY|UNIQUE|FULLTEXT|SPATIAL|AGGREGATE|ONLINE|IGNORE"
    r"|DEFINER\s*=\s*\S+|ALGORITHM\s*=\s*\w+|SQL\s+SECURITY\s+\w+)"
)
_DDL = re.compile(
    rf"(?P<verb>DROP|TRUNCATE|ALTER|CREATE|RENAME)\s+(?:{_OPTIONS}\s+)*"
    rf"(?:(?P<what>{_OBJECTS})S?\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
    rf"(?P<names>{_QUALIFIED}(?:\s*,\s*{_QUALIFIED})*)",
    re.IGNORECASE,
)
_ON = re.compile(rf"\s+ON\s+(?P<name>{_QUALIFIED})", re.IGNORECASE)
_DML = re.compile(
    rf"(?P<verb>DELETE|UPDATE|INSERT|REPLACE)\s+(?:(?:LOW_PRIORITY|QUICK|IGNORE|FROM|INTO|DELAYED)"
    rf"\s+)*(?P<name>{_QUALIFIED})",
    re.IGNORECASE,
)
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_PART = re.compile(_NAME)
_SPACES = re.compile(r"\s+")
_LIMIT = 8  # names shown


def ddl_words(text: str, schema: str = "") -> str:
    """`DROP TABLE shop.orders, shop.items` for a statement that changes definitions; empty for
    any other. `schema` is the one in use."""
    found = _DDL.match(text, _LEADING.match(text).end())  # type: ignore[union-attr]
    if not found:
        return ""
    what = (found["what"] or "").upper().replace("SCHEMA", "DATABASE")
    verb = found["verb"].upper()
    if not what:
        if verb != "TRUNCATE":
            return ""  # CREATE USER and the like
        what = "TABLE"
    if what == "INDEX":
        table = _ON.match(text, found.end())
        names = [_qualified(table["name"], schema)] if table else []
        return " ".join([verb, "INDEX ON", *names])
    inner = "" if what == "DATABASE" else schema
    names = [_qualified(n[0], inner) for n in re.finditer(_QUALIFIED, found["names"])]
    more = f" and {len(names) - _LIMIT} more" if len(names) > _LIMIT else ""
    return f"{verb} {what} {', '.join(names[:_LIMIT])}{more}"


def dml_words(text: str, schema: str = "") -> str:
    """`DELETE shop.orders without WHERE` for a DELETE or UPDATE that says no WHERE; else empty."""
    found = _DML.match(text, _LEADING.match(text).end())  # type: ignore[union-attr]
    if not found or found["verb"].upper() not in ("DELETE", "UPDATE"):
        return ""
    if _WHERE.search(text, found.end()):
        return ""
    return f"{found['verb'].upper()} {_qualified(found['name'], schema)} without WHERE"


def _qualified(name: str, schema: str) -> str:
    parts = [p[0].strip("`").replace("``", "`") for p in _PART.finditer(name)]
    if len(parts) == 1 and schema:
        parts.insert(0, schema)
    return ".".join(parts)


def asked(statement: str) -> tuple[str, ...]:
    """What an operator's `--before` means, as words to look for: (verb, object kind or empty,
    name). ValueError for a statement that names no object."""
    words = ddl_words(statement.strip().rstrip(";"))
    if words:
        verb, what, names = words.split(" ", 2)
        return verb, what, names
    found = _DML.match(statement.strip())
    if not found:
        raise ValueError(f"{statement!r} names no change of an object")
    return found["verb"].upper(), "", _qualified(found["name"], "")


def fits(mark: str, wanted: tuple[str, ...]) -> bool:
    """Whether a mark's words are what was asked for. A name without schema fits any schema."""
    verb, what, name = wanted
    words = mark.split(" ")
    if words[0] != verb or (what and (len(words) < 2 or words[1] != what)):
        return False
    names = _SPACES.sub("", " ".join(words[2 if what else 1 :]).split(" without")[0]).split(",")
    return any(n == name or ("." not in name and n.endswith(f".{name}")) for n in names)
