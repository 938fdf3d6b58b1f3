"""The directory store keeps the contract, and what only a directory can promise."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.adapters.local_store import LocalStore
from engine.core.errors import BucketMissing, NoSpace, StoreDenied, StoreError
from tests.contracts.object_store_contract import ObjectStoreContract
from tests.contracts.upload_contract import (
    MIB,
    OpenStore,
    keys,
    noise,
    put_part,
    race_to_complete,
    upload_whole,
)


class TestLocalStore(ObjectStoreContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "store"
        root.mkdir()
        return root

    @pytest.fixture
    def open_store(self, root: Path) -> OpenStore:
        return lambda: LocalStore(root, "local", "dr")

    def test_is_not_offsite(self, open_store: OpenStore) -> None:
        assert not open_store().offsite
        assert open_store().name == "local"

    def test_completing_has_one_winner(self, open_store: OpenStore) -> None:
        for turn in range(20):
            bodies = [noise(1000, seed) for seed in range(8)]
            assert len(race_to_complete(open_store(), f"race/{turn}", bodies)) == 1

    def test_without_a_prefix(self, root: Path) -> None:
        store = LocalStore(root)
        store.put("k", b"x")
        assert (root / "k").read_bytes() == b"x"
        assert str(root) in store.name

    def test_modes(self, root: Path, open_store: OpenStore) -> None:
        old = os.umask(0)
        try:
            open_store().put("a/b/c", b"x")
            upload_whole(open_store(), "a/b/d", b"y")
        finally:
            os.umask(old)
        for path in (root / "dr").rglob("*"):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path
        assert stat.S_IMODE((root / "dr").stat().st_mode) == 0o700

    def test_missing_root(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path / "not mounted", "local", "dr")
        for verb in (
            lambda: store.put("k", b"x"),
            lambda: store.get("k"),
            lambda: store.size("k"),
            lambda: store.delete("k"),
            lambda: store.begin_upload("k"),
            lambda: list(store.list()),
            store.pending_uploads,
        ):
            with pytest.raises(BucketMissing) as caught:
                verb()
            assert str(tmp_path / "not mounted") in caught.value.remedy
        assert not (tmp_path / "not mounted").exists()

    def test_a_key_cannot_be_object_and_folder(self, open_store: OpenStore) -> None:
        store = open_store()
        store.put("a", b"x")
        with pytest.raises(StoreError):
            store.put("a/b", b"y")
        store.put("c/d", b"x")
        with pytest.raises(StoreError):
            store.put("c", b"y")
        assert keys(store) == ["a", "c/d"]
        assert not store.pending_uploads()

    def test_links_are_not_followed(self, root: Path, open_store: OpenStore) -> None:
        store = open_store()
        store.put("a/b", b"x")
        (root / "secret").write_text("not yours")
        (root / "dr" / "a" / "link").symlink_to(root / "secret")
        (root / "dr" / "loop").symlink_to(root / "dr")
        assert keys(store) == ["a/b"]
        with pytest.raises(StoreError):
            store.get("a/link")

    def test_foreign_names_are_left_out(self, root: Path, open_store: OpenStore) -> None:
        store = open_store()
        store.put("a/b", b"x")
        (root / "dr" / "a" / "esc\x1b[0m").write_text("x")
        Path(os.fsdecode(os.fsencode(root / "dr" / "a") + b"/\xff\xfe")).write_text("x")
        assert keys(store) == ["a/b"]

    def test_empty_folders_go(self, root: Path, open_store: OpenStore) -> None:
        store = open_store()
        store.put("a/b/c/d", b"x")
        store.delete("a/b/c/d")
        upload = store.begin_upload("x/y/z")
        upload.abort()
        store.delete("x/y/z")
        assert list(root.rglob("*")) == [root / "dr"]

    def test_killed_while_writing(self, root: Path, open_store: OpenStore) -> None:
        store = open_store()
        script = f"""
            import pathlib, time
            from engine.adapters.local_store import LocalStore
            upload = LocalStore(pathlib.Path({str(root)!r}), "", "dr").begin_upload("a/b")
            upload.put_part(1, bytes(1000), b"")
            print("written", flush=True)
            time.sleep(600)
        """
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout
        assert child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert keys(store) == []
        (pending,) = store.pending_uploads()
        assert pending.key == "a/b"
        store.abort_upload(pending)
        assert list(root.rglob("*")) == [root / "dr"]

    def test_parts_that_never_come_hold_no_more_than_the_limit(self, open_store: OpenStore) -> None:
        upload = open_store().begin_upload("k")
        for number in range(2, 10):  # 64 MiB wait for part 1
            put_part(upload, number, noise(8 * MIB))
        put_part(upload, 1, b"x")
        upload.complete()
        assert open_store().size("k") == 8 * 8 * MIB + 1


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
class TestFullDisk:
    @pytest.fixture
    def mount(self, tmp_path: Path) -> Iterator[Path]:
        place = tmp_path / "small"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=True)
        yield place
        subprocess.run(["umount", "--lazy", place], check=True)

    def test_no_space(self, mount: Path) -> None:
        store = LocalStore(mount, "local", "dr")
        store.put("kept", b"x" * 1000)
        with pytest.raises(NoSpace) as caught:
            store.put("big/one", noise(5 * MIB))
        assert str(mount) in caught.value.message
        assert "bytes free" in caught.value.message
        upload = store.begin_upload("big/two")
        put_part(upload, 1, noise(2 * MIB))
        with pytest.raises(NoSpace):
            put_part(upload, 2, noise(3 * MIB))
        with pytest.raises(StoreError):
            upload.complete()
        upload.abort()
        assert keys(store) == ["kept"]
        assert not store.pending_uploads()
        store.put("fits", noise(3 * MIB))

    def test_read_only(self, mount: Path) -> None:
        store = LocalStore(mount, "local", "dr")
        store.put("kept", b"x")
        subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
        with pytest.raises(StoreDenied):
            store.put("new", b"y")
        with pytest.raises(StoreDenied):
            store.delete("kept")
        assert store.get("kept") == b"x"
