"""Writing the configuration: a document without defaults, durable and private."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.core.durations import format_duration
from engine.core.errors import ConfigurationError
from engine.settings import (
    EncryptionSettings,
    MonitoringSettings,
    RetentionSettings,
    Secret,
    Settings,
    SourceSettings,
    StoreSettings,
    TierRetention,
)

HEADER = "# mentat-dr: what is protected on this host, where it goes and who can read it.\n\n"


def render(settings: Settings) -> str:
    """The TOML text that loads back as these settings. It holds secrets that are in place."""
    import tomli_w

    return HEADER + tomli_w.dumps(_document(settings))


def save(settings: Settings) -> None:
    """Write settings.file whole or not at all, durably, mode 0600."""
    write_private(settings.file, render(settings).encode())


def write_private(file: Path, body: bytes) -> None:
    """Replace `file` by `body`, whole or not at all, durably, mode 0600, its folder made 0700.

    ConfigurationError when it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                os.fchmod(stream.fileno(), 0o600)
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(file)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        _sync_directory(file.parent)
    except OSError as problem:
        raise ConfigurationError(
            f"{file} cannot be written: {problem.strerror or problem}",
            f"Run as a user who may write {file.parent} (sudo), or choose another place.",
        ) from problem


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _document(settings: Settings) -> dict[str, Any]:
    repository = _store(settings.repository)
    if settings.replicas:
        repository["replica"] = [_store(replica) for replica in settings.replicas]
    return _without_empty(
        {
            "host": settings.host,
            "environment": settings.environment,
            "docker": settings.docker,
            "state": "" if str(settings.state) == "/var/lib/mentat-dr" else str(settings.state),
            "repository": repository,
            "local": {"path": settings.local.path} if settings.local else {},
            "encryption": _encryption(settings.encryption),
            "retention": _retention(settings.retention),
            "source": [_source(source) for source in settings.sources],
            "monitoring": _plain(settings.monitoring, MonitoringSettings()),
            "notify": {"urls": [_secret(url) for url in settings.notify]},
        }
    )


def _without_empty(table: dict[str, Any]) -> dict[str, Any]:
    def empty(value: Any) -> bool:
        return value in ("", [], {}, None) or value == {"urls": []}

    return {key: value for key, value in table.items() if not empty(value)}


def _secret(secret: Secret) -> str | dict[str, str]:
    for place in ("file", "env", "credential"):
        if getattr(secret, place):
            return {place: getattr(secret, place)}
    return secret.value


def _plain(value: object, usual: object, renamed: dict[str, str] | None = None) -> dict[str, Any]:
    """Fields of a settings object that differ from `usual`, in order, under the file's keys."""
    table: dict[str, Any] = {}
    for item in fields(value):  # type: ignore[arg-type]
        mine = getattr(value, item.name)
        if mine == getattr(usual, item.name):
            continue
        if isinstance(mine, Secret):
            mine = _secret(mine)
        elif isinstance(mine, tuple):
            mine = list(mine)
        table[(renamed or {}).get(item.name, item.name)] = mine
    return table


def _store(store: StoreSettings) -> dict[str, Any]:
    return {"provider": store.provider, **_plain(store, StoreSettings(store.provider))}


def _encryption(encryption: EncryptionSettings) -> dict[str, Any]:
    return _plain(encryption, EncryptionSettings())


def _retention(retention: RetentionSettings) -> dict[str, Any]:
    table = _plain(retention, RetentionSettings())
    for key, value in table.items():
        if isinstance(value, TierRetention):
            table[key] = _plain(value, TierRetention())
    return table


def _source(source: SourceSettings) -> dict[str, Any]:
    usual = SourceSettings(source.name, source.kind, source.rpo, source.rto)
    return {
        "name": source.name,
        "kind": source.kind,
        **_plain(source, usual, {"address": "host"}),
        "rpo": format_duration(source.rpo),
        "rto": format_duration(source.rto),
    }
