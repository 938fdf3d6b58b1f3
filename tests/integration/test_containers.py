"""The Docker adapter against a real engine."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.adapters import command, docker_marks
from engine.adapters.docker import DockerContainers
from engine.core.commands import Command
from engine.core.errors import ContainersError, SourceMissing, UsageError
from tests.lab import Lab, images

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def docker(lab: Lab) -> Iterator[DockerContainers]:
    adapter = DockerContainers(lab.docker_host)
    yield adapter
    adapter.close()


@pytest.fixture
def names(docker: DockerContainers) -> Iterator[Callable[[], str]]:
    """Names for containers, each removed after the test."""
    made: list[str] = []

    def name() -> str:
        made.append(f"made-{secrets.token_hex(4)}")
        return made[-1]

    yield name
    for each in made:
        with contextlib.suppress(SourceMissing):
            docker.remove_container(each)


def test_containers_and_volumes_are_described(docker: DockerContainers, lab: Lab) -> None:
    volume = lab.new_volume()
    with lab.run_app("sleep", "600", volumes={volume: "/data"}) as app:
        found = docker.container(app.name)
        assert docker.ping()[0].isdigit()
        assert (found.name, found.state, found.image) == (app.name, "running", app.image)
        assert docker.container(found.id) == found
        (mount,) = found.mounts
        assert (mount.volume, mount.destination, mount.read_only) == (volume, "/data", False)
        assert app.host_ip in found.networks.values()
        assert app.name in [c.name for c in docker.containers()]
        assert docker.volume(volume).mountpoint == lab.volume_path(volume)
        assert "definition" not in repr(found)
    with pytest.raises(SourceMissing):
        docker.container(app.name)
    with pytest.raises(SourceMissing):
        docker.volume("no-such-volume")


@pytest.mark.parametrize("name", ["", "-rm", "../images", "a/b", "a b", "x\n", "é", "a?all=1"])
def test_names_docker_could_not_have_given_never_reach_it(
    docker: DockerContainers, name: str
) -> None:
    for ask in (docker.container, docker.volume, docker.start, docker.remove_container):
        with pytest.raises(SourceMissing):
            ask(name)
    with pytest.raises(SourceMissing):
        docker.exec_command(name, ["true"])


def test_users_of_a_volume_are_found_whatever_their_state(
    docker: DockerContainers, lab: Lab
) -> None:
    volume, other = lab.new_volume(), lab.new_volume()
    inside = lab.volume_path(volume) / "part"
    inside.mkdir()
    with (
        lab.run_app("sleep", "600", volumes={volume: "/data"}) as running,
        lab.run_app("sleep", "600", volumes={volume: "/data"}) as stopped,
        lab.run_app("sleep", "600", volumes={other: "/data"}),
        lab.run_app("sleep", "600", options=[f"--volume={inside}:/part"]) as by_path,
    ):
        docker.stop(stopped.name, timeout=1)
        states = {c.name: c.state for c in docker.using(volume)}
        assert states == {running.name: "running", stopped.name: "exited", by_path.name: "running"}


def test_pausing_and_stopping_twice_is_no_error(docker: DockerContainers, lab: Lab) -> None:
    with lab.run_app("sleep", "600") as app:
        for act, state in [
            (docker.pause, "paused"),
            (docker.unpause, "running"),
            (lambda name: docker.stop(name, timeout=1), "exited"),
            (docker.start, "running"),
        ]:
            act(app.name)
            act(app.name)
            assert docker.container(app.name).state == state
        docker.stop(app.name, timeout=1)
        docker.unpause(app.name)
        with pytest.raises(ContainersError) as refused:
            docker.pause(app.name)
        assert "not running" in refused.value.message
    for act in (docker.pause, docker.unpause, docker.stop, docker.start):
        with pytest.raises(SourceMissing):
            act(app.name)


def test_only_our_own_is_removed(docker: DockerContainers, lab: Lab) -> None:
    volume = lab.new_volume()
    with lab.run_app("sleep", "600") as app:
        for remove, name in ((docker.remove_container, app.name), (docker.remove_volume, volume)):
            with pytest.raises(ContainersError) as refused:
                remove(name)
            assert "not made by mentat-dr" in refused.value.message
        assert app.state() == "running"
    name = f"ours-{secrets.token_hex(4)}"
    made = docker.create_volume(name, {"mentat-dr": "restored", **lab.labels})
    assert made.mountpoint.is_dir()
    with pytest.raises(ContainersError):
        docker.create_volume(name, {})
    docker.remove_volume(name)
    with pytest.raises(SourceMissing):
        docker.volume(name)


def test_a_container_like_another_has_its_settings_but_no_ports_or_restarts(
    docker: DockerContainers, lab: Lab, names: Callable[[], str], tmp_path: Path
) -> None:
    volume, fresh = lab.new_volume(), lab.new_volume()
    (tmp_path / "app.conf").write_text("setting = 1\n")
    options = [
        *("--publish=127.0.0.1::8080", "--restart=always", "--user=1000:1000", "--workdir=/tmp"),
        *("--cap-drop=ALL", "--tmpfs=/scratch", "--env=SECRET=abc", "--env=KEPT=yes"),
        *("--health-cmd=true", "--shm-size=80m", "--memory=200m", "--label=theirs=1"),
        f"--volume={tmp_path / 'app.conf'}:/etc/app.conf:ro",
    ]
    with lab.run_app("sleep", "600", volumes={volume: "/data"}, options=options) as app:
        model = docker.container(app.name)
        made = docker.create_like(
            model,
            image=model.image_id,
            name=names(),
            mounts={fresh: "/data"},
            labels={"mentat-dr": "drill"},
            environment={"SECRET": "new"},
        )
        assert made.state == "created"
        docker.start(made.name)
        assert docker.container(made.name).state == "running"
        config, host = made.definition["Config"], made.definition["HostConfig"]
        assert {"SECRET=new", "KEPT=yes"} <= set(config["Env"])
        assert "SECRET=abc" not in config["Env"]
        assert (config["User"], config["WorkingDir"]) == ("1000:1000", "/tmp")
        assert config["Cmd"] == ["sleep", "600"]
        assert host["RestartPolicy"]["Name"] in ("", "no")
        assert not host["PortBindings"] and host["NetworkMode"] == "none"
        assert (host["CapDrop"], host["ShmSize"], host["Memory"]) == (["ALL"], 80 << 20, 200 << 20)
        assert config["Healthcheck"] == {"Test": ["NONE"]}
        assert set(made.labels) & {"theirs", "mentat-dr"} == {"mentat-dr"}
        mounted = {m.destination: (m.volume, m.read_only) for m in made.mounts}
        assert mounted["/data"] == (fresh, False)
        assert mounted["/etc/app.conf"] == ("", True)
        inside = command.run(docker.exec_command(made.name, ["cat", "/etc/app.conf"]))
        assert inside.stdout == b"setting = 1\n"
        docker.remove_container(made.name)
        assert app.state() == "running"


def test_a_container_without_a_model(docker: DockerContainers, names: Callable[[], str]) -> None:
    made = docker.create_like(
        None,
        image=images.APP,
        name=names(),
        mounts={},
        labels={},
        command=["sleep", "600"],
        memory_limit="64m",
    )
    assert made.definition["HostConfig"]["Memory"] == 64 << 20
    docker.remove_container(made.name)
    for image, error in (("no/such:image", SourceMissing), (images.APP, UsageError)):
        with pytest.raises(error):
            docker.create_like(
                None, image=image, name=names(), mounts={}, labels={}, memory_limit="many"
            )


def test_streams_and_exit_codes_pass_through_exec(docker: DockerContainers, lab: Lab) -> None:
    blob = os.urandom(3 << 20)
    with lab.run_app("sleep", "600") as app:
        ended = command.run(docker.exec_command(app.name, ["cat"]), stdin=blob)
        assert ended.stdout == blob
        failed = command.run(
            docker.exec_command(app.name, ["sh", "-c", "echo out; echo err >&2; exit 37"]),
            check=False,
        )
        assert (failed.exit_status, failed.stdout, failed.stderr) == (37, b"out\n", ("err",))
        words = ["printf", "%s|", "-e", "--", "$HOME", "a b", "[bold]", "é"]
        assert command.run(docker.exec_command(app.name, words)).stdout == (
            "-e|--|$HOME|a b|[bold]|é|".encode()
        )
        built = docker.exec_command(app.name, ["/bin/cat"], marker="mentat-dr-x")
        assert (built.name, built.where) == ("cat", app.name)
        assert built.env["DOCKER_HOST"] == lab.docker_host
        lines = command.run(
            docker.exec_command(app.name, ["sh", "-c", "echo in a log >/proc/1/fd/1"])
        )
        assert lines.ok and docker.logs(app.name) == ["in a log"]
        docker.pause(app.name)
        paused = command.run(docker.exec_command(app.name, ["true"]), check=False)
        assert not paused.ok and "paused" in " ".join(paused.stderr)
        docker.unpause(app.name)


SLEEPERS = "sleep 601 & trap '' TERM; while :; do sleep 0.2; done"


def sleepers(docker: DockerContainers, container: str) -> list[str]:
    argv = ["sh", "-c", "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$p; echo; done"]
    lines = command.run(docker.exec_command(container, argv)).stdout.decode().splitlines()
    return [line for line in lines if line == "sleep 601 "]


@pytest.mark.parametrize("way", ["by /proc", "by the engine"])
def test_what_a_killed_client_left_running_is_killed(
    docker: DockerContainers, lab: Lab, way: str
) -> None:
    marker, other = (f"mentat-dr-{secrets.token_hex(4)}" for _ in range(2))
    with lab.run_app("sleep", "600") as app:
        for number, mark in enumerate((marker, other), 1):
            child = command.start(
                docker.exec_command(app.name, ["sh", "-c", SLEEPERS], marker=mark)
            )
            wait_for(lambda: len(sleepers(docker, app.name)) == number)  # noqa: B023
            child.kill()
        assert len(sleepers(docker, app.name)) == 2
        outside = command.start(Command(("sleep", "60"), env={docker_marks.VARIABLE: marker}))
        if way == "by /proc":
            assert docker.kill_marked(marker) >= 2
        else:
            assert docker_marks.kill_inside(docker._docker.patient(), marker) >= 2
        wait_for(lambda: len(sleepers(docker, app.name)) == 1)
        assert outside.running  # it carries the marker, but not inside a container
        outside.kill()
        assert docker.kill_marked(marker) == 0
        assert docker.kill_marked(other) >= 2


@pytest.mark.parametrize("marker", ["", "a b", "x;reboot", "-n", "a\nb"])
def test_a_marker_is_a_plain_word(docker: DockerContainers, marker: str) -> None:
    with pytest.raises(ValueError, match="no marker"):
        docker.kill_marked(marker)


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)
