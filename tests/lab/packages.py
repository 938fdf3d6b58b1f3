"""What the host must have installed, and how it gets it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab.command import run
from tests.lab.errors import MissingParts

DOCKER = {
    "docker.io": "dockerd",
    "iptables": "iptables",
    "iproute2": "ip",
    "debootstrap": "debootstrap",
}
MONITORING = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-pushgateway": "prometheus-pushgateway",
}
TOOLS = {
    "gnupg": "gpg",
    "zstd": "zstd",
    "tar": "tar",
    "tmux": "tmux",
    "rsync": "rsync",
    "acl": "setfacl",
    "attr": "setfattr",
    "mariadb-client": "mariadb",
    "ca-certificates": "update-ca-certificates",
}
EVERYTHING = {**DOCKER, **MONITORING, **TOOLS}

# Debian keeps administrators' programs here, and a plain user's PATH does not.
ADMIN_PATH = "/usr/sbin:/sbin:/usr/local/sbin"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
POLICY = Path("/usr/sbin/policy-rc.d")


def program(name: str) -> str:
    """The path of an installed program; ``MissingParts`` says which package brings it."""
    # The packages' own programs first: a machine may carry another docker client in /usr/local.
    found = shutil.which(name, path=f"/usr/bin:/usr/sbin:{os.environ.get('PATH', '')}:{ADMIN_PATH}")
    if found:
        return found
    package = next((key for key, value in EVERYTHING.items() if value == name), name)
    raise MissingParts(
        f"{name} is not installed: run 'apt-get install {package}', "
        "or 'python -m tests.lab prepare' as root for all the lab needs"
    )


def missing(wanted: dict[str, str] | None = None) -> list[str]:
    """The packages of ``wanted`` (default: all the lab's) whose program is absent."""
    absent = []
    for package, name in (EVERYTHING if wanted is None else wanted).items():
        try:
            program(name)
        except MissingParts:
            absent.append(package)
    if wanted is None and not KEYRING.exists():
        absent.append("debian-archive-keyring")
    return absent


def install_missing() -> list[str]:
    """Install what is missing and return its names; needs root and apt-get.

    No service is started: the lab runs its own servers.
    """
    absent = missing()
    if not absent:
        return []
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingParts(f"as root, run: apt-get install {' '.join(absent)}")
    with _no_services():
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", *absent)
    still = missing()
    if still:
        raise MissingParts(f"apt-get installed them, but their programs are absent: {still}")
    return absent


def _apt_get(*arguments: str) -> None:
    run(
        ["apt-get", *arguments],
        environment={"DEBIAN_FRONTEND": "noninteractive"},
        seconds=900,
    )


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep package scripts from starting services, by Debian's own switch; restored after."""
    if POLICY.exists():
        # Somebody decided already (container images ship one that says no): not ours to change.
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def require(wanted: dict[str, str]) -> None:
    """``MissingParts`` with the command to run, unless all of ``wanted`` is there."""
    absent = missing(wanted)
    if absent:
        raise MissingParts(_how(absent))


def _how(absent: Sequence[str]) -> str:
    return f"the lab needs {', '.join(absent)}: run 'apt-get install {' '.join(absent)}' as root"
