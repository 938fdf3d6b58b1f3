"""What GNU tar says on stderr (LC_ALL=C, --quoting-style=escape), as sentences for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PREFIX = re.compile(r"(?:\S*/)?g?tar: ")
_SILENT = re.compile(
    r"Exiting with failure status due to previous errors$|Error is not recoverable: exiting now$"
)
_SHRANK = re.compile(r"(.*): File shrank by (\d+) bytes?; padding with zeros")
_KINDS = [
    (re.compile(r"(.*): File removed before we read it"), "{0} vanished before it was read"),
    (re.compile(r"(.*): file changed as we read it"), "{0} changed while it was read"),
    (
        _SHRANK,
        "{0} shrank by {1} bytes while it was read; the copy ends in as many zeros",
    ),
    (re.compile(r"(.*): (?:socket|door) ignored"), "{0} is a socket and is left out"),
    (
        re.compile(
            r"(.*?)/?: (?:file is on a different filesystem; not dumped|contents not dumped)"
        ),
        "{0} is a file system of its own; its content is left out",
    ),
]
_FAILURE = re.compile(
    r"(.*?): ((?:Cannot|Read error at byte|Wrote only|Write error|Member name).*)"
)
_ESCAPE = re.compile(rb"\\([0-7]{3}|[abfnrtv\\ ?])", re.DOTALL)
_LETTERS = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_KEPT_LINES = 2000  # of stderr, by adapters.command


def sentences(stderr: Sequence[str]) -> list[str]:
    """One sentence for each thing tar said, in its order, none twice. What is not known is passed
    on as it stands; nothing is dropped but tar's farewell."""
    found = []
    for line in stderr:
        text = _PREFIX.sub("", line, count=1) if _PREFIX.match(line) else line
        if text.strip() and not _SILENT.match(text):
            found.append(_sentence(text))
    if len(stderr) >= _KEPT_LINES:
        found.append(f"there were more warnings; the last {_KEPT_LINES} are kept")
    return list(dict.fromkeys(found))


def _sentence(text: str) -> str:
    for pattern, words in _KINDS:
        if match := pattern.fullmatch(text):
            name = shown(unescape(match[1]))
            return words.format(name, *match.groups()[1:])
    return text


def failures(stderr: Sequence[str]) -> list[str]:
    """What tar failed at, as sentences, without its mere warnings."""
    warned = [pattern for pattern, _ in _KINDS]
    found = []
    for line in stderr:
        text = _PREFIX.sub("", line, count=1)
        if not text.strip() or _SILENT.match(text) or any(p.fullmatch(text) for p in warned):
            continue
        match = _FAILURE.fullmatch(text)
        found.append(f"{shown(unescape(match[1]))}: {match[2]}" if match else text)
    return list(dict.fromkeys(found))


def shrunk(stderr: Sequence[str]) -> list[bytes]:
    """The names of files that tar says shrank."""
    matches = (_SHRANK.fullmatch(_PREFIX.sub("", line, count=1)) for line in stderr)
    return [unescape(match[1]) for match in matches if match]


def unescape(quoted: str) -> bytes:
    """The bytes of a name that tar quoted in its style `escape`."""

    def letter(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if len(code) == 3:
            return bytes([int(code, 8) & 255])
        return bytes([_LETTERS.get(code[0], code[0])])

    return _ESCAPE.sub(letter, quoted.encode("utf-8", "surrogateescape"))


def shown(name: bytes) -> str:
    """A file name as text that cannot harm a terminal and of which no byte is lost."""
    plain = name.removeprefix(b"./").replace(b"\\", b"\\\\") or b"."
    text = plain.decode("utf-8", "surrogateescape")
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
