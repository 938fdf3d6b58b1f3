"""Trees out and in again by GNU tar, judged by rsync."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.adapters import command
from engine.adapters.pipeline import Pipeline, Tap
from engine.adapters.volume import GnuTar
from engine.core.commands import Command, Ended
from engine.core.errors import SourceMissing, TreeError
from tests.integration import hostile_tree
from tests.integration.hostile_tree import differences

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

trees = GnuTar()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)  # deeper than shutil goes


def copy(
    source: Path, target: Path, paths: Sequence[str] = (".",), exclude: Sequence[str] = ()
) -> tuple[Ended, Ended, int, int]:
    """Pack and unpack through a tap: both ends, the bytes between, and the members packed."""
    target.mkdir()
    tap = Tap()
    with trees.counting(source, paths) as counted:
        stages: list[Command | Tap] = [
            trees.pack_command(source, paths, exclude, counted.listing),
            tap,
            trees.unpack_command(target),
        ]
        with Pipeline(stages) as pipeline:
            packed, unpacked = pipeline.wait()
    return packed, unpacked, tap.count, counted.members


def test_a_hostile_volume_comes_back_as_it_was(place: Path) -> None:
    source, target = place / "source", place / "target"
    source.mkdir()
    hostile_tree.build(source)
    packed, unpacked, size, members = copy(source, target)
    assert (packed.exit_status, packed.stderr) == (0, ())
    assert (unpacked.exit_status, trees.unpack_warnings(unpacked.stderr)) == (0, [])
    assert differences(source, target) == []
    assert differences(target, source) == []
    measured = trees.survey(source, ["."], [])
    assert members == measured.members == trees.count(target, ["."])
    assert not measured.warnings
    assert abs(measured.bytes - size) <= max(0.02 * size, 1 << 20)


def test_sparse_files_stay_sparse_and_are_packed_as_such(place: Path) -> None:
    source, target = place / "source", place / "target"
    (source / "sparse").mkdir(parents=True)
    shutil.rmtree(source / "sparse")
    hostile_tree._sparse(source)
    _, unpacked, size, _ = copy(source, target)
    assert unpacked.ok and size < 4 << 20
    for name in ("a-gigabyte", "only-a-hole"):
        there = (target / "sparse" / name).stat()
        assert there.st_size == 1 << 30
        assert there.st_blocks <= (source / "sparse" / name).stat().st_blocks + 64
    assert differences(source, target) == []


def test_links_and_privileges_in_detail(place: Path) -> None:
    """rsync is not asked here: what it would not see."""
    source, target = place / "source", place / "target"
    source.mkdir()
    hostile_tree.build(source)
    copy(source, target)
    hard = {(target / "kinds" / f"hard-{index}").stat().st_ino for index in range(5)}
    assert hard == {(target / "contents" / "size-4096").stat().st_ino}
    assert stat.S_IMODE((target / "kinds" / "hard-setuid").stat().st_mode) == 0o4755
    program = target / "attributes" / "capable"
    assert os.getxattr(program, "security.capability") == os.getxattr(
        source / "attributes" / "capable", "security.capability"
    )
    here, there = source.stat(), target.stat()
    for field in ("st_mode", "st_uid", "st_gid", "st_mtime_ns"):
        assert getattr(here, field) == getattr(there, field)
    for name in os.listxattr(source):
        assert os.getxattr(source, name) == os.getxattr(target, name)
    assert "system.posix_acl_default" in os.listxattr(target)


def test_reading_leaves_access_times_alone(place: Path) -> None:
    source = place / "source"
    source.mkdir()
    (source / "file").write_text("x" * 5000)
    os.utime(source / "file", ns=(1_000, 1_700_000_000_000_000_000))
    os.utime(source, ns=(1_000, 1_700_000_000_000_000_000))
    copy(source, place / "target")
    assert (source / "file").stat().st_atime_ns == 1_000


def test_a_socket_is_left_out_and_told(place: Path) -> None:
    source = place / "source"
    source.mkdir()
    (source / "file").write_text("x")
    hostile_tree.add_socket(source)
    packed, unpacked, _, members = copy(source, place / "target")
    assert packed.ok and unpacked.ok
    assert trees.pack_warnings(packed.stderr, source) == ["socket is a socket and is left out"]
    assert members == trees.survey(source, ["."], []).members == 2
    assert trees.count(place / "target", ["."]) == trees.count(source, ["."]) == 2


def test_what_tar_cannot_bring_back_is_told_before(place: Path) -> None:
    os.mkfifo(place / "fifo")
    os.link(place / "fifo", place / "other")
    here = os.open(place, os.O_RDONLY)
    try:
        for _ in range(20):
            os.mkdir("d" * 250, dir_fd=here)
            below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    told = sorted(trees.survey(place, ["."], []).warnings)
    assert [sentence.split(" ", 1) for sentence in told] == [
        ["ddd" * 33 + "d...", "is too long a path to be restored by tar"],
        ["fifo", "has several names, which come back as separate ones"],
        ["other", "has several names, which come back as separate ones"],
    ]


def test_chosen_paths_of_any_name(place: Path) -> None:
    source = place / "source"
    for name in hostile_tree.NAMES:
        (source / "etc" / os.fsdecode(name)).mkdir(parents=True)
        (source / "etc" / os.fsdecode(name) / "file").write_bytes(name)
    (source / "not-asked").write_text("x")
    paths = [os.fsdecode(b"etc/" + name) for name in hostile_tree.NAMES]
    packed, unpacked, _, members = copy(source, place / "target", paths)
    assert (packed.exit_status, packed.stderr, unpacked.exit_status) == (0, (), 0)
    assert not (place / "target" / "not-asked").exists()
    assert differences(source / "etc", place / "target" / "etc")[1:] == []
    assert members == trees.count(place / "target", paths) == 2 * len(paths)


def test_paths_inside_others_are_packed_once(place: Path) -> None:
    source = place / "source"
    (source / "etc" / "deep").mkdir(parents=True)
    (source / "etc" / "deep" / "file").write_text("x")
    for paths in (["etc/deep", "etc", "etc/", "./etc/deep/file"], ["etc/../etc"], [".", "etc"]):
        target = place / f"target-{len(paths)}"
        shutil.rmtree(target, ignore_errors=True)
        _, unpacked, _, members = copy(source, target, paths)
        assert unpacked.ok
        assert members == trees.survey(source, paths, []).members == trees.count(target, paths)
        assert differences(source / "etc", target / "etc") == []


@pytest.mark.parametrize("path", ["", "/etc", "..", "a/../..", "../etc", "a\0b"])
def test_a_path_outside_the_tree_is_refused(tmp_path: Path, path: str) -> None:
    for ask in (trees.pack_command, trees.survey):
        with pytest.raises(TreeError) as refused:
            ask(tmp_path, [path], [])
        assert refused.value.remedy


def test_a_missing_path_fails(place: Path) -> None:
    (place / "there").write_text("x")
    ended = command.run(trees.pack_command(place, ["there", "missing"], []), check=False)
    assert ended.exit_status == 2
    assert "missing: Cannot stat" in str(trees.pack_error(ended.stderr))


EXCLUDED = [
    (["*.swp"], {"a.swp", "d/b.swp", "d/e/.c.swp"}),
    (["/d"], {"d", "d/b.swp", "d/keep", "d/e", "d/e/.c.swp", "d/e/d", "d/e/d/x"}),
    (["/keep", "/e"], set()),
    (["d/e"], {"d/e", "d/e/.c.swp", "d/e/d", "d/e/d/x"}),
    (["/d/*"], {"d/b.swp", "d/keep", "d/e", "d/e/.c.swp", "d/e/d", "d/e/d/x"}),
    (["/d/*.swp"], {"d/b.swp"}),
    (["e/"], {"d/e", "d/e/.c.swp", "d/e/d", "d/e/d/x"}),
    (["keep"], {"d/keep"}),
    (["kee?"], {"d/keep"}),
    (["[jkl]eep", "[!a-c].swp"], {"d/keep"}),
    (["[[:alpha:]].swp"], {"a.swp", "d/b.swp"}),
    (["\\*.swp", "[]x]", "[x"], {"d/e/d/x", "]"}),
    (["-dash", "new\nline"], {"-dash", "new\nline"}),
    (["*"], None),
    (["/."], None),
]


@pytest.mark.parametrize(("patterns", "gone"), EXCLUDED)
@pytest.mark.parametrize("by", [".", "names"])
def test_exclusion_by_tar_and_by_measuring_agree(
    place: Path, patterns: list[str], gone: set[str] | None, by: str
) -> None:
    source, target = place / "source", place / "target"
    (source / "d" / "e" / "d").mkdir(parents=True)
    for name in ("a.swp", "d/b.swp", "d/keep", "d/e/.c.swp", "d/e/d/x", "-dash", "new\nline", "]"):
        (source / name).write_text("x")
    before = {str(p.relative_to(source)) for p in source.rglob("*")}
    if gone is None:
        if by == ".":
            with pytest.raises(TreeError, match="leave nothing"):
                trees.pack_command(source, ["."], patterns)
        return
    tops = ["."] if by == "." else [n for n in os.listdir(source) if n not in gone]  # noqa: PTH208
    packed, _, _, members = copy(source, target, tops, patterns)
    assert packed.ok
    after = {str(p.relative_to(target)) for p in target.rglob("*")}
    assert before - after == gone
    assert members == trees.survey(source, tops, patterns).members
    assert members == trees.count(target, tops)


@pytest.mark.parametrize("pattern", ["", "/", "//", "a\0b"])
def test_a_pattern_that_names_nothing_is_refused(tmp_path: Path, pattern: str) -> None:
    for ask in (trees.pack_command, trees.survey):
        with pytest.raises(TreeError):
            ask(tmp_path, ["."], [pattern])


def test_an_archive_cannot_write_outside_its_root(place: Path) -> None:
    source, target, outside = place / "source", place / "target", place / "outside"
    source.mkdir()
    outside.mkdir()
    target.mkdir()
    (source / "evil").write_text("x")
    for transform in (f"s,^,{outside}/,", "s,^,../outside/,"):
        made = subprocess.run(
            ["tar", "-C", source, "-P", f"--transform={transform}", "-cf", "-", "evil"],
            capture_output=True,
            check=True,
        )
        command.run(trees.unpack_command(target), stdin=made.stdout, check=False)
    assert list(outside.iterdir()) == []
    (source / "way").symlink_to(outside)
    by_link = subprocess.run(["tar", "-C", source, "-cf", "-", "way"], capture_output=True).stdout
    (source / "way").unlink()
    (source / "way").mkdir()
    (source / "way" / "evil").write_text("x")
    through = subprocess.run(["tar", "-C", source, "-cf", "-", "way/evil"], capture_output=True)
    joined = by_link[:512] + through.stdout
    command.run(trees.unpack_command(target), stdin=joined, check=False)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 100, 512, 40_000, -600_000])
def test_a_truncated_archive_fails(place: Path, cut: int) -> None:
    (place / "source").mkdir()
    for index in range(100):
        (place / "source" / f"{index}").write_bytes(os.urandom(9_999))
    whole = command.run(trees.pack_command(place / "source", ["."], [])).stdout
    (place / "target").mkdir()
    ended = command.run(trees.unpack_command(place / "target"), stdin=whole[:cut], check=False)
    assert not ended.ok


def test_a_swap_is_complete_or_refused(place: Path) -> None:
    new, live = place / "new", place / "live"
    new.mkdir()
    live.mkdir()
    (new / "n").touch()
    (live / "l").touch()
    trees.exchange(new, live)
    assert [p.name for p in live.iterdir()] == ["n"]
    assert [p.name for p in new.iterdir()] == ["l"]
    with pytest.raises(SourceMissing, match="gone is not there"):
        trees.exchange(place / "gone", live)
    with pytest.raises(TreeError, match="different file systems"):
        trees.exchange(Path("/dev/shm"), live)
    with pytest.raises(TreeError, match="inside the other"):
        trees.exchange(live / "n", live)
    assert [p.name for p in live.iterdir()] == ["n"]


def test_room_and_durability_are_asked_of_the_right_file_system(place: Path) -> None:
    assert trees.free_bytes(place / "not" / "yet") == trees.free_bytes(place)
    assert trees.free_bytes(Path("/dev/shm")) != trees.free_bytes(place)
    (place / "link").symlink_to("nowhere")
    os.mkfifo(place / "fifo")
    for path in (place, place / "link", place / "fifo"):
        trees.sync(path)
    with pytest.raises(TreeError):
        trees.sync(place / "no" / "such")
