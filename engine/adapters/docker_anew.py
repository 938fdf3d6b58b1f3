"""From an inspect to what makes the same object again. Pure.

The fields are those of the Docker Engine API 1.41 (POST /containers/create, /networks/create).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_CONFIG = (
    *("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty"),
    *("OpenStdin", "StdinOnce", "Env", "Cmd", "Entrypoint", "Image", "Labels", "Healthcheck"),
    *("ExposedPorts", "Volumes", "WorkingDir", "StopSignal", "StopTimeout", "Shell"),
)
_ENDPOINT = ("Links", "DriverOpts")


def container(
    found: Mapping[str, Any], binds: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What to send to create this container again, and the further networks to connect it to:
    name -> arguments of `connect_container_to_network`.

    binds adds mounts that the definition has as anonymous volumes."""
    config = found.get("Config") or {}
    wanted: dict[str, Any] = {key: config[key] for key in _CONFIG if config.get(key) is not None}
    own_id = str(found.get("Id", ""))
    if wanted.get("Hostname") == own_id[:12]:
        del wanted["Hostname"]  # the engine's own choice, not the operator's
    host = {k: v for k, v in (found.get("HostConfig") or {}).items() if v is not None}
    if binds:
        host["Binds"] = [*(host.get("Binds") or ()), *binds]
    wanted["HostConfig"] = host
    mode = str(host.get("NetworkMode", "default"))
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    if mode in ("host", "none") or mode.startswith("container:"):
        return wanted, {}
    if mode not in networks and mode in ("default", ""):
        mode = "bridge"
    others = {}
    for name, endpoint in networks.items():
        kept = _endpoint(endpoint, own_id)
        if name == mode:
            wanted["NetworkingConfig"] = {"EndpointsConfig": {name: kept}}
        else:
            others[name] = _arguments(kept)
    return wanted, others


def _endpoint(found: Mapping[str, Any], own_id: str) -> dict[str, Any]:
    """What the operator chose for this endpoint; addresses that the engine gave are not kept."""
    kept: dict[str, Any] = {key: found[key] for key in _ENDPOINT if found.get(key)}
    aliases = [name for name in found.get("Aliases") or () if name != own_id[:12]]
    if aliases:
        kept["Aliases"] = aliases
    addresses = {
        key: value
        for key, value in (found.get("IPAMConfig") or {}).items()
        if key in ("IPv4Address", "IPv6Address", "LinkLocalIPs") and value
    }
    if addresses:
        kept["IPAMConfig"] = addresses
    return kept


def _arguments(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    addresses = endpoint.get("IPAMConfig") or {}
    arguments = {
        "aliases": endpoint.get("Aliases"),
        "links": endpoint.get("Links"),
        "ipv4_address": addresses.get("IPv4Address"),
        "ipv6_address": addresses.get("IPv6Address"),
    }
    return {name: value for name, value in arguments.items() if value}


def network(found: Mapping[str, Any], *, same_subnet: bool) -> dict[str, Any]:
    """Arguments of `create_network` for the same network again."""
    ipam = found.get("IPAM") or {}
    wanted: dict[str, Any] = {
        "name": found["Name"],
        "driver": found.get("Driver") or "bridge",
        "options": found.get("Options") or {},
        "labels": found.get("Labels") or {},
        "internal": bool(found.get("Internal")),
        "enable_ipv6": bool(found.get("EnableIPv6")),
        "attachable": bool(found.get("Attachable")),
        "check_duplicate": True,
    }
    if same_subnet:
        wanted["ipam"] = {
            "Driver": ipam.get("Driver") or "default",
            "Config": ipam.get("Config") or [],
            "Options": ipam.get("Options") or {},
        }
    return wanted
