"""Files that vanish, change or cannot be read: a warning or a failure, never a silent gap."""

from __future__ import annotations

import contextlib
import os
import random
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.adapters import command
from engine.adapters.volume import GnuTar
from engine.core.commands import Command
from engine.core.errors import TreeError
from tests.integration.hostile_tree import differences
from tests.integration.test_volumes import copy

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
trees = GnuTar()


@contextlib.contextmanager
def churning(folder: Path) -> Iterator[None]:
    """Files below folder come, go, grow and shrink as fast as one thread can."""
    folder.mkdir()
    over = threading.Event()

    def churn() -> None:
        dice = random.Random(20261122)
        while not over.is_set():
            path = folder / f"file-{dice.randrange(300)}"
            with contextlib.suppress(OSError):
                match dice.randrange(6):
                    case 0 | 1:
                        path.write_bytes(b"x" * dice.randrange(300_000))
                    case 2:
                        path.unlink()
                    case 3:
                        os.truncate(path, 0)
                    case 4:
                        path.rename(folder / f"file-{dice.randrange(300)}")
                    case _:
                        with path.open("ab") as stream:
                            stream.write(b"y" * 5000)

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_churn_gives_warnings_and_a_whole_archive_of_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "quiet").mkdir(parents=True)
    for index in range(200):
        (source / "quiet" / f"file-{index}").write_bytes(os.urandom(2000))
    told: set[str] = set()
    with churning(source / "hot"):
        for turn in range(15):
            target = tmp_path / f"target-{turn}"
            packed, unpacked, _, members = copy(source, target)
            warnings = trees.pack_warnings(packed.stderr, source)
            assert packed.exit_status == (1 if warnings else 0)
            assert unpacked.exit_status == 0
            assert members == trees.count(target, ["."])
            assert differences(source / "quiet", target / "quiet") == []
            told.update(warnings)
    words = {"vanished before it was read", "changed while it was read"}
    assert words <= {w.split(" ", 1)[1] for w in told}
    assert all(w.startswith("hot") for w in told)


def test_a_file_that_shrinks_is_told_with_what_is_missing(tmp_path: Path) -> None:
    """Held between header and contents by a pipe that nobody reads."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "a-big").write_bytes(os.urandom(30 << 20))
    (source / "z-next").write_bytes(b"still whole")
    child = command.start(trees.pack_command(source, ["a-big", "z-next"], []), stdout=command.PIPE)
    child.stdout.read(1 << 20)
    os.truncate(source / "a-big", 20 << 20)
    (tmp_path / "target").mkdir()
    while child.stdout.read(1 << 20):
        pass
    ended = child.wait()
    assert ended.exit_status == 1
    assert trees.pack_warnings(ended.stderr, source) == [
        f"a-big shrank by {10 << 20} bytes while it was read; the copy ends in as many zeros"
    ]


def as_nobody(built: Command) -> Command:
    drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    kept = tuple(word for word in built.argv if word != "--atime-preserve=system")
    return Command((*drop, *kept), built.name, env=built.env, warn_exits=built.warn_exits)


@needs_root
def test_what_may_not_be_read_fails_and_is_named(tmp_path: Path) -> None:
    for folder in (*tmp_path.parents[:-1], tmp_path):
        if folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o5)
    (tmp_path / "open").write_text("x")
    (tmp_path / "secret\x1b[31m").write_text("x")
    (tmp_path / "secret\x1b[31m").chmod(0)
    (tmp_path / "locked").mkdir(mode=0)
    ended = command.run(as_nobody(trees.pack_command(tmp_path, ["."], [])), check=False)
    assert ended.exit_status == 2 and not ended.warned
    error = trees.pack_error(ended.stderr)
    assert "Permission denied (and 1 more)" in str(error)
    assert "\x1b" not in str(error)


@needs_root
def test_a_disk_that_cannot_be_read_fails(tmp_path: Path) -> None:
    """A file that points to a block the disk does not have."""
    image, mounted = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as stream:
        stream.truncate(16 << 20)
    mounted.mkdir()
    old = ("-b", "1024", "-O", "^extents,^64bit,^metadata_csum")
    subprocess.run(["mkfs.ext4", "-q", "-F", *old, image], check=True)
    with mounting(image, mounted):
        for name in ("good", "lost"):
            (mounted / name).write_bytes(os.urandom(40_000))
    show = ["debugfs", "-R", "stat /lost", str(image)]
    blocks = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    found = re.search(r"\(IND\):(\d+)", blocks)
    assert found
    with image.open("r+b") as stream:
        stream.seek(int(found[1]) * 1024)
        stream.write(b"\xf0\xff\xff\x7f" * 8)
    with mounting(image, mounted, "ro"):
        ended = command.run(trees.pack_command(mounted, ["good", "lost"], []), check=False)
        assert ended.exit_status == 1  # tar says that it shrank
        with pytest.raises(TreeError, match=r"not everything could be read: .*lost"):
            trees.pack_warnings(ended.stderr, mounted)


@contextlib.contextmanager
def mounting(what: Path | str, where: Path, options: str = "rw") -> Iterator[None]:
    kind = ["-t", "tmpfs"] if what == "tmpfs" else []
    how = options if what == "tmpfs" else f"loop,{options}"
    done = subprocess.run(["mount", *kind, "-o", how, what, where], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not mount: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", where], check=True)


@needs_root
def test_what_is_mounted_inside_is_left_out_with_a_word_or_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "mounted").mkdir(parents=True)
    (source / "file").write_text("x")
    with mounting("tmpfs", source / "mounted"):
        (source / "mounted" / "inside").write_text("x")
        survey = trees.survey(source, ["."], [])
        assert survey.warnings == ("mounted is a file system of its own; its content is left out",)
        assert not trees.survey(source, ["."], ["/mounted"]).warnings
        packed, _, _, members = copy(source, tmp_path / "without")
        assert trees.pack_warnings(packed.stderr, source) == list(survey.warnings)
        assert members == survey.members == trees.count(tmp_path / "without", ["."]) == 3
        assert list((tmp_path / "without" / "mounted").iterdir()) == []
        both = [".", "mounted"]
        survey = trees.survey(source, both, [])
        packed, _, _, members = copy(source, tmp_path / "with", both)
        assert not survey.warnings
        assert members == survey.members == trees.count(tmp_path / "with", both) == 4
        assert (tmp_path / "with" / "mounted" / "inside").read_text() == "x"


@needs_root
def test_attributes_a_target_cannot_hold_are_told(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "file").write_text("x")
    os.setxattr(source / "file", "user.color", b"blue")
    target.mkdir()
    with mounting("tmpfs", target):  # takes no user attributes before Linux 6.6
        archive = command.run(trees.pack_command(source, ["."], [])).stdout
        ended = command.run(trees.unpack_command(target), stdin=archive)
        kept = os.listxattr(target / "file")
    assert (kept == ["user.color"]) == (not trees.unpack_warnings(ended.stderr))


@needs_root
def test_a_full_disk_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "source" / "file").write_bytes(os.urandom(3 << 20))
    archive = command.run(trees.pack_command(tmp_path / "source", ["."], [])).stdout
    with mounting("tmpfs", tmp_path / "target", "size=1m"):
        ended = command.run(trees.unpack_command(tmp_path / "target"), stdin=archive, check=False)
    assert not ended.ok
    assert "the disk is full" in str(trees.unpack_error(ended.stderr))
