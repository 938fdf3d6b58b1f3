"""The product and what it depends on as wheels, made again from what is installed here.

What runs here is what was tested; nothing is downloaded. Wheels: PEP 427, PEP 376 (RECORD).
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from engine.core.errors import UsageError

PRODUCT = "mentat-dr"
_PACKAGES = ("engine", "console", "runbooks")
_REQUIRED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LEFT_OUT = frozenset({"direct_url.json", "INSTALLER", "REQUESTED", "RECORD", "uv_cache.json"})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same kit gives the same bytes


def distributions() -> list[Distribution]:
    """The product and all it needs, as installed, by name. UsageError when it is not."""
    found: dict[str, Distribution] = {}
    waiting = [PRODUCT]
    while waiting:
        name = waiting.pop()
        plain = re.sub(r"[-_.]+", "-", name).lower()
        if plain in found:
            continue
        try:
            found[plain] = importlib.metadata.distribution(name)
        except PackageNotFoundError:
            if name == PRODUCT:
                raise UsageError(
                    "mentat-dr runs here without being installed, so that no kit can be made",
                    "Install it (uv sync, or pip install) and try again.",
                ) from None
            continue  # for another system or an older Python
        for required in found[plain].requires or ():
            match = _REQUIRED.match(required)
            if match and "extra ==" not in required:
                waiting.append(match[0])
    return [found[name] for name in sorted(found)]


def write(folder: Path) -> list[Path]:
    """Write all wheels into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_wheel(distribution, folder) for distribution in distributions()]


def _wheel(distribution: Distribution, folder: Path) -> Path:
    name = re.sub(r"[-_.]+", "_", distribution.metadata["Name"])
    target = folder / f"{name}-{distribution.version}-{_tag(distribution)}.whl"
    info = f"{name}-{distribution.version}.dist-info"
    lines = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for inside, file in sorted(_files(distribution).items()):
            body = file.read_bytes()
            archive.writestr(_entry(inside), body)
            digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
            lines.append(f"{inside},sha256={digest},{len(body)}")
        archive.writestr(_entry(f"{info}/RECORD"), "\n".join([*lines, f"{info}/RECORD,,", ""]))
    return target


def _entry(inside: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(inside, _EPOCH)
    entry.external_attr = 0o644 << 16
    return entry


def _tag(distribution: Distribution) -> str:
    """`py3-none-any`; several tags of one wheel are folded, as its file's name was."""
    text = distribution.read_text("WHEEL") or ""
    tags = [line.removeprefix("Tag:").strip() for line in text.splitlines() if "Tag:" in line[:4]]
    triples = [tag.split("-") for tag in tags if tag.count("-") == 2] or [["py3", "none", "any"]]
    return "-".join(".".join(dict.fromkeys(part)) for part in zip(*triples, strict=True))


def _files(distribution: Distribution) -> dict[str, Path]:
    """Path in the wheel -> file. Programs are left out: the kit brings its own."""
    found: dict[str, Path] = {}
    for entry in distribution.files or ():
        inside = str(entry)
        strange = inside.startswith("..") or "__pycache__" in inside or inside.endswith(".pth")
        if strange or entry.name in _LEFT_OUT:
            continue
        file = Path(str(distribution.locate_file(entry)))
        if file.is_file():
            found[inside] = file
    if distribution.metadata["Name"].lower() == PRODUCT:
        found.update(_own())
    return found


def _own() -> Iterator[tuple[str, Path]]:
    """The product's own packages from where they run, also when it is installed for editing."""
    root = Path(__file__).parents[2]
    for package in _PACKAGES:
        for file in (root / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(root)), file
