"""Which keys an object store takes: the same for every store, so that replicas can agree."""

from __future__ import annotations

from engine.core.errors import StoreError

KEY_BYTES = 1000  # S3 allows 1024; the rest is for a repository's prefix
SEGMENT_BYTES = 200  # a file name holds 255; the rest is for a directory store's temporary names
TEMPORARY_MARK = ".part-"


def checked_key(key: str) -> str:
    """The key itself. StoreError unless it is `a/b/c`: relative, no empty, `.` or `..` segment,
    no control character and no backslash (which some servers take for a slash), at most 1000
    bytes and 200 bytes a segment, and not shaped like a directory store's temporary file."""
    problem = _problem(key)
    if problem:
        raise StoreError(f"{key!r} cannot be an object's key: {problem}", "Choose another name.")
    return key


def _problem(key: str) -> str:
    try:
        encoded = key.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not valid text"
    if not key or len(encoded) > KEY_BYTES:
        return f"it must be 1 to {KEY_BYTES} bytes long"
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in key):
        return "it holds a control character"
    if "\\" in key:
        return "it holds a backslash"
    return next(filter(None, map(_segment_problem, key.split("/"))), "")


def _segment_problem(segment: str) -> str:
    if segment in ("", ".", ".."):
        return "it has an empty, `.` or `..` segment"
    if len(segment.encode("utf-8")) > SEGMENT_BYTES:
        return f"a segment is longer than {SEGMENT_BYTES} bytes"
    if segment.startswith(".") and TEMPORARY_MARK in segment:
        return f"hidden names with {TEMPORARY_MARK!r} are kept for unfinished writes"
    return ""
