"""Physical snapshots: copies of a server's own files. What each kind is made with, and how it is
turned into a data directory that a server can start on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

XBSTREAM = "base.xbstream.zst.gpg"
TAR = "base.tar.zst.gpg"
ARTIFACTS = (XBSTREAM, TAR)
_NUMBERS = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Way:
    """How a physical snapshot becomes a data directory. `{}` stands for that directory.

    extract  reads the plain stream; empty for a tar, which any tar unpacks
    prepare  applies what was written while the copy ran; empty where the server does that itself
    done     what `prepare` prints last when all went well
    server   the server's program
    looking  options of a server that is started to look at the files
    """

    tool: str
    extract: tuple[str, ...]
    prepare: tuple[str, ...]
    done: str
    server: str
    looking: tuple[str, ...] = ()

    def extract_into(self, directory: str) -> list[str]:
        return [word.replace("{}", directory) for word in self.extract]

    def prepare_in(self, directory: str) -> list[str]:
        return [word.replace("{}", directory) for word in self.prepare]


MARIADB_BACKUP = Way(
    "mariadb-backup",
    ("mbstream", "-x", "-C", "{}"),
    ("mariadb-backup", "--prepare", "--target-dir={}"),
    "completed OK!",
    "mariadbd",
)
XTRABACKUP = Way(
    "xtrabackup",
    ("xbstream", "-x", "-C", "{}"),
    ("xtrabackup", "--prepare", "--target-dir={}"),
    "completed OK!",
    "mysqld",
)
# With the plugin loaded the server tells the donor's binlog position.
CLONE = Way("clone", (), (), "", "mysqld", ("--plugin-load-add=mysql_clone.so",))


def way_of(flavor: str, artifacts: Sequence[str]) -> Way | None:
    """How a snapshot of this server with these artifacts is unpacked; None when it is not one of
    ours."""
    if XBSTREAM in artifacts:
        return MARIADB_BACKUP if flavor == "mariadb" else XTRABACKUP
    return CLONE if TAR in artifacts else None


def series(version: str) -> tuple[int, int] | None:
    """The release series of a server: `10.11.6-MariaDB` is 10.11, `8.4.3` is 8.4. Files of one
    series are read by servers of that series."""
    found = _NUMBERS.search(version)
    return (int(found[1]), int(found[2])) if found else None


def mismatch(snapshot_version: str, server_version: str) -> str:
    """Why files of the one cannot be served by the other; empty when they can, or when a version
    is not known."""
    wanted, found = series(snapshot_version), series(server_version)
    if wanted is None or found is None or wanted == found:
        return ""
    return (
        f"the snapshot holds files of version {wanted[0]}.{wanted[1]}, the server is "
        f"{found[0]}.{found[1]}: another version does not read them"
    )
