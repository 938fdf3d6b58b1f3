"""What can be wrong at a restore: each has its own error and exit code, and the target stays."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.api import Engine
from engine.core.errors import MentatError
from engine.core.recovery import RestoreRequest, Target
from engine.core.snapshot import SnapshotId
from engine.settings import SourceSettings, StoreSettings
from tests import site as sites
from tests.site import HOUR, Site, expect


def tree(root: Path) -> Path:
    folder = root / "etc"
    (folder / "deep").mkdir(parents=True)
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / "deep" / "noise").write_bytes(bytes(range(256)) * 2000)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tree(tmp_path)
    (tmp_path / "store").mkdir()
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(folder),))
    store = StoreSettings("directory", path=str(tmp_path / "store"))
    with sites.site(tmp_path / "site", store, [source]) as made:
        expect(made.backup("etc"))
        yield made


def newest(site: Site) -> SnapshotId:
    return site.engine.find("etc", "latest").id


def artifact(site: Site) -> Path:
    snapshot = newest(site)
    return Path(site.engine.settings.repository.path) / snapshot.artifact_key("files.tar.zst.gpg")


def fail(site: Site, tmp_path: Path, **more: str) -> tuple[str, int]:
    """Restore to a directory and, unless it is refused at once, in place too; what it said."""
    live = {p: p.read_bytes() for p in (tmp_path / "etc").rglob("*") if p.is_file()}
    said = set()
    for target, confirm in (
        (Target("directory", str(tmp_path / "out")), ""),
        (Target("in-place"), "etc"),
    ):
        try:
            job = site.restore("etc", target, confirm=confirm, **more)  # type: ignore[arg-type]
        except MentatError as error:
            said.add((error.code, error.exit_code))
        else:
            assert job.failure is not None, job.state
            assert job.failure.message and job.failure.remedy
            assert "Traceback" not in job.failure.message
            said.add((job.failure.code, job.failure.exit_code))
    assert not (tmp_path / "out").exists()
    assert live == {p: p.read_bytes() for p in (tmp_path / "etc").rglob("*") if p.is_file()}
    leftovers = [p for p in tmp_path.iterdir() if p.name.startswith(".mentat-dr-restore-")]
    assert not leftovers and not site.engine.kept()
    assert len(said) == 1
    return said.pop()


def test_a_wrong_passphrase(site: Site, tmp_path: Path) -> None:
    assert fail(site, tmp_path, passphrase="no") == ("wrong-passphrase", 5)


def test_no_secret_key(site: Site, tmp_path: Path) -> None:
    for file in (site.state / "gnupg" / "private-keys-v1.d").iterdir():
        file.unlink()
    assert fail(site, tmp_path) == ("secret-key-missing", 5)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "code"),
    [(flip, "object-damaged"), (cut, "object-truncated"), (Path.unlink, "artifact-missing")],
)
def test_damaged_bytes(
    site: Site, tmp_path: Path, damage: Callable[[Path], None], code: str
) -> None:
    damage(artifact(site))
    assert fail(site, tmp_path) == (code, 7)


def test_an_altered_manifest_is_refused_until_its_ref_is_typed(site: Site, tmp_path: Path) -> None:
    snapshot = newest(site)
    manifest = Path(site.engine.settings.repository.path) / snapshot.manifest_key
    text = manifest.read_text()
    manifest.write_text(text.replace('"warnings": []', '"warnings": ["harmless"]'))
    assert manifest.read_text() != text
    assert fail(site, tmp_path) == ("manifest-altered", 7)
    target = Target("directory", str(tmp_path / "out"))
    expect(site.restore("etc", target, accept_unsigned=snapshot.ref))


def test_an_unsigned_manifest_is_refused(site: Site, tmp_path: Path) -> None:
    (Path(site.engine.settings.repository.path) / newest(site).signature_key).unlink()
    assert fail(site, tmp_path) == ("manifest-altered", 7)


def test_no_bucket(site: Site, tmp_path: Path) -> None:
    store = Path(site.engine.settings.repository.path)
    store.rename(tmp_path / "elsewhere")
    assert fail(site, tmp_path) == ("bucket-missing", 4)


def test_no_docker(site: Site, tmp_path: Path) -> None:
    source = SourceSettings("uploads", "volume", HOUR, HOUR, volume="uploads")
    settings = replace(
        site.engine.settings,
        sources=(*site.engine.settings.sources, source),
        docker=f"unix://{tmp_path}/none.sock",
    )
    from engine import settings_file

    settings_file.save(settings)
    job = Site(site.root, Engine.open(settings.file), site.passphrase).backup()
    assert job.failure is not None and job.failure.exit_code == 1
    assert {s.source for s in job.snapshots} == {"etc"}, (
        "the other source must be saved all the same"
    )
    assert any(w.code == "docker-unreachable" for w in job.warnings)


def test_a_full_disk(site: Site, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=True)
    try:
        job = site.restore("etc", Target("directory", str(small / "out")))
        assert job.failure is not None
        assert (job.failure.code, job.failure.exit_code) == ("no-space", 1)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_expired_key_still_decrypts_but_nothing_is_encrypted_to_it(
    site: Site, tmp_path: Path
) -> None:
    fingerprint = site.engine.settings.encryption.recipients[0]
    home = site.state / "gnupg"
    subprocess.run(
        [
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            site.passphrase or "",
            "--quick-set-expire",
            fingerprint,
            "seconds=1",
            "*",
        ],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            site.passphrase or "",
            "--quick-set-expire",
            fingerprint,
            "seconds=1",
        ],
        check=True,
        capture_output=True,
    )
    until_expired(home, fingerprint)
    job = site.backup("etc")
    assert job.failure is not None
    assert (job.failure.code, job.failure.exit_code) == ("key-expired", 5)
    expect(site.restore("etc", Target("directory", str(tmp_path / "out"))))


def until_expired(home: Path, fingerprint: str) -> None:
    import time

    for _ in range(50):
        listing = subprocess.run(
            ["gpg", "--homedir", str(home), "--with-colons", "--list-keys", fingerprint],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        rows = [line.split(":") for line in listing.splitlines()]
        if all(row[1] == "e" for row in rows if row[0] in ("pub", "sub")):
            return
        time.sleep(0.1)
    raise AssertionError(f"the key did not expire: {listing}")


def test_a_target_that_is_not_empty_is_refused(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("keep me")
    job = site.restore("etc", Target("directory", str(out)))
    assert job.failure is not None and job.failure.exit_code == 2
    assert (out / "mine").read_text() == "keep me"


def test_in_place_needs_the_name(site: Site) -> None:
    with pytest.raises(MentatError) as caught:
        site.restore("etc", Target("in-place"), confirm="wrong")
    assert caught.value.exit_code == 2


def test_a_source_that_is_held_is_refused_with_its_holder(site: Site) -> None:
    from engine.jobs.lease import Lease

    with Lease.acquire(site.state, "etc", "another-job", "backup"):
        job = site.backup("etc")
    assert job.failure is not None
    assert (job.failure.code, job.failure.exit_code) == ("held", 6)
    assert "another-job" in job.failure.message


def test_status_knows_of_a_backup_and_of_a_proof_at_once(site: Site, tmp_path: Path) -> None:
    def shown() -> tuple[bool, bool]:
        (source,) = site.engine.posture(refresh=False).sources
        return source.snapshot is not None, source.proven_at is not None

    assert shown() == (True, False)
    expect(site.restore("etc", Target("directory", str(tmp_path / "out"))))
    assert shown() == (True, True)


def test_a_plan_says_that_its_target_is_not_empty(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("keep me")
    plan = site.engine.plan(RestoreRequest("etc", "latest", Target("directory", str(out))))
    assert plan.blockers and "is not empty" in plan.blockers[0]
