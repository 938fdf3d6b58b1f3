"""From the parsed TOML document to Settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from engine.settings import (
    EncryptionSettings,
    MonitoringSettings,
    Provider,
    RetentionSettings,
    Settings,
    StoreSettings,
    TierRetention,
)
from engine.settings_file.source import read_sources
from engine.settings_file.table import Table


def read_settings(
    document: Mapping[str, Any], file: Path, state: Callable[[str], Path]
) -> tuple[Settings, list[str]]:
    """Settings and every problem found; they are to be used only when there is none.

    `state` turns the file's own `state` key, maybe empty, into the state directory.
    """
    problems: list[str] = []
    top = Table(document, "", problems)
    repository, replicas = _stores(top)
    settings = Settings(
        file=file,
        host=top.name("host"),
        environment=top.text("environment", "production"),
        repository=repository,
        replicas=replicas,
        encryption=_encryption(top.table("encryption", required=True)),
        retention=_retention(top.table("retention")),
        sources=read_sources(top),
        monitoring=_monitoring(top.table("monitoring")),
        notify=_notify(top.table("notify")),
        local=_local(top),
        docker=top.text("docker"),
        state=state(top.absolute("state")),
    )
    top.close()
    return settings, problems


def _stores(top: Table) -> tuple[StoreSettings, tuple[StoreSettings, ...]]:
    """The repository's store and its replicas' stores."""
    table = top.table("repository", required=True)
    replicas = tuple(_store(replica) for replica in table.tables("replica"))
    return (_store(table) if table.raw else StoreSettings("directory")), replicas


def _local(top: Table) -> StoreSettings | None:
    table = top.table("local")
    if not top.has("local"):
        return None
    store = StoreSettings("directory", path=table.absolute("path", required=True))
    table.close()
    return store


def _store(table: Table) -> StoreSettings:
    store = StoreSettings(
        provider=table.choice("provider", get_args(Provider), "directory", required=True),
        bucket=table.text("bucket"),
        prefix=table.text("prefix").strip("/"),
        path=table.absolute("path"),
        endpoint=table.text("endpoint"),
        region=table.text("region"),
        access_key=table.secret("access_key"),
        secret_key=table.secret("secret_key"),
        path_style=table.flag("path_style", None),
        checksums=table.flag("checksums", None),
        ca_bundle=table.absolute("ca_bundle"),
        label=table.text("label"),
    )
    table.close()
    if table.raw.get("provider") in get_args(Provider):
        _check_store(table, store)
    return store


def _check_store(table: Table, store: StoreSettings) -> None:
    if store.provider == "directory":
        if not table.has("path"):
            table.problem("path", 'is missing; provider "directory" needs an absolute path')
        foreign = set(table.raw) - {"provider", "path", "prefix", "label", "replica"}
        for key in sorted(foreign & {"bucket", "endpoint", "region", "access_key", "secret_key"}):
            table.problem(key, 'does not belong to provider "directory"')
        return
    if table.has("path"):
        table.problem("path", f'belongs to provider "directory", not to "{store.provider}"')
    if not store.bucket:
        table.problem("bucket", f'is missing; provider "{store.provider}" needs a bucket')
    if store.provider in ("minio", "custom") and not store.endpoint:
        table.problem("endpoint", f'is missing; provider "{store.provider}" needs its URL')
    if store.endpoint and not store.endpoint.startswith(("https://", "http://")):
        table.problem("endpoint", "must begin with https:// or http://")
    if bool(store.access_key) != bool(store.secret_key):
        given, other = (
            ("access_key", "secret_key") if store.access_key else ("secret_key", "access_key")
        )
        table.problem(other, f"is missing, although {given} is given")


def _encryption(table: Table) -> EncryptionSettings:
    passphrase = table.secret("passphrase")
    encryption = EncryptionSettings(
        recipients=table.texts("recipients"),
        signing_key=table.text("signing_key"),
        passphrase=passphrase or None,
        gnupg_home=table.absolute("gnupg_home"),
    )
    table.close()
    if encryption.recipients and table.has("passphrase"):
        table.problem("passphrase", "give recipients or a passphrase, not both")
    if not table.has("recipients") and not table.has("passphrase"):
        table.problem("recipients", "is missing; name who can decrypt, or give a passphrase")
    elif table.raw.get("recipients") == [] and not table.has("passphrase"):
        table.problem("recipients", "must name at least one who can decrypt")
    return encryption


def _retention(table: Table) -> RetentionSettings:
    usual = RetentionSettings()
    retention = RetentionSettings(
        local=_tier(table, "local", usual.local),
        offsite=_tier(table, "offsite", usual.offsite),
        config=_tier(table, "config", usual.config),
        minimum_snapshots=table.count("minimum_snapshots", usual.minimum_snapshots, low=1),
    )
    table.close()
    return retention


def _tier(table: Table, key: str, usual: TierRetention) -> TierRetention:
    tier = table.table(key)
    if not table.has(key):
        return usual
    names = ("days", "daily", "weekly", "monthly", "yearly")
    counts = {name: tier.count(name, 0, high=100_000) for name in names}
    tier.close()
    if isinstance(table.raw[key], dict) and not any(counts.values()):
        tier.problem("", "keeps nothing; give days, daily, weekly, monthly or yearly")
    return TierRetention(**counts)


def _monitoring(table: Table) -> MonitoringSettings:
    urls = {key: table.text(key) for key in ("pushgateway", "prometheus", "alertmanager")}
    for key, url in urls.items():
        if url and not url.startswith(("http://", "https://")):
            table.problem(key, "must begin with http:// or https://")
    monitoring = MonitoringSettings(**urls, textfile_directory=table.absolute("textfile_directory"))
    table.close()
    return monitoring


def _notify(table: Table) -> tuple[Any, ...]:
    urls = table.secrets("urls")
    table.close()
    return urls
