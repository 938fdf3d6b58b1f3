"""Ending marked processes inside containers: a killed `docker exec` leaves its program running."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.errors import ContainersError

if TYPE_CHECKING:
    from docker import APIClient

VARIABLE = "MENTAT_DR_MARKER"
_GRACE = 3.0  # seconds between SIGTERM and SIGKILL
_MARKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*\Z")
_CONTAINER_GROUP = re.compile(rb"[0-9a-f]{64}")
_PROC = Path("/proc")
_FIND = (
    'for e in /proc/[0-9]*/environ; do if tr "\\0" "\\n" <"$e" 2>/dev/null | '
    f'grep -qxF "{VARIABLE}=$1"; then p=${{e%/environ}}; kill -"$2" "${{p#/proc/}}" '
    "2>/dev/null && echo x; fi; done"
)


def checked(marker: str) -> str:
    """ValueError for a marker that could mean anything else in an environment or a shell."""
    if not _MARKER.match(marker):
        raise ValueError(f"{marker!r} is no marker")
    return marker


def kill_visible(marker: str) -> int:
    """End the marked processes that /proc shows to be inside a container of this machine; how
    many there were. They are held by descriptor, so a number that comes again hits nobody."""
    found: list[int] = []
    try:
        for entry in _PROC.iterdir():
            if entry.name.isdigit() and (fd := _open_marked(int(entry.name), marker)) >= 0:
                found.append(fd)
        for fd in found:
            _signal(fd, signal.SIGTERM)
        until = time.monotonic() + _GRACE
        for fd in found:
            if not _ended(fd, until - time.monotonic()):
                _signal(fd, signal.SIGKILL)
        for fd in found:
            _ended(fd, 1.0)  # one in a frozen container dies when that thaws
    finally:
        for fd in found:
            os.close(fd)
    return len(found)


def _open_marked(pid: int, marker: str) -> int:
    """A descriptor of the process if it carries the marker inside a container, else -1."""
    if not _marked(pid, marker):
        return -1
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return -1
    if _marked(pid, marker) and _contained(pid):  # again: the number may have changed hands
        return fd
    os.close(fd)
    return -1


def _marked(pid: int, marker: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{VARIABLE}={marker}".encode() in environment.split(b"\0")


def _contained(pid: int) -> bool:
    """In another process namespace than ours, or, for `--pid=host`, in a container's group."""
    try:
        if (_PROC / str(pid) / "ns/pid").readlink() != (_PROC / "self/ns/pid").readlink():
            return True
        theirs, ours = ((_PROC / who / "cgroup").read_bytes() for who in (str(pid), "self"))
    except OSError:
        return False
    return set(_CONTAINER_GROUP.findall(theirs)) - set(_CONTAINER_GROUP.findall(ours)) != set()


def _signal(fd: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, number)


def _ended(fd: int, seconds: float) -> bool:
    return bool(select.select([fd], [], [], max(0.0, seconds))[0])


def sees_containers(client: APIClient) -> bool:
    """Whether this machine's /proc shows the engine's containers: not in a container ourselves,
    and the engine not in a virtual machine. True when none runs."""
    for entry in client.containers():
        pid = (_inspect(client, entry["Id"]).get("State") or {}).get("Pid", 0)
        if pid:
            return _contained(pid)
    return True


def _inspect(client: APIClient, container: str) -> Mapping[str, Any]:
    """Empty for one removed since it was listed."""
    import docker.errors

    try:
        found: Mapping[str, Any] = client.inspect_container(container)
    except docker.errors.NotFound:
        return {}
    return found


def kill_inside(client: APIClient, marker: str) -> int:
    """The same through the engine, for containers of another machine: in each where an exec runs,
    a shell looks for the marker. A container without a shell is left alone."""
    killed = 0
    for entry in client.containers():
        if _inspect(client, entry["Id"]).get("ExecIDs"):
            there = _run_inside(client, entry["Id"], marker, "TERM")
            killed += there
            if there:
                time.sleep(_GRACE)
                _run_inside(client, entry["Id"], marker, "KILL")
    return killed


def _run_inside(client: APIClient, container: str, marker: str, number: str) -> int:
    import docker.errors

    argv = ["sh", "-c", _FIND, "sh", marker, number]
    try:
        made = client.exec_create(container, argv, user="0")
        printed = client.exec_start(made["Id"])
    except docker.errors.NotFound:
        return 0
    except docker.errors.APIError as error:
        if error.status_code == 409:  # paused or ended meanwhile
            return 0
        raise ContainersError(
            f"marked programs in {container[:12]} could not be looked for: {error.explanation}",
            "See `docker top` for what still runs there.",
        ) from error
    return printed.split().count(b"x")
