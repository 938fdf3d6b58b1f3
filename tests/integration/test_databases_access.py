"""Ways to a server: credentials that nobody else sees, odd passwords, what goes wrong."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.adapters.database import connect
from engine.adapters.pipeline import Pipeline
from engine.core.errors import DatabaseError
from tests.integration.database_reach import dump_into, fresh, inside, new_account, reach
from tests.lab import DatabaseContainer, Lab, images

pytestmark = [pytest.mark.lab]

PASSWORDS = [
    "plain",
    "",
    'it\'s "quoted" `so`',
    "back\\slash\\\\n \\",
    "# not a comment # ",
    "  spaces around  ",
    "$HOME $(id) `id` ${x}",
    "ünïcödé 😀 パス",
    "semi;colon=equal,comma[client]",
    "-e",
    "%s %n {fd:login}",
    "x" * 200,
]


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def server(request: pytest.FixtureRequest, lab: Lab) -> Iterator[DatabaseContainer]:
    with fresh(lab, request.param) as container:
        container.sql(
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, "
            "filler VARCHAR(1000)); INSERT INTO shop.t (filler) VALUES (REPEAT('x', 1000));"
            + "INSERT INTO shop.t (filler) SELECT filler FROM shop.t;"
            * 14
        )
        yield container


@pytest.fixture(scope="module")
def host_clients(
    server: DatabaseContainer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The container's client programs as programs of this host: its files, our network and fds."""
    folder = tmp_path_factory.mktemp("bin")
    pid = server.docker("inspect", "-f", "{{.State.Pid}}", server.name).strip()
    for name in (server.kind, "mysqldump", "mariadb-dump"):
        if name == "mariadb-dump" and server.kind == "mysql":
            continue
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec nsenter -t {pid} -m -p -- /usr/bin/{name} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    yield
    os.environ["PATH"] = before


def test_any_password_logs_in(server: DatabaseContainer) -> None:
    for password in PASSWORDS:
        user, _ = new_account(server, "SELECT", password or "to be emptied")
        if not password:
            server.sql(f"ALTER USER {user}@'%' IDENTIFIED BY ''")
        facts = reach(server, user, password).identify()
        assert facts.flavor == server.kind


def test_any_password_logs_in_from_the_host(server: DatabaseContainer, host_clients: None) -> None:
    for password in PASSWORDS:
        user, _ = new_account(server, "SELECT", password or "to be emptied")
        if not password:
            server.sql(f"ALTER USER {user}@'%' IDENTIFIED BY ''")
        there = connect(user=user, password=password, host=server.host_ip, port=server.port)
        assert there.identify().flavor == server.kind


def test_dump_and_load_from_the_host(
    server: DatabaseContainer, host_clients: None, lab: Lab
) -> None:
    from_host = connect(
        user="root", password=server.root_password, host=server.host_ip, port=server.port
    )
    with fresh(lab, server.kind) as target:
        to_host = connect(
            user="root", password=target.root_password, host=target.host_ip, port=target.port
        )
        moved = dump_into(from_host, to_host)
        assert [t.rows for t in moved.facts.tables] == [1 << 14]
        assert list(to_host.tables(moved.facts)) == list(moved.facts.tables)
        assert moved.facts.position


def _readable_by_others() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                yield (process / name).read_bytes()


@pytest.mark.parametrize("where", ["container", "host"])
def test_credentials_stand_in_no_argv_and_no_environment(
    server: DatabaseContainer, where: str, host_clients: None
) -> None:
    user, password = new_account(server, "ALL PRIVILEGES", "Tr0ub4dor-&-3-" + os.urandom(6).hex())
    traces = [password.encode(), base64.b64encode(password.encode()).rstrip(b"="), user.encode()]
    there = (
        reach(server, user, password)
        if where == "container"
        else connect(user=user, password=password, host=server.host_ip, port=server.port)
    )
    with there.dump() as dump, Pipeline([dump.command], collect=True) as pipe:
        assert password not in repr(dump) + repr(dump.command) + " ".join(dump.command.argv)
        dump.begun(60)
        seen = list(_readable_by_others())
        # The dump is there and waits for us to read it.
        assert any(b"--single-transaction" in text for text in seen)
        assert [text for text in seen for trace in traces if trace in text] == []
        dump.facts()
        while os.read(pipe.output, 1 << 20):
            pass
        assert [e.ok for e in pipe.wait()] == [True]
    load = there.load_command()
    assert password not in repr(load) + " ".join(load.argv)


def test_a_wrong_password(server: DatabaseContainer) -> None:
    with pytest.raises(DatabaseError, match="Access denied") as caught:
        reach(server, password="not this one").identify()
    assert "not this one" not in str(caught.value) + caught.value.remedy
    assert "password" in caught.value.remedy
    with (
        pytest.raises(DatabaseError, match="Access denied"),
        reach(server, password="not this one").dump(),
    ):
        pass


def test_a_server_that_is_down(server: DatabaseContainer, lab: Lab, host_clients: None) -> None:
    with fresh(lab, server.kind) as gone:
        there = reach(gone)
        assert there.identify().flavor == server.kind
        gone.docker("stop", "--time=60", gone.name)
        with pytest.raises(DatabaseError, match="is not running") as caught:
            there.identify()
        assert "docker ps" in caught.value.remedy
        # Not the container's own address: it is free now, for the next container to take.
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # ours, and nobody listens
            by_tcp = connect(
                user="root",
                password=gone.root_password,
                host="127.0.0.1",
                port=closed.getsockname()[1],
            )
            with pytest.raises(DatabaseError, match=r"[Cc]an't connect") as caught:
                by_tcp.identify()
            assert "server runs" in caught.value.remedy
        with pytest.raises(DatabaseError):
            there.wait_ready(1)
    with pytest.raises(DatabaseError):
        there.identify()


def test_a_server_that_dies_under_the_dump(server: DatabaseContainer, lab: Lab) -> None:
    with fresh(lab, server.kind) as dying:
        dying.sql(
            "CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, f CHAR(250));"
            "INSERT INTO d.t (f) VALUES ('x');"
            + "INSERT INTO d.t (f) SELECT REPEAT('y', 250) FROM d.t;"
            * 15
        )
        there = reach(dying)
        with there.dump() as dump, Pipeline([dump.command], collect=True) as pipe:
            dump.begun(60)
            dying.docker("kill", dying.name)
            with pytest.raises(DatabaseError):
                dump.facts()
            while os.read(pipe.output, 1 << 20):
                pass
            (ended,) = pipe.wait()
            assert not ended.ok
            with pytest.raises(DatabaseError):
                dump.check()


def test_a_container_without_client_programs(lab: Lab) -> None:
    with lab.run_app("sleep", "600", image=images.DEBIAN) as bare:

        def run_in(argv, label, marker):  # type: ignore[no-untyped-def]
            from engine.core.commands import Command

            return Command(("docker", "-H", lab.docker_host, "exec", "-i", bare.name, *argv))

        with pytest.raises(DatabaseError, match="neither mysql nor mariadb") as caught:
            connect(user="root", password="x", run_in=run_in).identify()
        assert "Install" in caught.value.remedy


def test_markers_reach_every_program(server: DatabaseContainer) -> None:
    """Whoever ends a job finds what runs inside by it."""
    marked = connect(
        user="root", password=server.root_password, run_in=inside(server), marker="job-17"
    )
    with marked.dump() as dump, Pipeline([dump.command], collect=True):
        dump.begun(60)
        found = server.exec(
            "sh", "-c", "grep -lz MENTAT_DR_MARK=job-17 /proc/[0-9]*/environ | wc -l"
        )
        # Two sessions and the dump, each a shell and a client.
        assert int(found) == 6


def test_sizes_are_about_a_dumps(server: DatabaseContainer) -> None:
    server.sql("ANALYZE TABLE shop.t")  # else the server has yet to notice the rows
    size = reach(server).size()
    assert (1 << 14) * 1000 < size < (1 << 14) * 1000 * 3
