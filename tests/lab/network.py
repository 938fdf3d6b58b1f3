"""The lab's own bridge, so that its engine shares no interface with another Docker."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from pathlib import Path

from tests.lab.command import run
from tests.lab.errors import CommandFailed, LabError
from tests.lab.packages import program

CANDIDATES = [ipaddress.IPv4Network(f"10.{second}.0.0/16") for second in range(213, 250)]


def bridge_name(runtime: Path) -> str:
    """The bridge of the engine that lives at ``runtime``; at most 15 characters, as Linux asks."""
    return "mdr" + hashlib.sha256(str(runtime).encode()).hexdigest()[:8]


def make_bridge(name: str) -> ipaddress.IPv4Network:
    """Make the bridge, or find it as a former run left it; returns the /16 set aside for us.

    The bridge has the first /24 of it; the rest is for networks that tests make.
    """
    taken = _addresses()
    if name in taken:
        delete_bridge(name)
        taken = _addresses()
    used = [network for networks in taken.values() for network in networks]
    used += _routes()
    for block in CANDIDATES:
        if not any(block.overlaps(network) for network in used):
            break
    else:
        raise LabError("no free private network from 10.213.0.0/16 to 10.249.0.0/16")
    ip = program("ip")
    run([ip, "link", "add", name, "type", "bridge"])
    run([ip, "address", "add", f"{block.network_address + 1}/24", "dev", name])
    run([ip, "link", "set", name, "up"])
    return block


def delete_bridge(name: str) -> None:
    """Remove the bridge if it is there."""
    if Path(f"/sys/class/net/{name}/bridge").exists():
        run([program("ip"), "link", "delete", name])


def forget_networks(docker_data: Path) -> None:
    """Remove the networks that a killed engine left, and its memory of them.

    An engine that remembers its default network gives the bridge that old address again, though
    somebody else may use it by now.
    """
    memory = docker_data / "network/files/local-kv.db"
    if not memory.exists():
        return
    for found in set(re.findall(rb"/network/([0-9a-f]{64})/", memory.read_bytes())):
        delete_bridge(f"br-{found.decode()[:12]}")
    memory.unlink()


def _addresses() -> dict[str, list[ipaddress.IPv4Network]]:
    """The networks of each interface by its name, one without an address included."""
    links = json.loads(run([program("ip"), "-json", "-4", "address", "show"]) or "[]")
    found: dict[str, list[ipaddress.IPv4Network]] = {
        path.name: [] for path in Path("/sys/class/net").iterdir()
    }
    for link in links:
        for address in link.get("addr_info", []):
            text = f"{address['local']}/{address['prefixlen']}"
            interface = ipaddress.ip_interface(text)
            if isinstance(interface, ipaddress.IPv4Interface):
                found.setdefault(link["ifname"], []).append(interface.network)
    return found


def _routes() -> list[ipaddress.IPv4Network]:
    try:
        routes = json.loads(run([program("ip"), "-json", "-4", "route", "show"]) or "[]")
    except CommandFailed:
        return []
    targets = [route["dst"] for route in routes if route["dst"] != "default"]
    return [ipaddress.IPv4Network(target, strict=False) for target in targets]
