"""Artifacts through real directories: written in parts, read back proven."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from engine.adapters.local_store import LocalStore
from engine.core.errors import ArtifactMissing, MentatError, ObjectDamaged, ObjectTruncated
from engine.core.snapshot import Artifact, Part
from engine.ports import ObjectStore
from engine.repository import writing
from engine.repository.reading import read_artifact
from engine.repository.writing import ArtifactWriter, StoredFacts, part_bytes

KEY = "v1/host/source/20261122T020000Z-full-00000000/files.tar.zst.gpg"
KIB = 1024


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    (tmp_path / "primary").mkdir()
    return LocalStore(tmp_path / "primary", "primary")


@pytest.fixture
def other(tmp_path: Path) -> LocalStore:
    (tmp_path / "other").mkdir()
    return LocalStore(tmp_path / "other", "other")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART_BYTES", 64 * KIB)


def write(writer: ArtifactWriter, content: bytes) -> StoredFacts:
    read_end, write_end = os.pipe()

    def feed() -> None:
        with os.fdopen(write_end, "wb") as stream:
            stream.write(content)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        return writer.write_from(read_end)
    finally:
        thread.join()
        os.close(read_end)


def stored(facts: StoredFacts, content: bytes) -> Artifact:
    raw = hashlib.sha256(content).hexdigest()
    return Artifact("files", len(content), raw, facts.size, facts.sha256, facts.parts)


def put(store: ObjectStore, content: bytes, local: ObjectStore | None = None) -> Artifact:
    writer = ArtifactWriter(store, KEY, local)
    facts = write(writer, content)
    writer.complete()
    return stored(facts, content)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3_000_000])
def test_what_was_written_is_read_back(store: LocalStore, size: int) -> None:
    content = os.urandom(size)
    artifact = put(store, content)
    assert artifact.stored_bytes == size == sum(p.size for p in artifact.parts)
    assert artifact.stored_sha256 == hashlib.sha256(content).hexdigest()
    assert b"".join(read_artifact([store], KEY, artifact)) == content


@pytest.mark.usefixtures("small_parts")
def test_nothing_is_visible_before_complete(store: LocalStore) -> None:
    writer = ArtifactWriter(store, KEY)
    write(writer, b"x" * 200_000)
    assert list(store.list()) == []
    writer.abort()
    assert list(store.list()) == [] and not store.pending_uploads()


@pytest.mark.usefixtures("small_parts")
def test_the_local_tier_gets_the_same_bytes(store: LocalStore, other: LocalStore) -> None:
    content = os.urandom(500_000)
    put(store, content, other)
    assert other.get(KEY) == store.get(KEY) == content


class FullDisk:
    """A local tier whose disk fills up after some parts."""

    def __init__(self, inner: LocalStore, after: int) -> None:
        self._inner = inner
        self._after = after

    def begin_upload(self, key: str) -> FullDisk:
        self._upload = self._inner.begin_upload(key)
        return self

    def put_part(self, number: int, body: bytes | memoryview, sha256: bytes) -> None:
        if number > self._after:
            raise MentatError("the disk is full")
        self._upload.put_part(number, body, sha256)

    def complete(self) -> None:
        self._upload.complete()

    def abort(self) -> None:
        self._upload.abort()


@pytest.mark.usefixtures("small_parts")
def test_a_full_local_tier_does_not_cost_the_offsite_copy(
    store: LocalStore, other: LocalStore
) -> None:
    content = os.urandom(800_000)
    writer = ArtifactWriter(store, KEY, FullDisk(other, 3))  # type: ignore[arg-type]
    facts = write(writer, content)
    writer.complete()
    assert writer.local_error is not None and not writer.local_kept
    assert b"".join(read_artifact([store], KEY, stored(facts, content))) == content
    assert list(other.list()) == []


@pytest.mark.usefixtures("small_parts")
def test_a_failing_primary_is_raised_and_never_hangs(store: LocalStore) -> None:
    writer = ArtifactWriter(FullDisk(store, 2), KEY)  # type: ignore[arg-type]
    read_end, write_end = os.pipe()
    # /dev/zero never ends: only the error ends the writer.
    os.close(write_end)
    os.close(read_end)
    with Path("/dev/zero").open("rb") as endless, pytest.raises(MentatError, match="disk is full"):
        writer.write_from(endless.fileno())
    writer.abort()


def path_of(store: LocalStore, root: Path) -> Path:
    return next(p for p in root.rglob("files.tar.zst.gpg"))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("offset", [0, 70_000, 299_999])
def test_a_flipped_bit_is_found_before_its_part_is_passed_on(
    store: LocalStore, tmp_path: Path, offset: int
) -> None:
    artifact = put(store, os.urandom(300_000))
    file = path_of(store, tmp_path / "primary")
    content = bytearray(file.read_bytes())
    content[offset] ^= 1
    file.write_bytes(content)
    passed = b""
    with pytest.raises(ObjectDamaged):
        for chunk in read_artifact([store], KEY, artifact):
            passed += chunk
    assert len(passed) <= offset


@pytest.mark.usefixtures("small_parts")
def test_truncated_and_missing_are_told_apart(store: LocalStore, tmp_path: Path) -> None:
    artifact = put(store, os.urandom(300_000))
    file = path_of(store, tmp_path / "primary")
    os.truncate(file, 250_000)
    with pytest.raises(ObjectTruncated):
        list(read_artifact([store], KEY, artifact))
    file.unlink()
    with pytest.raises(ArtifactMissing):
        list(read_artifact([store], KEY, artifact))


@pytest.mark.usefixtures("small_parts")
def test_a_damaged_first_store_is_replaced_by_the_second(
    store: LocalStore, other: LocalStore, tmp_path: Path
) -> None:
    content = os.urandom(600_000)
    artifact = put(store, content, other)
    file = path_of(other, tmp_path / "other")
    damaged = bytearray(content)
    damaged[400_000] ^= 0xFF
    file.write_bytes(damaged)
    said: list[str] = []
    chunks = read_artifact([other, store], KEY, artifact, lambda s, e: said.append(e.code))
    assert b"".join(chunks) == content
    assert said == ["object-damaged"]


def test_parts_too_large_for_one_range_are_still_proven(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.repository import reading

    monkeypatch.setattr(reading, "_MOST", 10_000)
    content = os.urandom(45_000)
    store.put(KEY, content)
    digest = hashlib.sha256(content).hexdigest()
    good = Artifact("files", 1, "", 45_000, digest, (Part(45_000, digest),))
    assert b"".join(read_artifact([store], KEY, good)) == content
    bad = Artifact("files", 1, "", 45_000, digest, (Part(45_000, "0" * 64),))
    with pytest.raises(ObjectDamaged):
        list(read_artifact([store], KEY, bad))


def test_ten_thousand_parts_hold_the_largest_object() -> None:
    assert part_bytes(1) == 8 << 20
    assert max(part_bytes(n) for n in range(1, 10_001)) < 5 << 30
    assert sum(part_bytes(n) for n in range(1, 10_001)) > 5 << 40
