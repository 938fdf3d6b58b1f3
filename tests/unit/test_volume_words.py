"""What tar says, as sentences."""

from __future__ import annotations

import pytest

from engine.adapters.volume_words import failures, sentences, shown, unescape

FAREWELL = "tar: Exiting with failure status due to previous errors"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("tar: ./a: File removed before we read it", "a vanished before it was read"),
        ("tar: etc/x: file changed as we read it", "etc/x changed while it was read"),
        (
            "tar: ./b\\303\\251: File shrank by 1 byte; padding with zeros",
            "bé shrank by 1 bytes while it was read; the copy ends in as many zeros",
        ),
        ("/bin/tar: ./s: socket ignored", "s is a socket and is left out"),
        ("tar: .: file changed as we read it", ". changed while it was read"),
        ("tar: ./\\377\\033[31m: file changed as we read it", None),
        ("tar: ./a: Cannot open: Permission denied", "./a: Cannot open: Permission denied"),
        ("something new", "something new"),
    ],
)
def test_sentences(said: str, sentence: str | None) -> None:
    (found,) = sentences([said, said, FAREWELL, ""])
    assert found == (sentence or "\\xff\\x1b[31m changed while it was read")


def test_more_than_is_kept_is_said() -> None:
    lines = [f"tar: ./{index}: File removed before we read it" for index in range(2000)]
    assert sentences(lines)[-1] == "there were more warnings; the last 2000 are kept"
    assert len(sentences(lines[:-1])) == 1999


def test_failures_without_warnings() -> None:
    said = [
        "tar: ./a: file changed as we read it",
        "tar: ./n\\nl: Cannot open: Permission denied",
        "tar: x: Read error at byte 0, while reading 512 bytes: Input/output error",
        "tar: Unexpected EOF in archive",
        "tar: Error is not recoverable: exiting now",
        FAREWELL,
    ]
    assert failures(said) == [
        "n\\x0al: Cannot open: Permission denied",
        "x: Read error at byte 0, while reading 512 bytes: Input/output error",
        "Unexpected EOF in archive",
    ]


@pytest.mark.parametrize(
    ("quoted", "name"),
    [
        ("a\\nb", b"a\nb"),
        ("a\\\\nb", b"a\\nb"),
        ("\\377\\0001", b"\xff\x001"),
        ("\\a\\b\\t\\f\\v\\r", b"\a\b\t\f\v\r"),
        ("plain: name", b"plain: name"),
    ],
)
def test_unescape(quoted: str, name: bytes) -> None:
    assert unescape(quoted) == name


def test_shown_names_lose_no_byte_and_hold_no_control() -> None:
    everything = bytes(range(256))
    text = shown(everything)
    assert text.isprintable()
    assert len({shown(bytes([byte])) for byte in everything}) == 256
    assert shown(b"./a") == "a" and shown(b"./") == "."
