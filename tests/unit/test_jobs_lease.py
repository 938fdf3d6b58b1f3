"""Leases: one writer per source, and a dead one never stands in the way."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from engine.core.errors import ConfigurationError, HeldError
from engine.core.events import Event, Warned
from engine.jobs import locks, procfs
from engine.jobs.lease import Lease, lease_path
from engine.jobs.locks import Busy, Holder, Lock, held, read_note

SINCE = datetime(2026, 11, 22, 2, 14, tzinfo=UTC)
HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom engine.jobs.lease import Lease\n"
    "lease = Lease.acquire(Path(sys.argv[1]), 'shop-db', 'dead-job', 'backup')\n"
    "print('held', flush=True)\n"
)


def elsewhere(state: Path, more: str = "time.sleep(300)") -> subprocess.Popen[bytes]:
    """Another process that holds the lease of shop-db, in a session of its own."""
    environment = {**os.environ, procfs.MARK: "dead-job"}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD + more, str(state)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=environment,
    )
    assert process.stdout and process.stdout.readline() == b"held\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()


def test_a_second_one_is_refused_with_who_holds_it(tmp_path: Path) -> None:
    with Lease.acquire(tmp_path, "shop-db", "J1", "backup", now=SINCE):
        with pytest.raises(HeldError) as refusal:
            Lease.acquire(tmp_path, "shop-db", "J2", "restore")
        with Lease.acquire(tmp_path, "shop-uploads", "J2", "restore") as other:
            assert other.warning is None
    assert refusal.value.exit_code == 6
    message = refusal.value.message
    assert (
        f"shop-db is held by backup job J1 (pid {os.getpid()} on {socket.gethostname()}" in message
    )
    assert message.endswith("since 2026-11-22 02:14:00 UTC")
    assert "job cancel J1" in refusal.value.remedy
    with Lease.acquire(tmp_path, "shop-db", "J2", "restore") as lease:
        assert lease.warning is None


def test_the_file_is_private_and_release_is_written(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path / "state", "shop-db", "J1", "backup")
    path = lease_path(tmp_path / "state", "shop-db")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    lease.release()
    lease.release()
    note = read_note(path)
    assert note and note.released and not held(path)


def test_names_never_leave_the_folder_nor_meet(tmp_path: Path) -> None:
    names = ["a", "A", "../a", "..", ".", "", "a/b", "a%2fb", "é", "\udce9", "x" * 300, "x" * 301]
    paths = [lease_path(tmp_path, name) for name in names]
    assert len(set(paths)) == len(names)
    for path in paths:
        assert path.parent == tmp_path / "leases" and not path.name.startswith(".")
    with Lease.acquire(tmp_path, "../a", "J", "o"), Lease.acquire(tmp_path, "x" * 300, "J", "o"):
        assert sorted(p.name for p in tmp_path.iterdir()) == ["leases"]


def test_kill_9_frees_it_and_the_takeover_is_said(tmp_path: Path) -> None:
    process = elsewhere(tmp_path)
    with pytest.raises(HeldError, match=f"pid {process.pid} "):
        Lease.acquire(tmp_path, "shop-db", "J2", "backup")
    end(process)
    told: list[Event] = []
    with Lease.acquire(tmp_path, "shop-db", "J2", "backup", emit=told.append) as lease:
        assert isinstance(lease.warning, Warned) and told == [lease.warning]
        assert lease.warning.code == "lease-taken-over" and lease.warning.source == "shop-db"
        assert f"backup job dead-job (pid {process.pid} on" in lease.warning.message
        assert "child processes" not in lease.warning.message
    with Lease.acquire(tmp_path, "shop-db", "J3", "backup") as lease:
        assert lease.warning is None


def test_what_the_dead_holder_left_running_is_ended_first(tmp_path: Path) -> None:
    """A client that still loads a dump must not meet the next restore."""
    program = (
        "import subprocess\n"
        "a = subprocess.Popen(['sleep', '300'])\n"
        "b = subprocess.Popen(['sleep', '300'], env={'PATH': '/usr/bin:/bin'})\n"
        "print(a.pid, b.pid, flush=True)\ntime.sleep(300)\n"
    )
    process = elsewhere(tmp_path, program)
    assert process.stdout
    ours, unmarked = map(int, process.stdout.readline().split())
    process.kill()
    process.wait()
    try:
        with Lease.acquire(tmp_path, "shop-db", "J2", "backup") as lease:
            found = procfs.look(ours)
            assert found is None or found.zombie
            # Without our mark it may be anybody's, in a session whose number came again.
            assert procfs.look(unmarked)
            assert lease.warning and "1 of its child processes" in lease.warning.message
    finally:
        os.kill(unmarked, signal.SIGKILL)
        process.stdout.close()


def test_children_of_any_make_do_not_hold_it(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path, "shop-db", "J1", "backup")
    path = lease_path(tmp_path, "shop-db")
    spawned = subprocess.Popen(["sleep", "300"], close_fds=False)
    forked = os.fork()
    if forked == 0:
        time.sleep(300)
        os._exit(0)
    try:
        assert held(path)
        lease.release()
        assert not held(path)
        Lease.acquire(tmp_path, "shop-db", "J2", "backup").release()
    finally:
        spawned.kill()
        spawned.wait()
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)


def test_a_forked_child_that_ends_does_not_free_it(tmp_path: Path) -> None:
    with Lease.acquire(tmp_path, "shop-db", "J1", "backup") as lease:
        child = os.fork()
        if child == 0:
            lease.release()
            os._exit(0)
        os.waitpid(child, 0)
        assert held(lease_path(tmp_path, "shop-db"))
        note = read_note(lease_path(tmp_path, "shop-db"))
        assert note and note.released is None


def test_looking_at_a_lock_never_refuses_its_taker(tmp_path: Path) -> None:
    path = lease_path(tmp_path, "shop-db")
    Lease.acquire(tmp_path, "shop-db", "J", "o").release()
    program = (
        "import sys\nfrom pathlib import Path\nfrom engine.jobs.locks import held\n"
        "print('looking', flush=True)\nwhile True: held(Path(sys.argv[1]))\n"
    )
    looker = subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE)
    assert looker.stdout and looker.stdout.readline() == b"looking\n"
    try:
        for _ in range(100):
            Lease.acquire(tmp_path, "shop-db", "J", "o").release()
    finally:
        end(looker)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\0" * 600, b'{"job":"' + b"x" * 90_000, b"[[" * 50_000, b'{"pid":1}'],
    ids=["empty", "torn", "zeros", "long", "deep", "partial"],
)
def test_a_damaged_note_neither_stops_nor_misleads(tmp_path: Path, content: bytes) -> None:
    path = lease_path(tmp_path, "shop-db")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with Lease.acquire(tmp_path, "shop-db", "J1", "backup") as lease:
        assert lease.warning is None
        path.write_bytes(content)
        with pytest.raises(HeldError, match="left no name"):
            Lease.acquire(tmp_path, "shop-db", "J2", "backup")


def test_a_pid_that_came_again_is_another_process(tmp_path: Path) -> None:
    me = locks.myself("J", "o", "root", SINCE)
    assert me.alive and me.started > 0 and me.boot
    later = msgspec.structs.replace(me, started=me.started - 1)
    assert not later.alive
    assert not msgspec.structs.replace(me, boot="another boot").alive
    assert not procfs.tell(later.pid, later.started, signal.SIGTERM)
    path = lease_path(tmp_path, "shop-db")
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode(later))
    with Lease.acquire(tmp_path, "shop-db", "J2", "o") as lease:
        assert lease.warning and "died without" in lease.warning.message


def test_process_names_with_brackets_are_read_right(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "300"], start_new_session=True)
    try:
        found = procfs.look(process.pid)
        assert found and found.parent == os.getpid() and found.session == process.pid
    finally:
        process.kill()
        process.wait()
    assert procfs.look(process.pid) is None


def test_a_lock_file_that_was_removed_does_not_split_the_lock(tmp_path: Path) -> None:
    first = Lock.take(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    with pytest.raises(Busy):
        Lock.adopt(tmp_path / "lock", os.dup(first.fd))
    with Lock.take(tmp_path / "lock") as second:
        assert held(tmp_path / "lock")
        with pytest.raises(Busy):
            Lock.take(tmp_path / "lock")
        assert second.fd != first.fd
    first.release()


def test_a_place_without_real_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda fd, how: None)
    with pytest.raises(ConfigurationError, match="keeps no locks") as refusal:
        Lease.acquire(tmp_path, "shop-db", "J", "o")
    assert "MENTAT_DR_STATE" in refusal.value.remedy

    def none(fd: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(ConfigurationError, match="keeps no locks"):
        Lease.acquire(tmp_path, "shop-db", "J", "o")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made: Not a directory"):
        Lease.acquire(tmp_path / "file", "shop-db", "J", "o")
    lease_path(tmp_path, "shop-db").parent.mkdir()
    lease_path(tmp_path, "shop-db").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Lease.acquire(tmp_path, "shop-db", "J", "o")


def test_the_holder_comes_back_from_its_note(tmp_path: Path) -> None:
    with Lease.acquire(tmp_path, "shop-db", "J1", "backup", now=SINCE) as lease:
        note = read_note(lease_path(tmp_path, "shop-db"))
        assert note == lease.holder and isinstance(note, Holder)
        assert (note.job, note.operation, note.since) == ("J1", "backup", SINCE)
