"""Who and where we are, as journals and leases say it."""

from __future__ import annotations

import os
import pwd


def host_name() -> str:
    return os.uname().nodename


def user_name() -> str:
    """The account this runs as; with sudo, the one who called it too: `root (for anna)`."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    caller = os.environ.get("SUDO_USER", "")
    if uid == 0 and caller and caller != name and caller.isprintable():
        return f"{name} (for {caller[:64]})"
    return name
