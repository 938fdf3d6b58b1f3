"""The damage matrix: each damage made in a real repository, and seen by the check meant for it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.api import Engine
from engine.core.errors import CipherError, MentatError
from engine.core.snapshot import Manifest, SnapshotId
from engine.operations import verify_memory
from engine.operations.context import Context
from engine.operations.verify_stream import Reading, prove_snapshot
from engine.ports import ObjectStore, StoredObject
from engine.repository import Repository
from engine.settings import SourceSettings
from tests import damage
from tests import site as sites
from tests.damage import changed, flipped, named, run_verify
from tests.lab import Lab
from tests.site import HOUR, Site, expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("damage")]
FILES = "files.tar.zst.gpg"


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two sources of paths, twice backed up, in the lab's bucket and in a local tier."""
    root = tmp_path_factory.mktemp("damage")
    sources = []
    for name in ("etc", "opt"):
        damage.tree_of(root / name)
        sources.append(SourceSettings(name, "config", HOUR, HOUR, paths=(str(root / name),)))
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    with sites.site(root / "site", store, sources, passphrase=None, local=True) as made:
        for _ in range(2):
            expect(made.backup())
        yield made


@pytest.fixture
def ctx(site: Site) -> Context:
    return damage.context(site)


def newest(site: Site, source: str = "etc") -> SnapshotId:
    return site.engine.find(source, "latest").id


def manifest_of(ctx: Context, site: Site, source: str = "etc") -> Manifest:
    return Repository(ctx.repository.store, ctx.repository.cipher).trusted(newest(site, source))


def test_what_is_whole_passes_everywhere(site: Site) -> None:
    for what in ("offsite", "local", "restore"):
        report = run_verify(site, what)
        assert report.outcome == "passed", damage.said(report)
        assert set(report.sources) == {"etc", "opt"}
    offsite = site.engine.proofs.reports(["verify-offsite"])[0]
    names = {check.name for check in offsite.checks}
    assert names >= {
        *("reachable", "keys", "signatures", "objects", "age", "size", "daily-presence"),
        *("coverage", "retention", "decrypts"),
    }
    assert offsite.store == site.engine.settings.repository.shown
    rows = site.engine.snapshots()
    assert [row.proven_at is not None for row in rows] == [True, True, False, False]


def test_a_flipped_bit_of_an_object(site: Site, ctx: Context) -> None:
    key = newest(site).artifact_key(FILES)
    with changed(ctx.repository.store, key, flipped(8 * 700 + 3)):
        report = run_verify(site)
        check = named(report, "stored-bytes")
        assert check.source == "etc" and check.measured["code"] == "object-damaged"
        assert report.of("opt") and all(c.outcome == "passed" for c in report.of("opt"))
        assert named(run_verify(site, "restore"), "restored").source == "etc"


def test_a_truncated_object(site: Site, ctx: Context) -> None:
    key = newest(site).artifact_key(FILES)
    with changed(ctx.repository.store, key, lambda content: content[:-1]):
        assert "bytes, not" in named(run_verify(site), "objects").message


def test_a_deleted_object(site: Site, ctx: Context) -> None:
    key = newest(site).artifact_key(FILES)
    with changed(ctx.repository.store, key, lambda _content: None):
        assert "gone" in named(run_verify(site), "objects").message


def test_two_objects_swapped(site: Site, ctx: Context) -> None:
    store = ctx.repository.store
    one, other = (newest(site, name).artifact_key(FILES) for name in ("etc", "opt"))
    first, second = store.get(one), store.get(other)
    with changed(store, one, lambda _: second), changed(store, other, lambda _: first):
        report = run_verify(site)
        seen = {c.source for c in report.checks if c.outcome == "failed"}
        assert seen == {"etc", "opt"}, damage.said(report)


def test_two_manifests_swapped(site: Site, ctx: Context) -> None:
    store, (one, other) = ctx.repository.store, (newest(site, n) for n in ("etc", "opt"))
    first, second = store.get(one.manifest_key), store.get(other.manifest_key)
    signed, also = store.get(one.signature_key), store.get(other.signature_key)
    with (
        changed(store, one.manifest_key, lambda _: second),
        changed(store, one.signature_key, lambda _: also),
        changed(store, other.manifest_key, lambda _: first),
        changed(store, other.signature_key, lambda _: signed),
    ):
        assert named(run_verify(site), "manifest").measured["code"] == "manifest-altered"


def test_a_manifest_that_was_altered_and_one_without_its_signature(
    site: Site, ctx: Context
) -> None:
    store, snapshot = ctx.repository.store, newest(site)
    with changed(store, snapshot.manifest_key, lambda c: c.replace(b'"etc"', b'"etc" ', 1)):
        named(run_verify(site), "signatures")
    with changed(store, snapshot.signature_key, lambda _: None):
        assert "not signed" in named(run_verify(site), "signatures").message


def test_an_archive_without_its_end(site: Site, ctx: Context) -> None:
    manifest = manifest_of(ctx, site)
    whole = damage.plain(ctx, manifest.id, FILES)
    with damage.forged(ctx, manifest, {FILES: whole[: len(whole) // 3]}):
        named(run_verify(site), "stored-bytes")
        named(run_verify(site, "restore"), "restored")


def test_an_empty_archive_and_one_that_lost_most(site: Site, ctx: Context) -> None:
    manifest = manifest_of(ctx, site)
    with damage.forged(ctx, manifest, {FILES: b""}):
        named(run_verify(site), "size")

    def pretend(found: Manifest) -> Manifest:
        (artifact,) = found.artifacts
        return replace(found, artifacts=(replace(artifact, raw_bytes=manifest.raw_bytes // 3),))

    with damage.forged(ctx, manifest, {}, pretend):
        named(run_verify(site), "size", "warning")


def test_the_wrong_key(site: Site, ctx: Context) -> None:
    """Encrypted to somebody who is not us: hashes and signature are true."""
    from engine.adapters.gpg import Gpg
    from engine.settings import EncryptionSettings

    gpg = Gpg(EncryptionSettings(), site.state / "gnupg")
    stranger = gpg.generate("Stranger", "stranger@example.org", None)
    foreign = Gpg(EncryptionSettings(recipients=(stranger.fingerprint,)), site.state / "gnupg")
    delete = ["--batch", "--yes", "--delete-secret-keys", stranger.fingerprint]
    manifest = manifest_of(ctx, site)
    whole = damage.plain(ctx, manifest.id, FILES)

    class Mixed:
        """Our own cipher, but for whom it encrypts to."""

        def __getattr__(self, name: str) -> object:
            return getattr(foreign if name == "encrypt_command" else ctx.repository.cipher, name)

    wrong = replace(ctx, repository=Repository(ctx.repository.store, Mixed()))  # type: ignore[arg-type]
    with damage.forged(wrong, manifest, {FILES: whole}):
        from engine.adapters import command
        from engine.core.commands import Command

        command.run(Command(("gpg", "--homedir", str(site.state / "gnupg"), *delete)), timeout=60)
        assert named(run_verify(site), "decrypts").measured["code"] == "secret-key-missing"


def test_an_expired_key(site: Site) -> None:
    from engine.adapters.gpg import Gpg
    from engine.settings import EncryptionSettings

    gpg = Gpg(EncryptionSettings(), site.state / "gnupg")
    brief = gpg.generate("Brief", "brief@example.org", None, expires="seconds=1")
    kept = site.engine
    encryption = replace(kept.settings.encryption, recipients=(brief.fingerprint,))
    site.engine = Engine(replace(kept.settings, encryption=encryption))
    try:
        check = damage.until(lambda: named(run_verify(site), "keys"))
    finally:
        site.engine = kept
    assert "expired" in check.message


def test_a_stale_source_and_a_clock_that_leapt(site: Site) -> None:
    report = run_verify(site, now=datetime.now(UTC) + 3 * HOUR)
    assert {c.source for c in report.checks if c.name == "age" and c.outcome == "failed"} == {
        "etc",
        "opt",
    }
    named(run_verify(site, now=datetime.now(UTC) - 3 * HOUR), "age", "warning")


def test_retention_broken(site: Site, ctx: Context) -> None:
    """A whole snapshot, manifest and all, is gone long before its time."""
    run_verify(site)
    oldest = site.engine.snapshots()[-1].id
    store = ctx.repository.store
    kept = {key: store.get(key) for key in (item.key for item in store.list(oldest.prefix))}
    for key in kept:
        store.delete(key)
    try:
        check = named(run_verify(site), "retention")
        assert check.source == oldest.source and check.measured["gone"] == 1
    finally:
        for key, content in kept.items():
            store.put(key, content)
    late = run_verify(site, now=datetime.now(UTC) + timedelta(days=100))
    assert late.outcome == "failed"


class Lying:
    """The real store, but its listings leave out, or make up, what begins with `key`."""

    def __init__(self, inner: ObjectStore, key: str, *, invent: bool = False) -> None:
        self._inner, self._key, self._invent = inner, key, invent

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        for item in self._inner.list(prefix):
            if self._invent or not item.key.startswith(self._key):
                yield item
        if self._invent and self._key.startswith(prefix):
            yield StoredObject(self._key, 500, datetime.now(UTC))


def test_a_listing_that_leaves_out_what_is_there(site: Site, ctx: Context) -> None:
    run_verify(site)
    lying = Lying(ctx.repository.store, newest(site).prefix)
    check = named(run_verify(site, store=lying), "listing")  # type: ignore[arg-type]
    assert check.measured["snapshot"] == newest(site).ref


def test_a_listing_that_names_what_is_not_there(site: Site, ctx: Context) -> None:
    gone = replace(newest(site), id="deadbeef")
    lying = Lying(ctx.repository.store, gone.manifest_key, invent=True)
    assert "cannot be fetched" in named(run_verify(site, store=lying), "listing").message  # type: ignore[arg-type]


def test_a_store_that_does_not_answer_leaves_a_report(site: Site, ctx: Context) -> None:
    from engine.core.errors import StoreUnreachable

    class Away(Lying):
        def list(self, prefix: str = "") -> Iterator[StoredObject]:
            raise StoreUnreachable("no route to it", "Look at the network.")

    report = run_verify(site, store=Away(ctx.repository.store, ""))  # type: ignore[arg-type]
    assert named(report, "reachable").remedy == "Look at the network."


def test_the_local_tier_is_looked_at_closely(site: Site, ctx: Context) -> None:
    local = site.root / "local" / newest(site).prefix
    (local / FILES).chmod(0o644)
    try:
        named(run_verify(site, "local"), "modes", "warning")
    finally:
        (local / FILES).chmod(0o600)
    os.chown(local / FILES, 12345, 12345)
    try:
        named(run_verify(site, "local"), "owners")
    finally:
        os.chown(local / FILES, os.geteuid(), os.getegid())
    assert ctx.repository.local is not None
    with changed(ctx.repository.local, newest(site).artifact_key(FILES), flipped(999)):
        named(run_verify(site, "local"), "stored-bytes")
        assert run_verify(site).outcome == "passed", "the bucket's copy is another"
        assert run_verify(site, "restore").outcome == "passed", "tests read the bucket alone"
    with changed(ctx.repository.local, newest(site).manifest_key, lambda _: None):
        assert named(run_verify(site, "local"), "local-copies", "warning").source == "etc"


def test_a_sample_is_remembered_and_covers_all(site: Site) -> None:
    memory = site.state / "verify"
    for file in memory.glob("*.json"):
        file.unlink()
    start = datetime.now(UTC)
    store = site.engine.settings.repository.shown
    read: set[str] = set()
    for day in range(8):
        report = run_verify(site, now=start + timedelta(days=day), everything=False)
        found = [str(c.measured["snapshot"]) for c in report.checks if c.name == "decrypts"]
        assert len(found) < 4 or day == 0, "the newest ones, and what is due"
        read.update(found)
    assert read == {row.id.ref for row in site.engine.snapshots()}
    kept = verify_memory.load(site.state, store)
    assert len(kept.seen) == 4 and all(seen.proven for seen in kept.seen.values())


def test_every_flipped_bit_is_found(site: Site, ctx: Context, full: bool) -> None:
    """At random places of stored objects and manifests: each is seen, none goes unnoticed."""
    repository = Repository(ctx.repository.store, ctx.repository.cipher)
    apart = replace(ctx, repository=repository)
    dice = random.Random(20261122)
    snapshot = newest(site)
    keys = [snapshot.artifact_key(FILES), snapshot.manifest_key]
    sizes = {key: repository.store.size(key) for key in keys}
    missed = []
    for turn in range(1000 if full else 60):
        key = keys[turn % 2]
        bit = dice.randrange(8 * sizes[key])
        with changed(repository.store, key, flipped(bit)):
            if not seen(apart, snapshot):
                missed.append((key, bit))
    assert not missed
    assert not seen(apart, snapshot), "and nothing is seen where nothing is"


def seen(ctx: Context, snapshot: SnapshotId) -> bool:
    """What a verification does with one snapshot."""
    try:
        opened = ctx.repository.open(snapshot)
        if not opened.signature.good:
            return True
        prove_snapshot(Reading(ctx, False, None), opened.manifest)
    except MentatError as error:
        assert not isinstance(error, CipherError), error
        return True
    return False


def test_what_is_not_decrypted_is_said(site: Site, ctx: Context, tmp_path: Path) -> None:
    """On a host with the public key alone, stored bytes are proven, and the report says no more."""
    from engine.adapters.gpg import Gpg

    settings = site.engine.settings
    home = tmp_path / "g"
    here = Gpg(settings.encryption, site.state / "gnupg")
    public = tmp_path / "public.asc"
    known = list(here.keys())
    public.write_bytes(here.export_public([key.fingerprint for key in known]))
    other = Gpg(settings.encryption, home)
    other.import_file(public)
    try:
        ctx = replace(ctx, repository=Repository(ctx.repository.store, other))
        from engine.operations.verify import Asked, verify_offsite

        report = verify_offsite(ctx, Asked("offsite", settings.sources, everything=True))
    finally:
        other.kill_agent()
    assert report.failed == 0 and named(report, "decryption", "warning")
    assert [c for c in report.checks if c.name == "stored-bytes" and c.outcome == "passed"]
    assert not [c for c in report.checks if c.name == "decrypts"]
