"""Quieted containers are put back, whoever dies: the job, its guard, or both, at any moment."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.adapters.docker import DockerContainers
from engine.core import events
from engine.core.errors import ContainersError, HeldError, UsageError
from engine.jobs.quiesce import quiesced, recover_quiesced
from tests.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("quiesce")]

ROOT = Path(__file__).parents[2]
JOB = """
import sys, time
from pathlib import Path
from engine.adapters.docker import DockerContainers
from engine.jobs.quiesce import quiesced
host, state, how, seconds, *names = sys.argv[1:]
with quiesced(DockerContainers(host), names, how, Path(state), "toy", lambda event: None):
    print("quiet", flush=True)
    time.sleep(float(seconds))
"""
SLOW_TO_STOP = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def docker(lab: Lab) -> Iterator[DockerContainers]:
    adapter = DockerContainers(lab.docker_host)
    yield adapter
    adapter.close()


@pytest.fixture(scope="module")
def apps(lab: Lab) -> Iterator[list[str]]:
    """Two running containers; the second takes a second to stop."""
    with (
        lab.run_app("sleep", "36000", options=["--init"]) as one,
        lab.run_app("bash", "-c", SLOW_TO_STOP) as two,
    ):
        yield [one.name, two.name]


@pytest.fixture(autouse=True)
def running(docker: DockerContainers, apps: list[str]) -> None:
    """A failed test before this one left nothing behind."""
    for name in apps:
        docker.unpause(name)
        docker.start(name)


@pytest.fixture
def said() -> list[events.Event]:
    return []


def states(docker: DockerContainers, names: list[str]) -> list[str]:
    return [docker.container(name).state for name in names]


def begin(lab: Lab, state: Path, how: str, names: list[str], seconds: float = 600) -> Popen:
    argv = [sys.executable, "-c", JOB, lab.docker_host, str(state), how, str(seconds), *names]
    return subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


Popen = subprocess.Popen[str]


def guards_of(job: Popen) -> list[int]:
    """The job's living guards, found while the job lives."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == job.pid and b"engine.jobs.guard" in words:
                found.append(int(entry.name))
    return found


def finish(job: Popen) -> int:
    with job:
        return job.wait(60)


def wait_for(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def records(state: Path) -> list[Path]:
    return sorted((state / "quiesce").glob("*.json"))


@pytest.mark.parametrize(("how", "quiet"), [("pause", "paused"), ("stop", "exited")])
def test_all_are_put_back_as_they_were_found(
    lab: Lab,
    docker: DockerContainers,
    apps: list[str],
    tmp_path: Path,
    said: list[events.Event],
    how: str,
    quiet: str,
) -> None:
    with (
        lab.run_app("sleep", "600", options=["--init"]) as paused,
        lab.run_app("sleep", "600", options=["--init"]) as ended,
        lab.run_app("sleep", "600", options=["--init", "--restart=always"]) as eager,
    ):
        docker.pause(paused.name)
        docker.stop(ended.name)
        names = [*apps, eager.name, paused.name, ended.name]
        found = ["running", "running", "running", "paused", "exited"]
        with quiesced(docker, names, how, tmp_path, "job", said.append):
            assert states(docker, names) == [quiet, quiet, quiet, "paused", "exited"]
            assert len(records(tmp_path)) == 1
        assert states(docker, names) == found
        with (
            pytest.raises(ZeroDivisionError),
            quiesced(docker, names, how, tmp_path, "job", said.append),
        ):
            1 / 0  # noqa: B018
        assert states(docker, names) == found
        assert (
            eager.name
            and docker.container(eager.name).definition["HostConfig"]["RestartPolicy"]["Name"]
            == "always"
        )
    assert not records(tmp_path)
    assert not [e for e in said if isinstance(e, events.Warned)]
    ran = [e.argv[1] for e in said if isinstance(e, events.CommandStarted)]
    back = {"pause": "unpause", "stop": "start"}[how]
    assert ran == [how] * 3 + [back] * 3 + [how] * 3 + [back] * 3
    assert recover_quiesced(tmp_path, docker) == []


def test_none_and_nothing_touch_nothing(tmp_path: Path, said: list[events.Event]) -> None:
    nowhere = DockerContainers(f"unix://{tmp_path}/no.sock")
    with quiesced(nowhere, ["some"], "none", tmp_path, "job", said.append):
        pass
    with quiesced(nowhere, [], "pause", tmp_path, "job", said.append):
        pass
    assert recover_quiesced(tmp_path, nowhere) == []
    assert not said and not list(tmp_path.iterdir())
    with pytest.raises(UsageError), quiesced(nowhere, ["a"], "halt", tmp_path, "j", said.append):
        pass


def test_a_container_that_would_vanish_is_not_stopped(
    lab: Lab, docker: DockerContainers, apps: list[str], tmp_path: Path, said: list[events.Event]
) -> None:
    with lab.run_app("sleep", "600", options=["--rm"]) as app:
        with (
            pytest.raises(ContainersError, match="--rm"),
            quiesced(docker, [apps[0], app.name], "stop", tmp_path, "job", said.append),
        ):
            pytest.fail("it was stopped")
        assert states(docker, [apps[0], app.name]) == ["running", "running"]


def test_one_removed_or_changed_meanwhile_is_a_warning(
    lab: Lab, docker: DockerContainers, apps: list[str], tmp_path: Path, said: list[events.Event]
) -> None:
    with lab.run_app("sleep", "600") as app, lab.run_app("sleep", "600") as other:
        names = [app.name, other.name, apps[0], "no-such-container"]
        with quiesced(docker, names, "pause", tmp_path, "job", said.append):
            app.close()
            lab.docker("unpause", other.name)
            lab.docker("stop", "--time=0", other.name)
        assert states(docker, [other.name, apps[0]]) == ["exited", "running"]
    warned = " ".join(e.message for e in said if isinstance(e, events.Warned))
    for words in ("no-such-container was removed", f"{app.name} was removed", "somebody else"):
        assert words in warned


def test_dependants_stop_first_and_start_last(
    lab: Lab, docker: DockerContainers, tmp_path: Path, said: list[events.Event]
) -> None:
    def labels(service: str, needs: str) -> list[str]:
        prefix = "--label=com.docker.compose"
        return [
            *("--init", f"{prefix}.project=shop", f"{prefix}.service={service}"),
            f"{prefix}.depends_on={needs}",
        ]

    with (
        lab.run_app("sleep", "60", options=labels("db", "")) as db,
        lab.run_app("sleep", "60", options=labels("app", "db:service_healthy:true")) as app,
        lab.run_app("sleep", "60", options=labels("web", "app:service_started:false")) as web,
    ):
        with quiesced(docker, [db.name, web.name, app.name], "stop", tmp_path, "job", said.append):
            pass
        ran = [e.argv[1:] for e in said if isinstance(e, events.CommandStarted)]
    assert ran == [
        *[("stop", c.name) for c in (web, app, db)],
        *[("start", c.name) for c in (db, app, web)],
    ]


def test_two_jobs_do_not_undo_each_other(
    lab: Lab, docker: DockerContainers, apps: list[str], tmp_path: Path, said: list[events.Event]
) -> None:
    first = begin(lab, tmp_path, "pause", apps, 2)
    assert first.stdout and first.stdout.readline() == "quiet\n"
    with (
        pytest.raises(HeldError),
        quiesced(docker, apps, "pause", tmp_path, "late", said.append, patience=0.1),
    ):
        pytest.fail("two jobs at once")
    assert states(docker, apps) == ["paused", "paused"]
    with quiesced(docker, apps, "pause", tmp_path, "next", said.append):
        first.poll()
        assert states(docker, apps) == ["paused", "paused"]
        assert [r.name.split("-")[0] for r in records(tmp_path)] == ["next"]
    assert finish(first) == 0
    assert states(docker, apps) == ["running", "running"]
    assert any(isinstance(e, events.Output) and "waiting" in e.line for e in said)


def test_a_terminated_job_leaves_nothing_paused(
    lab: Lab, docker: DockerContainers, apps: list[str], tmp_path: Path
) -> None:
    job = begin(lab, tmp_path, "pause", apps)
    assert job.stdout and job.stdout.readline() == "quiet\n"
    os.killpg(os.getpgid(job.pid), 0)
    job.terminate()
    assert finish(job) == -signal.SIGTERM
    wait_for(lambda: states(docker, apps) == ["running"] * 2, "left paused")
    wait_for(lambda: not records(tmp_path), "the record stays")


def test_a_dead_guard_is_replaced_and_does_no_harm(
    lab: Lab, docker: DockerContainers, apps: list[str], tmp_path: Path, said: list[events.Event]
) -> None:
    job = begin(lab, tmp_path, "pause", apps, 3)
    assert job.stdout and job.stdout.readline() == "quiet\n"
    (guard,) = guards_of(job)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(guard, number)
    time.sleep(0.3)
    assert guards_of(job) == [guard]
    os.kill(guard, signal.SIGKILL)
    wait_for(lambda: guards_of(job) not in ([], [guard]), "no new guard")
    assert states(docker, apps) == ["paused", "paused"]
    assert finish(job) == 0
    assert states(docker, apps) == ["running", "running"]
    assert not records(tmp_path)


def test_the_record_is_enough_when_job_and_guard_are_dead(
    lab: Lab, docker: DockerContainers, apps: list[str], tmp_path: Path
) -> None:
    for how, quiet in (("pause", "paused"), ("stop", "exited")):
        job = begin(lab, tmp_path, how, apps)
        assert job.stdout and job.stdout.readline() == "quiet\n"
        assert recover_quiesced(tmp_path, docker) == []  # it lives
        kill_both(job)
        assert states(docker, apps) == [quiet, quiet]
        nowhere = DockerContainers(f"unix://{tmp_path}/no.sock")
        told = recover_quiesced(tmp_path, nowhere)
        assert len(told) == 2 and "could not be put back" in told[0]
        told = recover_quiesced(tmp_path, docker)
        assert states(docker, apps) == ["running", "running"]
        assert len(told) == 2 and "dead job toy" in told[0]
        assert recover_quiesced(tmp_path, docker) == []


def test_an_unreadable_record_is_told(tmp_path: Path, docker: DockerContainers) -> None:
    (tmp_path / "quiesce").mkdir()
    (tmp_path / "quiesce" / "x.json").write_text('{"job": "x", "how": "pause"')
    (told,) = recover_quiesced(tmp_path, docker)
    assert "cannot be read" in told


def kill_both(job: Popen) -> None:
    """Stop the job first, so that it starts no new guard, then kill the two."""
    os.kill(job.pid, signal.SIGSTOP)
    guards = []
    for pid in guards_of(job):
        with contextlib.suppress(ProcessLookupError):  # it was just let go
            guards.append(os.pidfd_open(pid))
    for guard in guards:
        signal.pidfd_send_signal(guard, signal.SIGKILL)
    job.kill()
    finish(job)
    for guard in guards:
        select.select([guard], [], [])
        os.close(guard)


@pytest.mark.parametrize("how", ["pause", "stop"])
@pytest.mark.timeout(1800)
def test_no_death_at_any_moment_leaves_a_container_quiet(
    lab: Lab, docker: DockerContainers, apps: list[str], tmp_path: Path, full: bool, how: str
) -> None:
    dice = random.Random(f"20261122 {how}")
    started = time.monotonic()
    finish(begin(lab, tmp_path, how, apps, 0.2))
    length = time.monotonic() - started
    for turn in range(50 if full else 10):
        job = begin(lab, tmp_path, how, apps, 0.2)
        time.sleep(dice.uniform(0.1, length))
        victims = dice.choice(["job", "guard", "both"])
        if job.poll() is None:
            if victims == "both":
                kill_both(job)
            else:
                for pid in guards_of(job) if victims == "guard" else [job.pid]:
                    with contextlib.suppress(ProcessLookupError):  # it was just let go
                        os.kill(pid, signal.SIGKILL)
        finish(job)
        if victims == "both":
            recover_quiesced(tmp_path, docker)
        wait_for(lambda: states(docker, apps) == ["running"] * 2, f"{turn}: {victims}, {how}")
        wait_for(lambda: not records(tmp_path), f"{turn}: {victims}, {how}: a record stays")
        assert states(docker, apps) == ["running"] * 2
