"""What Linux and its programs print about a machine, read into values. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from engine.core.host_facts import Certificate, Listening

_NO_DISK = frozenset(
    """proc sysfs tmpfs devtmpfs devpts cgroup cgroup2 mqueue overlay nsfs tracefs debugfs
    securityfs pstore bpf configfs fusectl hugetlbfs autofs binfmt_misc rpc_pipefs squashfs ramfs
    efivarfs""".split()  # noqa: SIM905 - a table of words
)
_LISTEN = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_UDP_OPEN = "07"


def addresses(text: str) -> dict[str, tuple[str, ...]]:
    """Interface -> addresses with prefix length, from `ip -json address`; loopback left out."""
    found: dict[str, tuple[str, ...]] = {}
    for interface in json.loads(text):
        if interface.get("ifname") == "lo":
            continue
        listed = [
            f"{item.get('local')}/{item.get('prefixlen')}"
            for item in interface.get("addr_info") or ()
            if item.get("scope") == "global"
        ]
        if listed:
            found[str(interface.get("ifname"))] = tuple(listed)
    return found


def real_mounts(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """(device, path, type) of lines of /proc/self/mounts that are file systems on a disk or on
    the network; each device once, where it was mounted first."""
    seen: set[str] = set()
    for line in lines:
        words = line.split()
        if len(words) < 3 or words[2] in _NO_DISK or words[0] in seen:
            continue
        seen.add(words[0])
        yield words[0], words[1].encode().decode("unicode_escape"), words[2]


def listening(protocol: str, lines: Iterable[str]) -> list[Listening]:
    """Sockets that take connections or packets, from /proc/net/{tcp,tcp6,udp,udp6}."""
    wanted = _LISTEN if protocol.startswith("tcp") else _UDP_OPEN
    found = []
    for line in list(lines)[1:]:
        words = line.split()
        if len(words) < 4 or words[3] != wanted:
            continue
        address, _, port = words[1].partition(":")
        found.append(Listening(protocol, _address(address), int(port, 16)))
    return found


def _address(text: str) -> str:
    """The kernel prints addresses as 32-bit words in the byte order of this (little-endian) CPU."""
    raw = bytes.fromhex(text)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))


def certificate(file: str, text: str) -> Certificate:
    """From `openssl x509 -noout -subject -enddate -ext subjectAltName`."""
    subject, expires, names = "", None, []
    for line in text.splitlines():
        if line.startswith("subject="):
            subject = line.removeprefix("subject=").strip()
        elif line.startswith("notAfter="):
            expires = _ends(line.removeprefix("notAfter="))
        else:
            names += [
                part.strip().removeprefix("DNS:")
                for part in line.split(",")
                if part.strip().startswith("DNS:")
            ]
    return Certificate(file, subject, tuple(names), expires)


def _ends(text: str) -> datetime | None:
    """`Nov 22 02:00:00 2026 GMT`."""
    try:
        parsed = datetime.strptime(" ".join(text.split()), "%b %d %H:%M:%S %Y GMT")
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC)
