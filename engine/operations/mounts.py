"""What is mounted inside a tree: a switch would carry it away with the old data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


def below(paths: Sequence[Path]) -> list[Path]:
    """Mount points at or below the paths, as this process sees them."""
    roots = [str(path.parent.resolve() / path.name) for path in paths]
    text = Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "surrogateescape")
    points = [
        _OCTAL.sub(lambda m: chr(int(m[1], 8)), line.split(" ")[4]) for line in text.splitlines()
    ]
    return [
        Path(point)
        for point in dict.fromkeys(points)
        if any(point == root or point.startswith(root.rstrip("/") + "/") for root in roots)
    ]
