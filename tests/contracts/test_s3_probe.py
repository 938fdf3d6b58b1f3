"""What a real server does, as doctor finds out, and what is relied on because of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine import wiring
from engine.adapters.s3 import S3Store
from engine.api import Engine
from engine.core.errors import StoreUnreachable
from engine.core.store_profile import FEATURES, Answer, StoreProfile
from engine.repository import profiles
from engine.settings import LockSettings, SourceSettings, StoreSettings
from tests import site as sites
from tests.contracts.fault_proxy import Fault, Request, fault_proxy
from tests.lab import Lab
from tests.site import HOUR

pytestmark = [pytest.mark.lab]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_seaweedfs_does_all_we_rely_on(settings: StoreSettings) -> None:
    store = S3Store(settings)
    found = store.probe(NOW)
    assert set(found.features) == set(FEATURES)
    for feature, (_, level) in FEATURES.items():
        assert level == "ok" or found.proven(feature), (feature, found.features[feature])
    assert found.features["long-lists"].detail == "1001 of 1001 keys"
    assert found.proven("batch-delete") and found.proven("lock") is False
    assert store.checksums and store.conditional is True
    assert not list(store.list("probe/")) and not store.pending_uploads("probe/")


def test_what_a_store_does_not_do_is_not_relied_on(settings: StoreSettings) -> None:
    """No conditional writes, as at some providers."""

    def rule(request: Request) -> Fault | None:
        asked = "if-none-match" in request.headers
        return Fault(status=501, code="NotImplemented") if asked else None

    with fault_proxy(settings.endpoint) as proxy:
        proxy.rule = rule
        store = S3Store(replace(settings, endpoint=proxy.endpoint))
        found = store.probe(NOW)
        assert found.proven("conditional-put") is False
        assert found.proven("read-back") and store.conditional is False and store.checksums
        assert S3Store(replace(settings, endpoint=proxy.endpoint), found).conditional is False


def test_a_dead_store_is_not_profiled(settings: StoreSettings) -> None:
    with pytest.raises(StoreUnreachable):
        S3Store(replace(settings, endpoint="http://127.0.0.1:9")).probe(NOW)


def test_what_was_found_decides() -> None:
    settings = StoreSettings("custom", bucket="b", endpoint="https://s3.example.org")

    def after(**able: bool) -> S3Store:
        features = {name.replace("_", "-"): Answer(answer) for name, answer in able.items()}
        return S3Store(settings, StoreProfile("x", NOW, features))

    whole = after(conditional_put=True, conditional_complete=True)
    assert whole.conditional is True
    assert after(conditional_put=True, conditional_complete=False).conditional is None
    assert after(conditional_put=False).conditional is False
    assert after(checksums=True, part_checksums=True).checksums
    assert not after(checksums=True, part_checksums=False).checksums
    proven = StoreProfile("x", NOW, {n: Answer(True) for n in ("checksums", "part-checksums")})
    assert not S3Store(replace(settings, checksums=False), proven).checksums, "as was asked"


def test_doctor_probes_tells_and_remembers(lab: Lab, tmp_path: Path) -> None:
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=("/etc/apt",))
    settings = replace(
        sites.bucket(lab.s3, lab.s3.new_bucket("probe")), lock=LockSettings("governance", 3)
    )
    with sites.site(tmp_path / "site", settings, [source], passphrase=None) as site:
        said = {f.message: f.level for f in site.engine.doctor(probe=True)}
        cannot = next(m for m in said if m.startswith("cannot lock objects"))
        assert said[cannot] == "critical"
        assert any(m.startswith("lists more keys") for m in said)
        known = profiles.load(site.state, settings.shown)
        assert known is not None and known.proven("conditional-put")
        again = [f.message for f in Engine.open(site.config).doctor()]
        assert cannot in again and not any(m.startswith("lists more keys") for m in again)
        store = wiring.object_store(settings, site.state)
        assert isinstance(store, S3Store) and store.conditional is True
