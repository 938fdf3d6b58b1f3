"""The tree that is backed up: made from a seed, the same on every machine, kept between runs.

Like a shop's uploads volume: many small JSON and text files, logs of some hundred KiB, and media
that no compressor makes smaller.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSION = 1
FILES_PER_GIB = 38_700  # 58,000 files in 1.5 GiB
MEDIA_SHARE = 0.20  # of the bytes
_POOL_BYTES = 48 << 20
_EPOCH = 1_767_225_600  # 2026-01-01: modification times are part of what is compared
_SYLLABLES = (
    "an",
    "be",
    "co",
    "da",
    "el",
    "fi",
    "go",
    "hu",
    "in",
    "ja",
    "ke",
    "lo",
    "mi",
    "no",
    "op",
    "pa",
    "qui",
    "re",
    "sa",
    "te",
    "un",
    "va",
    "we",
    "ber",
    "con",
    "der",
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree on disk and what is in it."""

    path: Path
    files: int
    bytes: int


def cached(cache: Path, size: int) -> Tree:
    """The tree of about `size` bytes below `cache`, made at the first call."""
    place = cache / f"tree-v{VERSION}-{size}"
    facts = place / "facts.json"
    if not facts.exists():
        shutil.rmtree(place, ignore_errors=True)
        made = make(place / "files", size)
        facts.write_text(json.dumps({"files": made.files, "bytes": made.bytes}))
    known = json.loads(facts.read_text())
    return Tree(place / "files", known["files"], known["bytes"])


def make(root: Path, size: int, seed: int = 1) -> Tree:
    """Write about `size` bytes of files below `root`, which must not exist."""
    rng = random.Random(seed)
    pool = _text_pool(rng, min(_POOL_BYTES, max(1 << 20, size // 4)))
    root.mkdir(parents=True)
    written = files = 0
    for relative, body in _files(rng, pool, size):
        path = root / relative
        try:
            path.write_bytes(body)
        except FileNotFoundError:
            path.parent.mkdir(parents=True)
            path.write_bytes(body)
        path.chmod(0o640 if files % 7 else 0o600)
        os.utime(path, ns=(_EPOCH * 10**9, (_EPOCH + files * 37) * 10**9 + files * 1009))
        written += len(body)
        files += 1
    return Tree(root, files, written)


def _files(rng: random.Random, pool: bytes, size: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents until both the bytes and the number of files are reached."""
    wanted = max(8, round(size / (1 << 30) * FILES_PER_GIB))
    media_files = max(1, wanted // 60)
    log_files = max(1, wanted // 120)
    small_files = wanted - media_files - log_files
    media_mean = size * MEDIA_SHARE / media_files
    log_mean = size * 0.25 / log_files
    small_mean = size * (1 - MEDIA_SHARE - 0.25) / small_files
    for number in range(media_files):
        length = int(rng.uniform(0.3, 1.7) * media_mean)
        yield f"media/{number % 97:02d}/{number:06d}.jpg", rng.randbytes(length)
    for number in range(log_files):
        length = int(rng.uniform(0.3, 1.7) * log_mean)
        yield f"logs/{number % 12:02d}/shop-{number:05d}.log", _text(rng, pool, length)
    for number in range(small_files):
        length = int(rng.uniform(0.1, 1.9) * small_mean)
        kind = "orders" if number % 3 else "notes"
        end = "json" if number % 3 else "txt"
        name = f"{kind}/{number % 31:02d}/{number % 389:03d}/{number:06d}.{end}"
        yield name, _text(rng, pool, length)


def _text(rng: random.Random, pool: bytes, length: int) -> bytes:
    """Text cut from the pool in short pieces: as compressible as the pool, and nowhere equal."""
    pieces = []
    left = length
    while left > 0:
        piece = min(left, 4096)
        start = rng.randrange(len(pool) - piece)
        pieces.append(pool[start : start + piece])
        left -= piece
    return b"".join(pieces)


def _text_pool(rng: random.Random, size: int) -> bytes:
    """Lines of prose, JSON and logs over one vocabulary, common words more often than rare ones."""
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(2500)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    lines: list[bytes] = []
    length = 0
    drawn: list[str] = []
    while length < size:
        if len(drawn) < 64:
            drawn = rng.choices(words, weights, k=200_000)
        line = _line(rng, drawn).encode()
        lines.append(line)
        length += len(line)
    return b"".join(lines)


def _line(rng: random.Random, drawn: list[str]) -> str:
    taken, drawn[-14:] = drawn[-14:], []
    number = rng.getrandbits(20)
    shape = number % 4
    if shape == 0:
        return " ".join(taken).capitalize() + ".\n"
    if shape == 1:
        return (
            f'{{"id": {number}, "status": "shipped", "customer": {{"name": "{taken[0]}", '
            f'"email": "{taken[1]}@shop.example.org"}}, "currency": "EUR", "lines": '
            f'[{{"product": "{taken[2]}", "quantity": {number % 9 + 1}}}, {{"product": '
            f'"{taken[3]}", "quantity": {number % 5 + 1}}}], "note": "{" ".join(taken[4:8])}"}}\n'
        )
    return (
        f"2026-01-{number % 28 + 1:02d}T{number % 24:02d}:{number % 60:02d}:{number % 59:02d}Z "
        f"INFO shop.web[{number % 8 + 4100}] GET /{taken[0]}/{taken[1]} 200 in {number % 90} ms, "
        f"cache {'hit' if number % 5 else 'miss'}, session {number:06x}\n"
    )
