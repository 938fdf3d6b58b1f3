"""The lab ends when it should, whatever happens to the processes that use it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import CommandFailed, Lab, images, network, processes, runs
from tests.lab.engine import Engine
from tests.lab.places import Places
from tests.lab.processes import Process

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab-life")]

TINY = "tiny:latest"
# What a child process does: a lab with a server and a container, then it waits to be ended.
CHILD = f"""
import signal, time
from tests.lab import Lab
signal.signal(signal.SIGINT, signal.default_int_handler)
with Lab.start(run_id="child") as lab:
    lab.s3
    lab.docker("run", "--detach", "--name=sleeper", "{TINY}", "/bin/sleep", "6173")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """A lab of its own, beside the suite's: other engine, other runs, no images."""
    # Not tmp_path: an engine's sockets need a short one.
    home = Path(tempfile.mkdtemp(prefix="mdr-", dir="/tmp"))
    monkeypatch.setenv("MENTAT_DR_LAB_HOME", str(home))
    yield Places.of_this_machine()
    for run in runs.all_runs(Places.of_this_machine()):
        runs.close(run)
    shutil.rmtree(home)


def put_tiny_image(lab: Lab, tmp_path: Path) -> None:
    """An image of ``sleep`` and its libraries alone."""
    root = tmp_path / "root"
    for file in ("/bin/sleep", *_libraries("/bin/sleep")):
        target = root / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    subprocess.run(["tar", "-C", root, "-cf", tmp_path / "tiny.tar", "."], check=True)
    lab.docker("import", str(tmp_path / "tiny.tar"), TINY)


def _libraries(program: str) -> list[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for word in listed.split() if word.startswith("/")]


def what_is_left(places: Places) -> list[str]:
    """Traces of a lab in the machine: processes, mounts, interfaces, cgroups, runs."""
    home = str(places.cache.parent)
    bridge = network.bridge_name(places.runtime)
    left = []
    for entry in Path("/proc").iterdir():
        command = processes.command_line(int(entry.name)) if entry.name.isdigit() else []
        # The test's own workers carry the path nowhere; servers carry it in an argument.
        if any(home in part for part in command):
            left.append(f"process {' '.join(command)}")
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    left += [f"mount {line}" for line in mounts if home in line]
    left += [str(path) for path in Path("/sys/class/net").glob(bridge)]
    cgroups = Path("/sys/fs/cgroup")
    left += [str(path) for path in [*cgroups.glob(bridge), *cgroups.glob(f"*/{bridge}")]]
    left += [f"run {path}" for path in places.runs.iterdir()]
    return left


def start_child() -> subprocess.Popen[str]:
    """A process with a lab, which it has started when this returns."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(runs.REPOSITORY)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def end_child(child: subprocess.Popen[str], number: int) -> None:
    """Send the signal and reap."""
    child.send_signal(number)
    child.wait(timeout=60)
    assert child.stdout is not None
    child.stdout.close()


def test_stop_leaves_nothing(places: Places, tmp_path: Path) -> None:
    with Lab.start() as lab:
        put_tiny_image(lab, tmp_path)
        lab.docker("run", "--detach", TINY, "/bin/sleep", "6173")
        lab.new_network("other")
        assert lab.s3.new_bucket()
        assert lab.prometheus_url
        assert len(what_is_left(places)) > 5
    assert what_is_left(places) == []
    # The engine would take its old address again, though another may have it by then.
    assert not (places.docker_data / "network/files/local-kv.db").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_end_of_the_owner_is_the_end_of_the_lab(
    places: Places, tmp_path: Path, number: signal.Signals
) -> None:
    with Lab.start() as lab:
        put_tiny_image(lab, tmp_path)
    child = start_child()
    processes.wait_until(sleeping, what="the container", seconds=20)
    end_child(child, number)
    processes.wait_until(lambda: what_is_left(places) == [], what="the end of the lab", seconds=60)


def sleeping() -> bool:
    """True when the child's container runs its program (a moment after ``docker run`` ends)."""
    pids = (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return any("sleep 6173" in " ".join(processes.command_line(int(pid))) for pid in pids)


def test_the_next_lab_clears_what_a_crash_left(places: Places, tmp_path: Path) -> None:
    """Owner, keeper and engine killed at once, as by a crash of the machine's memory."""
    with Lab.start() as lab:
        put_tiny_image(lab, tmp_path)
    child = start_child()
    keeper = runs.Run(places, "child").keeper()
    assert keeper is not None
    keeper.signal(signal.SIGKILL)
    pid = int((places.runtime / "docker.pid").read_text())
    Process.of_pid("dockerd", pid).signal(signal.SIGKILL)
    end_child(child, signal.SIGKILL)
    processes.wait_until(lambda: not keeper.alive, what="the keeper's death", seconds=20)
    processes.wait_until(sleeping, what="the container", seconds=20)
    with Lab.start() as lab:
        assert [run.id for run in runs.all_runs(places)] == [lab.id]
        assert lab.docker("ps", "--all", "--quiet") == ""
        lab.docker("run", "--rm", TINY, "/bin/sleep", "0")
    assert what_is_left(places) == []


def test_two_labs_share_an_engine(places: Places, tmp_path: Path) -> None:
    with Lab.start() as first:
        put_tiny_image(first, tmp_path)
        first.docker("volume", "create", "unlabelled")
        kept = first.new_volume()
        with Lab.start() as second:
            assert second.docker_host == first.docker_host
            gone = second.new_volume()
            assert Engine(places).users() == sorted([first.id, second.id])
        assert first.docker.exists("volume", kept)
        assert not first.docker.exists("volume", gone)
        assert Engine(places).running()
    assert not Engine(places).running()


def test_parts_are_started_once_for_all_who_join(places: Places) -> None:
    with Lab.start() as lab:
        other = Lab.start(run_id=lab.id)
        assert other.s3 == lab.s3
        assert other.monitoring == lab.monitoring


def test_a_closed_run_starts_nothing(places: Places) -> None:
    with Lab.start() as lab:
        pass
    with pytest.raises(OSError, match="No such file"):
        _ = lab.s3
    with pytest.raises(Exception, match="closed"):
        _ = lab.docker
    assert what_is_left(places) == []


def test_a_failed_build_leaves_no_image(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/Dockerfile").write_text(f"FROM {images.DEBIAN}\nRUN true\nRUN false\n")
    bad = images.Built("mentat-lab/bad:latest", images.DEBIAN, ("bad/Dockerfile",))
    monkeypatch.setattr(images, "RECIPES", tmp_path)
    monkeypatch.setattr(images, "BUILT", (bad,))
    monkeypatch.setattr(images, "ALL", (bad.tag,))
    with pytest.raises(CommandFailed):
        images.build_missing(lab.docker, tmp_path, say=lambda line: None)
    assert not lab.docker.exists("image", bad.tag)
    assert images.missing(lab.docker, [bad.tag]) == [bad.tag]


def test_the_images_are_up_to_date(lab: Lab) -> None:
    assert images.missing(lab.docker) == []
