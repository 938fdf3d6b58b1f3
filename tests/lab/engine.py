"""The lab's own Docker Engine: one for the machine, shared by runs, gone with the last of them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.lab import network, processes
from tests.lab.client import LABEL, Docker, is_root
from tests.lab.command import run
from tests.lab.errors import LabError, MissingParts, NotReady
from tests.lab.locks import held
from tests.lab.packages import DOCKER, program, require
from tests.lab.places import Places
from tests.lab.processes import Process


class Engine:
    """dockerd with its own socket, data, bridge and cgroup.

    Runs are its users: the first starts it, the last one to leave stops it. The machine's own
    Docker, if it has one, is never spoken to.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._users = places.runtime / "users"
        self._lock = places.runtime / "engine.lock"
        self._pidfile = places.runtime / "docker.pid"
        self._settings = places.runtime / "daemon.json"
        self._exec_root = places.runtime / "exec"
        self.log = places.runtime / "dockerd.log"
        self.docker = Docker(places.docker_socket)

    def acquire(self, run_id: str) -> None:
        """Serve ``run_id``: start the engine, or join the others at the running one.

        A run that has been closed meanwhile is refused, so no engine is left without a user.
        """
        if not is_root():
            raise MissingParts("the lab's Docker Engine runs as root only: run this as root")
        require(DOCKER)
        self._places.make()
        with held(self._lock):
            if not (self._places.runs / run_id).exists():
                raise NotReady(f"the lab run {run_id} is closed")
            self._forget_vanished_runs()
            # Noted before the start, so that whoever closes the run ends a half-made start too.
            self._users.mkdir(exist_ok=True)
            (self._users / run_id).touch()
            if self._process() is None or not self.docker.answers():
                self._end()
                self._start()

    def release(self, run_id: str) -> None:
        """Forget ``run_id``; the last user's leave stops the engine and removes its traces."""
        with held(self._lock):
            user = self._users / run_id
            used = user.exists()
            user.unlink(missing_ok=True)
            if used and self.users():
                self.docker.remove_labelled(f"{LABEL}={run_id}")
            elif used:
                self._end()

    def users(self) -> list[str]:
        """The ids of the runs that use it."""
        return sorted(path.name for path in self._users.glob("*"))

    def running(self) -> bool:
        """True when it serves now."""
        return self._process() is not None and self.docker.answers()

    def _forget_vanished_runs(self) -> None:
        for run_id in self.users():
            if not (self._places.runs / run_id).exists():
                (self._users / run_id).unlink(missing_ok=True)

    def _start(self) -> None:
        block = network.make_bridge(self._bridge)
        # In place of the machine's own settings, which may contradict ours.
        self._settings.write_text("{}")
        self.log.unlink(missing_ok=True)
        process = processes.start("dockerd", self._command(str(block)), log=self.log)
        processes.wait_until(
            self.docker.answers, what="dockerd", seconds=60, process=process, log=self.log
        )
        # What an earlier, crashed engine ran was nobody's but the lab's.
        self.docker.remove_labelled(None)

    @property
    def _bridge(self) -> str:
        """The name of our bridge and of our cgroup alike."""
        return network.bridge_name(self._places.runtime)

    def _command(self, block: str) -> list[str]:
        return [
            program("dockerd"),
            f"--config-file={self._settings}",
            f"--host={self.docker.host}",
            f"--data-root={self._places.docker_data}",
            f"--exec-root={self._exec_root}",
            f"--pidfile={self._pidfile}",
            f"--bridge={self._bridge}",
            f"--default-address-pool=base={block},size=24",
            # No rule of the machine's firewall is touched: containers are reached on their own
            # addresses and published ports, and none of them needs the world outside.
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
            "--ip-forward=false",
            # Works alike on cgroup v1 and v2, with systemd and without.
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{self._bridge}",
            "--shutdown-timeout=5",
            "--log-level=warn",
        ]

    def _process(self) -> Process | None:
        """Our dockerd, if it lives: the pid file's word, checked against its command line."""
        try:
            pid = int(self._pidfile.read_text())
        except (OSError, ValueError):
            return None
        command = processes.command_line(pid)
        if f"--pidfile={self._pidfile}" not in command:
            return None
        return Process.of_pid("dockerd", pid)

    def _end(self) -> None:
        """Stop whatever is left of the engine; leaves no process, mount, cgroup or interface."""
        process = self._process()
        if process is not None:
            with contextlib.suppress(LabError):
                self.docker.remove_labelled(None)
            processes.stop([process], seconds=20)
        self._end_orphans()
        _unmount_below(self._places.docker_data, self._exec_root)
        network.delete_bridge(self._bridge)
        network.forget_networks(self._places.docker_data)
        _remove_cgroups(self._bridge)
        self._pidfile.unlink(missing_ok=True)
        self._places.docker_socket.unlink(missing_ok=True)

    def _end_orphans(self) -> None:
        """containerd, its shims and their containers outlive a killed dockerd."""
        marks = (str(self._exec_root), str(self._places.docker_data))
        orphans = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            command = " ".join(processes.command_line(int(entry.name)))
            program_name = Path(command.split(" ")[0]).name
            if program_name.startswith(("containerd", "docker")) and any(
                mark in command for mark in marks
            ):
                orphans.append(Process.of_pid(program_name, int(entry.name)))
        processes.stop([*orphans, *_members_of_cgroups(self._bridge)], seconds=5)


def _cgroups(name: str) -> list[Path]:
    """The engine's cgroups in every hierarchy, children before parents."""
    base = Path("/sys/fs/cgroup")
    roots = [*base.glob(name), *base.glob(f"*/{name}")]
    found = []
    for root in roots:
        if root.parent.is_symlink():
            continue
        found += [Path(parent) for parent, _, _ in os.walk(root, topdown=False)]
    return found


def _members_of_cgroups(name: str) -> list[Process]:
    pids: set[int] = set()
    for directory in _cgroups(name):
        with contextlib.suppress(OSError):
            pids.update(int(pid) for pid in (directory / "cgroup.procs").read_text().split())
    return [Process.of_pid("container", pid) for pid in pids]


def _remove_cgroups(name: str) -> None:
    for directory in _cgroups(name):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _unmount_below(*roots: Path) -> None:
    """Unmount everything at or below ``roots``, the newest first."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed(points):
        path = Path(point.replace("\\040", " "))
        if any(path == root or root in path.parents for root in roots):
            with contextlib.suppress(LabError):
                run([program("umount"), "--lazy", str(path)])
