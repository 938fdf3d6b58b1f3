"""The typed configuration; docs of each key stand with its field.

`engine.settings_file` reads and writes it as TOML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from engine.core.snapshot import Kind

Provider = Literal["s3", "b2", "wasabi", "minio", "custom", "directory"]
Quiesce = Literal["none", "pause", "stop"]

DEFAULT_CONFIG = Path("/etc/mentat-dr/config.toml")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's whereabouts; read as late as possible, never shown.

    One of: value (in place), file, env, credential (systemd's $CREDENTIALS_DIRECTORY). False in
    a condition when none is given.
    """

    value: str = field(default="", repr=False)
    file: str = ""
    env: str = ""
    credential: str = ""

    def __bool__(self) -> bool:
        return bool(self.value or self.file or self.env or self.credential)

    def reveal(self) -> str:
        """The secret, trailing newline removed. ConfigurationError when it cannot be read."""
        from engine import secrets_source

        return secrets_source.reveal(self)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """One object store: a bucket of a provider, or a directory (provider "directory")."""

    provider: Provider
    bucket: str = ""
    prefix: str = ""
    path: str = ""  # of a directory store
    endpoint: str = ""  # overrides the preset's
    region: str = ""
    access_key: Secret = field(default_factory=Secret)
    secret_key: Secret = field(default_factory=Secret)
    path_style: bool | None = None  # None: as the preset says
    checksums: bool | None = None  # None: as the preset says
    ca_bundle: str = ""
    label: str = ""  # shown instead of provider:bucket

    @property
    def shown(self) -> str:
        """How the store is called on screens, without connecting to it."""
        if self.label:
            return self.label
        if self.provider == "directory":
            return f"directory:{self.path}"
        return f"{self.provider}:{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True, slots=True)
class EncryptionSettings:
    """recipients and signing_key are fingerprints or addresses; passphrase makes it symmetric."""

    recipients: tuple[str, ...] = ()
    signing_key: str = ""
    passphrase: Secret | None = None
    gnupg_home: str = ""  # empty: <state>/gnupg


@dataclass(frozen=True, slots=True)
class TierRetention:
    days: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    local: TierRetention = TierRetention(days=7)
    offsite: TierRetention = TierRetention(days=30)
    config: TierRetention = TierRetention(days=90)
    minimum_snapshots: int = 3


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One source. Which fields apply depends on kind; loading refuses the others.

    database       engine, container | host+port | socket, user, password, schemas, checksums,
                   methods, binlogs
    volume         volume, quiesce, exclude, incremental
    config         paths, exclude, incremental
    observability  volume (+ quiesce) | paths, exclude, incremental
    """

    name: str
    kind: Kind
    rpo: timedelta
    rto: timedelta
    engine: Literal["mysql", "mariadb", ""] = ""
    container: str = ""
    address: str = ""  # key `host` in the file
    port: int = 3306
    socket: str = ""
    user: str = "root"
    password: Secret | None = None
    schemas: tuple[str, ...] = ()  # empty: all but the system's
    checksums: bool = True  # per-table checksums in the manifest
    volume: str = ""
    quiesce: Quiesce = "none"
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    methods: dict[str, str] = field(default_factory=dict)
    binlogs: dict[str, str] = field(default_factory=dict)
    incremental: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    pushgateway: str = ""
    prometheus: str = ""
    alertmanager: str = ""
    textfile_directory: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. `file` is where it was read."""

    file: Path
    host: str
    environment: str
    repository: StoreSettings
    encryption: EncryptionSettings
    sources: tuple[SourceSettings, ...]
    replicas: tuple[StoreSettings, ...] = ()
    local: StoreSettings | None = None  # the local tier, a directory
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)
    notify: tuple[Secret, ...] = ()  # URLs; they hold tokens
    docker: str = ""  # DOCKER_HOST; empty: the environment's or the default socket
    state: Path = Path("/var/lib/mentat-dr")

    def source(self, name: str) -> SourceSettings:
        """UsageError naming the nearest source when there is none of that name."""
        from difflib import get_close_matches

        from engine.core.errors import UsageError

        for candidate in self.sources:
            if candidate.name == name:
                return candidate
        names = [s.name for s in self.sources]
        near = get_close_matches(name, names, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Sources: {', '.join(names) or 'none'}."
        raise UsageError(f"no source is called {name!r} in {self.file}", hint)
