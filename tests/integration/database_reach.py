"""The database adapter on the lab's containers, and a dump piped into a load."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.adapters.database import Server, connect
from engine.adapters.database.dumping import ServerDump
from engine.adapters.pipeline import Pipeline, Tap
from engine.core.commands import Command
from engine.core.snapshot import DatabaseFacts
from tests.lab import DatabaseContainer, Lab
from tests.lab.databases import Kind

LARGE_PACKETS = "--max-allowed-packet=256M"


def inside(container: DatabaseContainer) -> Callable[[Sequence[str], str, str], Command]:
    """How programs are started in that container."""

    def run_in(argv: Sequence[str], label: str, marker: str) -> Command:
        mark = ("-e", f"MENTAT_DR_MARK={marker}") if marker else ()
        docker = ("docker", "-H", container.docker.host, "exec", "-i", *mark, container.name)
        return Command((*docker, *argv), label=label, where=container.name)

    return run_in


def reach(
    container: DatabaseContainer,
    user: str = "root",
    password: str | None = None,
    schemas: Sequence[str] = (),
) -> Server:
    """The container's server; as root unless told otherwise."""
    return connect(
        user=user,
        password=container.root_password if password is None else password,
        run_in=inside(container),
        schemas=schemas,
        name=container.name,
    )


@dataclass(frozen=True)
class Moved:
    """What came of a dump piped into a load."""

    facts: DatabaseFacts
    users: bytes
    warnings: tuple[str, ...]
    tail: bytes


def dump_into(
    source: Server,
    target: Server,
    schemas: Sequence[str] | None = None,
    while_dumping: Callable[[ServerDump], None] = lambda _: None,
) -> Moved:
    """Dump from one and load into the other, as the operations do; users are not loaded."""
    tap = Tap()
    load = target.load_command()
    with source.dump(schemas) as dump:
        with Pipeline([dump.command, tap, load]) as pipe:
            dump.begun(60)
            while_dumping(dump)
            facts = dump.facts()
            ended = pipe.wait()
        assert [(e.command.name, e.exit_status, e.stderr) for e in ended if not e.ok] == []
        assert dump.completion_marker() in tap.tail
        return Moved(facts, dump.users_sql, tuple(dump.check()), tap.tail)


def new_account(container: DatabaseContainer, grants: str, password: str = "") -> tuple[str, str]:
    """Create an account with those privileges on *.*; (user, password)."""
    user = f"u{secrets.token_hex(4)}"
    password = password or secrets.token_hex(12)
    quoted = password.replace("\\", "\\\\").replace("'", "''")
    container.sql(f"CREATE USER {user}@'%' IDENTIFIED BY '{quoted}'")
    container.sql(f"GRANT {grants} ON *.* TO {user}@'%'")
    return user, password


@contextlib.contextmanager
def fresh(lab: Lab, kind: str, *arguments: str) -> Iterator[DatabaseContainer]:
    """A server of our own, waited for by the adapter itself."""
    flavor: Kind = "mysql" if kind == "mysql" else "mariadb"
    with lab.run_database(flavor, arguments=arguments, wait=False) as container:
        reach(container).wait_ready(120)
        yield container
