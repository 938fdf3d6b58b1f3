"""From Docker's JSON to our values, and from a model container to a new one's definition."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from engine.ports import Container, Liveness, Mount, Volume

LABEL = "mentat-dr"
_KEPT_OPTIONS = (
    *("CapAdd", "CapDrop", "SecurityOpt", "Ulimits", "Sysctls", "ShmSize", "ReadonlyRootfs"),
    *("Init", "GroupAdd", "UsernsMode", "Memory", "MemorySwap", "Runtime"),
)
_KEPT_CONFIG = ("User", "WorkingDir", "StopSignal", "StopTimeout")


def container(found: Mapping[str, Any]) -> Container:
    """A container from its inspect."""
    config = found.get("Config") or {}
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    return Container(
        id=found["Id"],
        name=found.get("Name", "").lstrip("/"),
        image=config.get("Image", ""),
        image_id=found.get("Image", ""),
        state=liveness(found.get("State") or {}),
        mounts=tuple(_mount(mount) for mount in found.get("Mounts") or ()),
        labels=config.get("Labels") or {},
        networks={name: network.get("IPAddress", "") for name, network in networks.items()},
        definition=found,
    )


def liveness(state: Mapping[str, Any]) -> Liveness:
    status = state.get("Status", "")
    return status if status in get_args(Liveness) else "dead"  # "removing" is as good as dead


def _mount(found: Mapping[str, Any]) -> Mount:
    volume = found.get("Name", "") if found.get("Type") == "volume" else ""
    return Mount(
        volume=volume,
        source=found.get("Source", ""),
        destination=found.get("Destination", ""),
        read_only=not found.get("RW", True),
    )


def volume(found: Mapping[str, Any]) -> Volume:
    """A volume that stands for a folder elsewhere (type none, o bind) is that folder: its own
    mount point is empty while no container runs with it."""
    options = found.get("Options") or {}
    bound = "bind" in str(options.get("o", "")) and str(options.get("device", "")).startswith("/")
    return Volume(
        name=found["Name"],
        mountpoint=Path(options["device"] if bound else found.get("Mountpoint", "")),
        driver=found.get("Driver", ""),
        labels=found.get("Labels") or {},
    )


def unmounted(found: Mapping[str, Any]) -> str:
    """What a volume mounts (`nfs`, ...) while it is not mounted, as between its containers' runs;
    empty for a volume whose content is to be seen."""
    options = found.get("Options") or {}
    kind = str(options.get("type", ""))
    if (
        found.get("Driver") != "local"
        or not options.get("device")
        or "bind" in options.get("o", "")
    ):
        return ""
    return "" if os.path.ismount(found.get("Mountpoint", "")) else kind or "device"


def definition(
    model: Mapping[str, Any],
    model_image: Mapping[str, Any],
    *,
    image: str,
    mounts: Mapping[str, str],
    labels: Mapping[str, str],
    environment: Mapping[str, str] | None,
    network: str | None,
    command: Sequence[str] | None,
    memory_bytes: int | None,
) -> dict[str, Any]:
    """What to send to create a container like `model` (its inspect; empty for none).

    model_image is the inspect of the model's own image: what the model merely had from it is left
    to the new image to say. Taken over: what the operator set of environment, command, entrypoint,
    user, directory, limits, capabilities, security options, tmpfs and read-only bind mounts. Not:
    ports, restart policy, health check, networks, other mounts, labels, privileges, devices.
    """
    config, default = model.get("Config") or {}, model_image.get("Config") or {}
    wanted: dict[str, Any] = {
        "Image": image,
        "Env": _environment(config, default, environment or {}),
        "Labels": {**labels, LABEL: labels.get(LABEL, "")},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(model, mounts, network, memory_bytes),
    }
    for key in (*_KEPT_CONFIG, "Entrypoint"):
        if config.get(key) and config.get(key) != default.get(key):
            wanted[key] = config[key]
    if command is not None:
        wanted["Cmd"] = list(command)
    elif config.get("Cmd") and (config.get("Cmd") != default.get("Cmd") or "Entrypoint" in wanted):
        wanted["Cmd"] = config["Cmd"]  # a changed entrypoint makes Docker drop the image's command
    return wanted


def _environment(
    config: Mapping[str, Any], default: Mapping[str, Any], own: Mapping[str, str]
) -> list[str]:
    inherited = set(default.get("Env") or ())
    kept = [item for item in config.get("Env") or () if item not in inherited]
    kept = [item for item in kept if item.split("=", 1)[0] not in own]
    return kept + [f"{name}={value}" for name, value in own.items()]


def _host_config(
    model: Mapping[str, Any],
    mounts: Mapping[str, str],
    network: str | None,
    memory_bytes: int | None,
) -> dict[str, Any]:
    host = model.get("HostConfig") or {}
    wanted: dict[str, Any] = {key: host[key] for key in _KEPT_OPTIONS if host.get(key)}
    if memory_bytes is not None:
        wanted["Memory"] = wanted["MemorySwap"] = memory_bytes
    taken = set(mounts.values())
    wanted["RestartPolicy"] = {"Name": "no"}
    if network is not None:
        wanted["NetworkMode"] = network
    wanted["Mounts"] = [
        {"Type": "volume", "Source": name, "Target": path} for name, path in mounts.items()
    ]
    for mount in model.get("Mounts") or ():
        path = mount.get("Destination", "")
        if _shareable(mount) and path not in taken:
            wanted["Mounts"].append(
                {"Type": "bind", "Source": mount["Source"], "Target": path, "ReadOnly": True}
            )
    tmpfs = {path: how for path, how in (host.get("Tmpfs") or {}).items() if path not in taken}
    if tmpfs:
        wanted["Tmpfs"] = tmpfs
    for mount in host.get("Mounts") or ():
        if mount.get("Type") == "tmpfs" and mount.get("Target") not in taken:
            wanted["Mounts"].append(dict(mount))
    return wanted


def _shareable(mount: Mapping[str, Any]) -> bool:
    """Read-only configuration files and folders; never data, never a socket."""
    source = str(mount.get("Source", ""))
    if mount.get("Type") != "bind" or mount.get("RW", True) or source.endswith(".sock"):
        return False
    if str(mount.get("Destination", "")).startswith("/docker-entrypoint-initdb.d"):
        return False  # first-start scripts would add to what is restored
    return not Path(source).is_socket()
