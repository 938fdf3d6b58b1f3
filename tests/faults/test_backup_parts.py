"""Parts of a backup that fail, or are not what they seem: the rest goes on and nothing lies."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.adapters.local_store import LocalStore
from engine.core.errors import NoSpace, StoreError
from engine.core.recovery import Target
from engine.core.snapshot import Artifact, parse_key
from engine.repository import reading, writing
from engine.repository.writing import ArtifactWriter
from engine.settings import SourceSettings, StoreSettings
from tests import site as sites
from tests.lab import Lab
from tests.site import HOUR, Site, expect


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def plain_site(root: Path, *sources: SourceSettings, local: bool = False) -> Iterator[Site]:
    (root / "store").mkdir()
    store = StoreSettings("directory", path=str(root / "store"))
    with sites.site(root / "site", store, sources, passphrase=None, local=local) as made:
        yield made


def config(name: str, *paths: Path) -> SourceSettings:
    return SourceSettings(name, "config", HOUR, HOUR, paths=tuple(map(str, paths)))


def test_a_full_local_tier_costs_a_warning_and_nothing_else(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "noise").write_bytes(os.urandom(40 << 20))
    with plain_site(tmp_path, config("etc", live), local=True) as site:
        with small_disk(site.root / "local", "10m"):
            job = expect(site.backup("etc"), "warnings")
            assert [w.code for w in job.warnings] == ["local-tier"]
            assert not [p for p in (site.root / "local" / "v1").rglob("*") if p.is_file()]
            out = tmp_path / "out"
            expect(site.restore("etc", Target("directory", str(out)), passphrase=""))
        restored = out / str(live).lstrip("/") / "noise"
        assert restored.read_bytes() == (live / "noise").read_bytes()


class _Full:
    """The local tier of a disk that fills up at one moment for all threads that write to it."""

    name = "local"

    def __init__(self) -> None:
        self.together = threading.Barrier(4)
        self.aborted = 0

    def begin_upload(self, key: str) -> _Full:
        return self

    def put_part(self, number: int, body: memoryview, sha256: bytes) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            self.together.wait(5)
        raise NoSpace("the disk is full")

    def abort(self) -> None:
        self.aborted += 1
        raise StoreError("nor can it be removed")


def test_uploads_that_fail_locally_at_the_same_moment_leave_the_primary_alone(
    tmp_path: Path,
) -> None:
    local = _Full()
    writer = ArtifactWriter(LocalStore(tmp_path, "primary"), "v1/h/s/r/a", local)  # type: ignore[arg-type]
    source, sink = os.pipe()
    size = 4 * writing.PART_BYTES

    def feed() -> None:
        with os.fdopen(sink, "wb") as stream:
            stream.write(bytes(size))

    thread = threading.Thread(target=feed)
    thread.start()
    facts = writer.write_from(source)
    thread.join()
    os.close(source)
    writer.complete()
    assert facts.size == (tmp_path / "v1/h/s/r/a").stat().st_size == size
    assert local.aborted == 1 and writer.local_error is not None and not writer.local_kept


def test_damage_in_a_large_part_is_made_good_from_the_other_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PART_BYTES", 40 << 20)
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
    near, far = (LocalStore(tmp_path / name, name) for name in ("near", "far"))
    content = os.urandom(50 << 20)
    file = tmp_path / "content"
    file.write_bytes(content)
    writer = ArtifactWriter(far, "v1/h/s/r/a", near)
    with file.open("rb") as stream:
        facts = writer.write_from(stream.fileno())
    writer.complete()
    with (tmp_path / "near/v1/h/s/r/a").open("r+b") as stream:
        stream.seek(20 << 20)
        stream.write(b"damaged")
    artifact = Artifact("a", 0, "", facts.size, facts.sha256, facts.parts)
    told: list[str] = []
    body = b"".join(
        reading.read_artifact(
            [near, far], "v1/h/s/r/a", artifact, lambda store, _error: told.append(store.name)
        )
    )
    assert body == content
    assert told == ["near"]


def test_the_local_tier_serves_a_restore_while_the_store_is_away(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "file").write_text("backed up")
    with plain_site(tmp_path, config("etc", live), local=True) as site:
        expect(site.backup())
        (tmp_path / "store").rename(tmp_path / "away")
        out = tmp_path / "out"
        expect(site.restore("etc", Target("directory", str(out)), passphrase=""))
        assert (out / str(live).lstrip("/") / "file").read_text() == "backed up"
        assert not site.engine.posture().store.reachable


def test_observability_paths_are_backed_up_and_a_link_is_told(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "file").write_text("backed up")
    (tmp_path / "link").symlink_to("live")
    rules = SourceSettings("rules", "observability", HOUR, HOUR, paths=(str(live),))
    with plain_site(tmp_path, rules, config("link", tmp_path / "link")) as site:
        expect(site.backup("rules"))
        out = tmp_path / "out"
        expect(site.restore("rules", Target("directory", str(out)), passphrase=""))
        assert (out / str(live).lstrip("/") / "file").read_text() == "backed up"
        job = expect(site.backup("link"), "warnings")
        assert "is a symbolic link" in job.warnings[0].message


def test_a_mount_point_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    disk = tmp_path / "disk"
    disk.mkdir()
    with plain_site(tmp_path, config("etc", live)) as site:
        expect(site.backup())
        with small_disk(disk, "10m"):
            job = site.restore("etc", Target("directory", str(disk)), passphrase="")
            assert job.failure is not None
            assert "mount point" in job.failure.message and str(disk) in job.failure.remedy
            expect(site.restore("etc", Target("directory", str(disk / "new")), passphrase=""))


@pytest.mark.parametrize("name", ["a$(id)", "UP", "a b", "..", "\x1b[31m"])
def test_keys_with_names_that_nobody_may_have_are_no_snapshots(name: str) -> None:
    ref = "20261122T020000Z-full-1a2b3c4d"
    assert parse_key(f"v1/landsraad/etc/{ref}/manifest.json") is not None
    assert parse_key(f"v1/{name}/etc/{ref}/manifest.json") is None
    assert parse_key(f"v1/landsraad/{name}/{ref}/manifest.json") is None


@pytest.mark.lab
def test_a_volume_that_stands_for_a_folder_is_that_folder(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "file").write_text("backed up")
    volume = f"bound-{tmp_path.name}".lower()
    lab.docker(
        *("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={folder}", volume)
    )
    (tmp_path / "store").mkdir()
    store = StoreSettings("directory", path=str(tmp_path / "store"))
    source = SourceSettings("uploads", "volume", HOUR, HOUR, volume=volume)
    try:
        with sites.site(
            tmp_path / "site", store, [source], docker=lab.docker_host, passphrase=None
        ) as site:
            expect(site.backup())
            out = tmp_path / "out"
            expect(site.restore("uploads", Target("directory", str(out)), passphrase=""))
            assert (out / "file").read_text() == "backed up"
    finally:
        lab.docker("volume", "rm", volume)
