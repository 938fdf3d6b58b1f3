"""The price table: the product's own, dated, and what the operator puts over it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from engine.core.cost import Prices, Provider, StorageClass
from engine.core.errors import ConfigurationError

OWN = Path(__file__).parents[1] / "prices.toml"
_LIMIT = 1 << 20  # bytes


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    label: str = ""
    source: str = ""
    default_class: str = "STANDARD"
    egress: float = 0.0
    gigabyte: int = 1 << 30
    free_egress: float = 0.0
    free_egress_of: float = 0.0
    minimum_storage: float = 0.0
    classes: dict[str, StorageClass] = msgspec.field(default_factory=dict, name="class")


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    dated: date
    currency: str
    provider: dict[str, _Provider]


def load(override: Path | None = None) -> Prices:
    """The table, with `override` over it, key by key; a missing file of that name overrides
    nothing. ConfigurationError, naming the file and the key, for one that is wrong."""
    document = _read(OWN)
    if override is not None and override.exists():
        document = _over(document, _read(override))
    try:
        table = msgspec.convert(document, _Table)
        return Prices(
            table.dated,
            table.currency,
            {name: _provider(name, found) for name, found in table.provider.items()},
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(
            f"the price table {override or OWN} is wrong: {error}",
            f"Its form is that of {OWN}",
        ) from error


def _provider(name: str, found: _Provider) -> Provider:
    if found.default_class not in found.classes:
        raise ValueError(f"provider {name} has no class {found.default_class}, its default")
    numbers = [found.egress, found.free_egress, found.free_egress_of, found.minimum_storage]
    for kind in found.classes.values():
        numbers += [kind.storage, kind.put, kind.get, kind.retrieval, kind.object_month]
    if found.gigabyte < 1 or any(number < 0 for number in numbers):
        raise ValueError(f"a price of provider {name} is negative")
    return Provider(
        name=name,
        label=found.label or name,
        classes=found.classes,
        default_class=found.default_class,
        egress=found.egress,
        gigabyte=found.gigabyte,
        free_egress=found.free_egress,
        free_egress_of=found.free_egress_of,
        minimum_storage=found.minimum_storage,
        source=found.source,
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.loads(stream.read(_LIMIT).decode("utf-8"))
    except (OSError, ValueError) as error:  # a decoding or TOML error is a ValueError
        raise ConfigurationError(
            f"the price table {file} cannot be read: {error}", f"Its form is that of {OWN}"
        ) from error


def _over(document: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(document)
    for key, value in other.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _over(old, value) if both and old is not None else value
    return merged
