"""What each provider of S3 needs: its endpoint, its addressing, and what it cannot do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from engine.core.errors import ConfigurationError
from engine.settings import StoreSettings

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Preset:
    """endpoint         with `{region}`; empty: the settings must give one, or it is Amazon's
    path_style       bucket in the path, not in the host name
    checksums        takes x-amz-checksum-sha256 and refuses a body that does not match
    conditional      takes If-None-Match on writes: True known to, False known not to, None ask
    needs_endpoint   has no endpoint of its own
    needs_region     has no region to fall back on
    """

    endpoint: str = ""
    path_style: bool = False
    checksums: bool = True
    conditional: bool | None = None
    needs_endpoint: bool = False
    needs_region: bool = False


PRESETS: dict[str, Preset] = {
    "s3": Preset(conditional=True),
    # B2 answers 400 to checksum headers and 501 to If-None-Match on writes.
    "b2": Preset(
        "https://s3.{region}.backblazeb2.com", checksums=False, conditional=False, needs_region=True
    ),
    "wasabi": Preset("https://s3.{region}.wasabisys.com", path_style=True, checksums=False),
    "minio": Preset(path_style=True, needs_endpoint=True),
    "custom": Preset(path_style=True, needs_endpoint=True),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is reached. endpoint None means Amazon's for the region."""

    endpoint: str | None
    region: str
    path_style: bool
    checksums: bool
    conditional: bool | None
    ca_bundle: str | None


def place(settings: StoreSettings) -> Place:
    """Settings over the provider's preset. ConfigurationError when they do not suffice."""
    preset = PRESETS.get(settings.provider)
    if preset is None:
        raise ConfigurationError(
            f"{settings.provider!r} is not a provider of buckets",
            f"Use one of {', '.join(PRESETS)}, or `directory` with a path.",
        )
    if not settings.bucket:
        raise ConfigurationError(
            f"the {settings.provider} store has no bucket", "Set `bucket` for this store."
        )
    region = settings.region or _region_of(settings.endpoint)
    if not (region or settings.endpoint) and preset.needs_region:
        raise ConfigurationError(
            f"the {settings.provider} store has no region",
            "Set `region` as the provider's page of the bucket shows it (such as us-west-004).",
        )
    if preset.needs_endpoint and not settings.endpoint:
        raise ConfigurationError(
            f"the {settings.provider} store has no endpoint",
            "Set `endpoint`, such as https://s3.example.org:9000.",
        )
    region = region or DEFAULT_REGION
    endpoint = settings.endpoint or preset.endpoint.format(region=region)
    return Place(
        endpoint=_checked_endpoint(endpoint) if endpoint else None,
        region=region,
        path_style=preset.path_style if settings.path_style is None else settings.path_style,
        checksums=preset.checksums if settings.checksums is None else settings.checksums,
        conditional=preset.conditional,
        ca_bundle=_checked_bundle(settings.ca_bundle),
    )


def _region_of(endpoint: str) -> str:
    """The region that a hosted provider's endpoint names: s3.eu-central-1.wasabisys.com."""
    host = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname or ""
    parts = host.split(".")
    hosted = host.endswith((".backblazeb2.com", ".wasabisys.com", ".amazonaws.com"))
    return parts[1] if hosted and len(parts) == 4 and parts[0] == "s3" else ""


def _checked_endpoint(endpoint: str) -> str:
    whole = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        parts = urlsplit(whole)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = False
    if not usable or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{endpoint!r} is not an endpoint of an object store",
            "Give it as https://HOST or https://HOST:PORT.",
        )
    return whole.rstrip("/")


def _checked_bundle(path: str) -> str | None:
    if path and not Path(path).is_file():
        raise ConfigurationError(
            f"the ca_bundle {path} does not exist", "Correct ca_bundle of this store."
        )
    return path or None
