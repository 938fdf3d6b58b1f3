"""MySQL and MariaDB behind `engine.ports.Database`, reached through their own client programs.

connect             what wiring calls
server, dumping     the port's Database and Dump
session             a conversation with the server
dialect             what differs; mysql, mariadb
programs            commands and how credentials get to them
layout, checksums   what is there; accounts: users and grants
failures            client programs' complaints as DatabaseError
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.adapters.database.programs import Launcher, Login, RunIn
from engine.adapters.database.server import Server

__all__ = ["RunIn", "Server", "connect"]


def connect(
    *,
    user: str,
    password: str | None,
    run_in: RunIn | None = None,
    host: str = "",
    port: int = 3306,
    socket: str = "",
    schemas: Sequence[str] = (),
    checksums: bool = True,
    marker: str = "",
    name: str = "the database",
) -> Server:
    """A server, not yet spoken to.

    run_in starts a program in the server's container: (argv, label, marker) -> Command; None
    means this host, where `host` and `port`, or `socket`, say which server. `marker` goes to
    run_in with every program, so that whoever ends a job finds what runs inside. schemas: what
    `dump` and `size` are about when they are given none; empty for all but the system's.
    """
    launcher = Launcher(run_in, Login(user, password, host, port, socket), marker)
    return Server(launcher, schemas=schemas, checksums=checksums, name=name)
