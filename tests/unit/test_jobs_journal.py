"""The journal: whole lines, in order, durable, whatever happens to its writer."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from engine.core.events import Failed, Output, Result, Started, Warned
from engine.jobs import codec, journal
from engine.jobs.journal import Journal, read, read_all


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def lines(path: Path) -> list[str]:
    return [r.event.line for r in read_all(path)[0] if isinstance(r.event, Output)]


def test_records_are_numbered_timed_and_private(path: Path) -> None:
    east = datetime(2026, 11, 22, 4, 14, tzinfo=timezone(timedelta(hours=2)))
    with Journal(path, lambda: east) as writer:
        first = writer.append(Started(1, "landsraad"))
        writer.append(Result("done", "all of it"))
    assert first.seq == 1
    assert path.read_bytes().startswith(b'{"seq":1,"at":"2026-11-22T02:14:00Z","event":"started",')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    records, offset = read(path)
    assert [r.seq for r in records] == [1, 2]
    assert records[0] == first and records[0].at.utcoffset() == timedelta(0)
    assert offset == path.stat().st_size
    assert read(path, offset) == ([], offset)


def test_a_missing_journal_reads_as_empty(path: Path) -> None:
    assert read(path) == ([], 0)


def test_it_is_not_written_through_a_link(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("kept")
    path.symlink_to(target)
    with pytest.raises(OSError):
        Journal(path)
    assert target.read_text() == "kept"


def test_each_event_is_synced_before_append_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def sync(fd: int) -> None:
        real(fd)
        synced.append(path.stat().st_size)

    monkeypatch.setattr(os, "fdatasync", sync)
    with Journal(path) as writer:
        for number in range(3):
            writer.append(Output(str(number)))
            assert synced[-1] == path.stat().st_size and len(synced) == number + 1


def test_a_line_torn_at_any_byte_is_ignored_and_then_repaired(path: Path) -> None:
    with Journal(path) as writer:
        for word in ("one", "two", "three"):
            writer.append(Output(word))
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        assert lines(path) == ["one", "two", "three"][:whole]
        with Journal(path) as writer:
            record = writer.append(Output("next"))
        assert record.seq == whole + 1
        assert lines(path) == [*["one", "two", "three"][:whole], "next"]


@pytest.mark.parametrize("torn", [b"\0" * 4096, b"\xff{", b'{"seq":9', b"x" * 300_000])
def test_strange_tails_do_not_stop_a_writer(path: Path, torn: bytes) -> None:
    with Journal(path) as writer:
        writer.append(Output("one"))
    with path.open("ab") as stream:
        stream.write(torn)
    with Journal(path) as writer:
        writer.append(Output("two"))
    assert lines(path)[0] == "one" and lines(path)[-1] == "two"
    assert all("unreadable" in line for line in lines(path)[1:-1])


def test_a_bad_line_in_the_middle_is_shown_and_passed(path: Path) -> None:
    with Journal(path) as writer:
        writer.append(Output("one"))
        os.write(writer._fd, b"garbage\n")
        writer.append(Output("two"))
    records, _ = read(path)
    assert [type(r.event) for r in records] == [Output, Output, Output]
    assert "garbage" in lines(path)[1] and lines(path)[::2] == ["one", "two"]
    assert records[1].at == records[0].at


def test_bytes_without_any_line_end_are_passed_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "WINDOW", 1000)
    path.write_bytes(b"x" * 2500 + b"\n")
    with Journal(path) as writer:
        writer.append(Output("after"))
    assert lines(path)[-1] == "after"
    assert "unreadable" in lines(path)[0]


def test_a_long_journal_is_read_in_windows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "WINDOW", 1000)
    with Journal(path) as writer:
        for number in range(200):
            writer.append(Output(f"{number} " + "y" * (number % 300)))
    first, offset = read(path)
    assert 0 < len(first) < 200 and offset <= 1000
    records, end = read_all(path)
    assert [r.seq for r in records] == list(range(1, 201))
    assert end == path.stat().st_size


def test_threads_and_readers_see_whole_lines_in_order(path: Path) -> None:
    seen: list[int] = []
    failures: list[Exception] = []
    done = threading.Event()

    def follow() -> None:
        offset = 0
        try:
            while True:
                last = done.is_set()
                records, offset = read(path, offset)
                for record in records:
                    assert isinstance(record.event, Output)
                    assert record.event.line.startswith("line ")
                    seen.append(record.seq)
                if last and not records:
                    return
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    with Journal(path) as writer:

        def tell(name: int) -> None:
            for number in range(50):
                writer.append(Output(f"line {name} {number} " + "z" * (37 * number)))

        reader = threading.Thread(target=follow)
        reader.start()
        tellers = [threading.Thread(target=tell, args=(n,)) for n in range(6)]
        for teller in tellers:
            teller.start()
        for teller in tellers:
            teller.join()
        done.set()
        reader.join()
    assert not failures
    assert seen == list(range(1, 301))


def test_readers_in_other_processes_see_the_same(path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom engine.jobs.journal import read\n"
        "from engine.core.events import Result\noffset, seqs = 0, []\n"
        "while True:\n"
        "    records, offset = read(Path(sys.argv[1]), offset)\n"
        "    seqs += [r.seq for r in records]\n"
        "    if any(isinstance(r.event, Result) for r in records): break\n"
        "    time.sleep(0.001)\n"
        "print(seqs == list(range(1, 202)))\n"
    )
    readers = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    with Journal(path) as writer:
        for number in range(200):
            writer.append(Output("w" * (number * 20)))
        writer.append(Result("done", ""))
    assert [reader.communicate(timeout=60)[0] for reader in readers] == [b"True\n"] * 3


def test_a_write_cut_short_leaves_whole_lines_and_raises(path: Path) -> None:
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        status = 1
        with Journal(path) as writer:
            try:
                for _ in range(100):
                    writer.append(Output("v" * 90))
            except OSError:
                status = 0
                try:
                    writer.append(Warned("w", "w" * 500))
                    status = 2
                except OSError:
                    pass
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    content = path.read_bytes()
    assert content.endswith(b"\n") and len(content) < 1000
    assert set(lines(path)) == {"v" * 90}
    with Journal(path) as writer:
        writer.append(Failed("no-space", "full", "free some", 1))
    assert [r.seq for r in read(path)[0]] == list(range(1, content.count(b"\n") + 2))


def test_an_append_broken_by_a_signal_does_not_spoil_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled may be raised between any two instructions of the writer."""
    with Journal(path) as writer:
        writer.append(Output("one"))
        real = os.write
        for torn in (0, 5, None):
            with monkeypatch.context() as patch:

                def write(fd: int, line: bytes, torn: int | None = torn) -> int:
                    real(fd, line[:torn])
                    raise KeyboardInterrupt

                patch.setattr(os, "write", write)
                with pytest.raises(KeyboardInterrupt):
                    writer.append(Output("broken"))
            writer.append(Output("next"))
    records, _ = read(path)
    assert [r.seq for r in records] == [1, 2, 3, 4, 5]
    assert lines(path) == ["one", "next", "next", "broken", "next"]


def test_the_line_limit_holds_in_the_file(path: Path) -> None:
    with Journal(path) as writer:
        writer.append(Output("long " * 100_000))
    assert path.stat().st_size <= codec.LINE_LIMIT
    assert datetime.now(UTC) >= read(path)[0][0].at
