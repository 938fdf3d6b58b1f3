"""Docker that is away, hangs, or is something else: an answer in bounded time, with a way on."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.adapters.docker import DockerContainers
from engine.core.errors import ContainersError, DockerUnreachable, MentatError

Serve = Callable[[socket.socket], None]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a path short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="mdr-"))
    yield path
    shutil.rmtree(path)


@contextlib.contextmanager
def served(place: Path, answer: bytes) -> Iterator[str]:
    """A socket that gives every request the same answer; with none it never answers."""
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as open_ones:
        listener.bind(str(place / "sock"))
        listener.listen()
        listener.settimeout(0.1)

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):  # nobody came, or they left at once
                    connection = open_ones.enter_context(listener.accept()[0])
                    if answer:
                        connection.recv(65536)
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"unix://{place}/sock"
        finally:
            over.set()
            thread.join()


def refusal(ask: Callable[[], object]) -> MentatError:
    """What it raises, which must come within a bounded time and say what to do."""
    started = time.monotonic()
    with pytest.raises(ContainersError) as raised:
        ask()
    assert time.monotonic() - started < 30
    assert raised.value.remedy
    assert "\n" not in raised.value.message
    return raised.value


def test_no_socket(place: Path) -> None:
    docker = DockerContainers(f"unix://{place}/none.sock")
    for ask in (docker.ping, docker.containers, lambda: docker.pause("x")):
        error = refusal(ask)
        assert isinstance(error, DockerUnreachable)
        assert str(place) in error.message and "not running" in error.message
        assert "systemctl start docker" in error.remedy


def test_a_socket_nobody_listens_on(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place / "sock"))
    error = refusal(DockerContainers(f"unix://{place}/sock").ping)
    assert isinstance(error, DockerUnreachable) and "not running" in error.message


def test_an_engine_that_accepts_and_never_answers(place: Path) -> None:
    with served(place, b"") as host:
        docker = DockerContainers(host)
        for ask in (docker.ping, lambda: docker.start("x")):
            error = refusal(ask)
            assert isinstance(error, DockerUnreachable) and "does not answer" in error.message


def test_an_engine_that_hangs_after_it_had_answered(place: Path) -> None:
    version = b'{"ApiVersion": "1.41", "Version": "20.10"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with served(place, head % len(version) + version) as host:
        docker = DockerContainers(host)
        assert docker.ping() == "20.10"
        docker.close()
    (place / "sock").unlink()
    with served(place, b"") as host:
        assert isinstance(refusal(lambda: docker.container("x")), DockerUnreachable)
    docker.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_something_else_than_docker(place: Path, answer: bytes) -> None:
    with served(place, answer) as host:
        refusal(DockerContainers(host).ping)


def test_a_port_nobody_listens_on() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = refusal(DockerContainers(f"tcp://127.0.0.1:{port}").ping)
    assert isinstance(error, DockerUnreachable)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_socket_one_may_not_use(place: Path) -> None:
    place.chmod(0o755)
    with served(place, b"") as host:
        (place / "sock").chmod(0o600)
        os.seteuid(65534)
        try:
            error = refusal(DockerContainers(host).ping)
        finally:
            os.seteuid(0)
    assert "may not be used by this user" in error.message


def test_the_docker_program_is_found_without_path_and_missed_politely(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setattr("engine.adapters.docker_client._PROGRAM_PLACES", str(place))
    docker = DockerContainers("unix:///x")
    error = refusal(lambda: docker.exec_command("x", ["true"]))
    assert "not installed" in error.message
    (place / "docker").write_text("#!/bin/sh\n")
    (place / "docker").chmod(0o755)
    assert docker.exec_command("x", ["true"]).argv[0] == str(place / "docker")
