"""Who acts, through sudo and su, and from where, through SSH: as far as the system tells it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from engine.core.incident_events import Who

PERSON_VARIABLE = "MENTAT_DR_PERSON"  # for accounts that several people share
_UNSET = 4294967295  # the kernel's word for "no login"
_ANCESTORS = 24


def whoami(environ: Mapping[str, str] | None = None, proc: Path = Path("/proc")) -> Who:
    """The person behind this process.

    The account that logged in comes from, in this order: $MENTAT_DR_PERSON, sudo, the kernel's
    login id, the account itself. The address comes from SSH_CONNECTION, which sudo removes: then
    from the processes above, where they may be read."""
    env = os.environ if environ is None else environ
    account = _account(os.geteuid())
    person = _clean(env.get(PERSON_VARIABLE, "")) or _clean(env.get("SUDO_USER", ""))
    person = person or _login(proc) or account
    connection = env.get("SSH_CONNECTION", "") or _inherited("SSH_CONNECTION", proc)
    origin = _clean(connection.split(" ")[0]) or _terminal() or _caller(env)
    session = _clean(connection) or f"{os.getsid(0)}@{origin}"
    return Who(person, account, origin, os.uname().nodename, session)


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _clean(text: str) -> str:
    """From the environment: printable, and not long."""
    return text[:96] if text.isprintable() else ""


def _login(proc: Path) -> str:
    try:
        uid = int((proc / "self" / "loginuid").read_text())
    except (OSError, ValueError):
        return ""
    return "" if uid == _UNSET else _account(uid)


def _inherited(name: str, proc: Path) -> str:
    """The variable in the environment of the nearest ancestor that has it."""
    pid = os.getppid()
    wanted = name.encode() + b"="
    for _ in range(_ANCESTORS):
        if pid <= 1:
            break
        try:
            for item in (proc / str(pid) / "environ").read_bytes().split(b"\0"):
                if item.startswith(wanted):
                    return item[len(wanted) :].decode("utf-8", "replace")
            stat = (proc / str(pid) / "stat").read_text()
            pid = int(stat.rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return ""


def _terminal() -> str:
    for fd in (0, 2, 1):
        try:
            return os.ttyname(fd).removeprefix("/dev/")
        except OSError:
            continue
    return ""


def _caller(env: Mapping[str, str]) -> str:
    return "systemd" if env.get("INVOCATION_ID") else "cron or a script"
