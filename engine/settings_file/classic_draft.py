"""From the values of a `backup-config.env` to the document of our configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any


def words(value: str) -> list[str]:
    """A list as shell files spell it: separated by blanks or commas."""
    return [word for word in re.split(r"[\s,]+", value) if word]


def draft(values: Mapping[str, str], keep: Callable[[str, str], Any]) -> dict[str, Any]:
    """The configuration's document, as far as the file goes.

    `keep(name, secret)` puts a secret somewhere and returns what the document says of it.
    """
    document: dict[str, Any] = {}
    for key in ("host", "environment"):
        if values.get(key):
            document[key] = values[key].lower() if key == "host" else values[key]
    _stores(document, values, keep)
    _encryption(document, values, keep)
    _retention(document, values)
    _monitoring(document, values, keep)
    document["source"] = _sources(values, keep)
    return document


def _stores(
    document: dict[str, Any], values: Mapping[str, str], keep: Callable[[str, str], Any]
) -> None:
    if values.get("bucket"):
        store: dict[str, Any] = {"provider": values.get("provider", "s3").lower()}
        names = ("bucket", "prefix", "endpoint", "region")
        store |= {name: values[name] for name in names if values.get(name)}
        if "endpoint" in store and "://" not in store["endpoint"]:
            store["endpoint"] = f"https://{store['endpoint']}"
        if values.get("access_key"):
            store["access_key"] = values["access_key"]
        if values.get("secret_key"):
            store["secret_key"] = keep("store-secret-key", values["secret_key"])
        if values.get("replica_bucket"):
            replica = {**store, "bucket": values["replica_bucket"]}
            replica["region"] = values.get("replica_region", store.get("region", ""))
            store["replica"] = [{name: value for name, value in replica.items() if value}]
        document["repository"] = store
    if values.get("local_path"):
        document["local"] = {"path": values["local_path"]}


def _encryption(
    document: dict[str, Any], values: Mapping[str, str], keep: Callable[[str, str], Any]
) -> None:
    symmetric = values.get("method", "").lower() in ("symmetric", "passphrase")
    if values.get("recipients") and not symmetric:
        document["encryption"] = {"recipients": words(values["recipients"])}
    elif values.get("passphrase"):
        document["encryption"] = {"passphrase": keep("passphrase", values["passphrase"])}
    elif values.get("passphrase_file"):
        document["encryption"] = {"passphrase": {"file": values["passphrase_file"]}}


def _retention(document: dict[str, Any], values: Mapping[str, str]) -> None:
    tiers = {
        tier: {"days": int(values[f"{tier}_days"])}
        for tier in ("local", "offsite", "config")
        if values.get(f"{tier}_days", "").isdigit()
    }
    if tiers:
        document["retention"] = tiers


def _monitoring(
    document: dict[str, Any], values: Mapping[str, str], keep: Callable[[str, str], Any]
) -> None:
    names = ("pushgateway", "prometheus", "alertmanager", "textfile_directory")
    found = {}
    for name in names:
        value = values.get(name, "")
        if value and name != "textfile_directory" and "://" not in value:
            value = f"http://{value}"
        if value:
            found[name] = value
    if found:
        document["monitoring"] = found
    urls = [f"mailto://{address}" for address in words(values.get("email", ""))]
    urls += [
        keep(f"notify-{name}", values[name]) for name in ("slack", "webhook") if values.get(name)
    ]
    if urls:
        document["notify"] = {"urls": urls}


def _sources(values: Mapping[str, str], keep: Callable[[str, str], Any]) -> list[dict[str, Any]]:
    sources: list[dict[str, Any]] = []
    database = _database(values, keep)
    if database:
        sources.append(database)
    for volume in words(values.get("volumes", "")):
        sources.append({"name": source_name(volume), "kind": "volume", "volume": volume})
    if values.get("paths"):
        config: dict[str, Any] = {"name": "config", "kind": "config"}
        config["paths"] = words(values["paths"])
        if values.get("exclude"):
            config["exclude"] = words(values["exclude"])
        sources.append(config)
    return sources


def _database(values: Mapping[str, str], keep: Callable[[str, str], Any]) -> dict[str, Any] | None:
    ways = {"container": "mysql_container", "socket": "mysql_socket", "host": "mysql_host"}
    way = next((way for way, name in ways.items() if values.get(name)), None)
    if way is None:
        return None
    database: dict[str, Any] = {"name": "database", "kind": "database", way: values[ways[way]]}
    if way == "host" and values.get("mysql_port", "").isdigit():
        database["port"] = int(values["mysql_port"])
    if values.get("mysql_user"):
        database["user"] = values["mysql_user"]
    if values.get("mysql_password"):
        database["password"] = keep("database-password", values["mysql_password"])
    if values.get("mysql_databases", "all").lower() not in ("all", "*", "--all-databases"):
        database["schemas"] = words(values["mysql_databases"])
    return database


def source_name(text: str) -> str:
    """A source's name made of another name: lower case, what names allow, at most 63."""
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return name[:63] or "source"
