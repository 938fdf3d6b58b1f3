"""Colder classes on a second, independent S3 (moto): rules written and read, and a restore that
asks for its objects, waits, and goes on."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import wiring
from engine.adapters.s3 import S3Store
from engine.core.cold import LifecycleRule, breaks
from engine.core.pruning import PruneRequest
from engine.core.recovery import RestoreRequest, Target
from engine.operations import thaw
from engine.settings import Secret, SourceSettings, StoreSettings, TransitionSettings
from tests import site as sites
from tests.site import HOUR, Site, expect

COLD = TransitionSettings(30, "GLACIER")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The server's address; it chooses its port itself."""
    program = str(Path(sys.executable).with_name("moto_server"))
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        found = None
        while found is None:
            line = server.stderr.readline()
            assert line, "moto_server ended before it served"
            found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
        yield found[1]
    finally:
        server.kill()
        server.communicate()


@pytest.fixture
def store(moto: str, request: pytest.FixtureRequest) -> S3Store:
    settings = StoreSettings(
        "custom",
        bucket=f"cold-{abs(hash(request.node.name)) % 10**8}",
        prefix="dr",
        endpoint=moto,
        access_key=Secret(value="test"),
        secret_key=Secret(value="test"),
        transition=COLD,
    )
    made = S3Store(settings)
    made.client.create_bucket(Bucket=made.bucket)
    return made


def test_our_rule_is_written_once_beside_those_of_others(store: S3Store) -> None:
    other: Any = {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 10},
    }
    store.client.put_bucket_lifecycle_configuration(
        Bucket=store.bucket, LifecycleConfiguration={"Rules": [other]}
    )
    assert store.arrange_lifecycle() and not store.arrange_lifecycle()
    rules = {rule.id: rule for rule in store.lifecycle()}
    assert rules["theirs"].expire_days == 10
    ours = rules["mentat-dr-transition"]
    assert (ours.prefix, ours.move_days, ours.storage_class) == ("dr/", 30, "GLACIER")
    assert ours.tagged and ours.enabled
    plain = S3Store(replace(store._settings, transition=None))
    assert plain.arrange_lifecycle()
    assert [rule.id for rule in store.lifecycle()] == ["theirs"]


def test_only_artifacts_are_marked_for_a_colder_class(store: S3Store) -> None:
    for name in ("files.tar.zst.gpg", "manifest.json"):
        store.put(name, b"x")
    tags = {
        name: store.client.get_object_tagging(Bucket=store.bucket, Key=f"dr/{name}")["TagSet"]
        for name in ("files.tar.zst.gpg", "manifest.json")
    }
    assert tags["files.tar.zst.gpg"] == [{"Key": "mentat-dr", "Value": "artifact"}]
    assert tags["manifest.json"] == []


def test_rules_that_break_the_retention_are_found() -> None:
    def told(**changes: Any) -> list[str]:
        return breaks([LifecycleRule("r", True, **changes)], "dr/", 90)

    assert told(expire_days=30) and told(expire_days=30, prefix="dr/v1/")
    assert told(expire_days=30, prefix="d")
    assert not told(expire_days=90) and not told(expire_days=30, prefix="logs/")
    assert not told(move_days=1) and not breaks(
        [LifecycleRule("r", False, "", False, 1)], "dr/", 90
    )


@pytest.fixture
def site(store: S3Store, tmp_path: Path) -> Iterator[Site]:
    tree = tmp_path / "etc"
    tree.mkdir()
    (tree / "hosts").write_text("127.0.0.1\n")
    source = SourceSettings("etc", "config", HOUR, HOUR, paths=(str(tree),))
    with sites.site(tmp_path / "site", store._settings, [source], passphrase=None) as made:
        yield made


def freeze(store: S3Store, key: str) -> None:
    """What the provider does by the rule, a month later."""
    whole = store.whole_key(key)
    store.client.copy_object(
        Bucket=store.bucket,
        Key=whole,
        CopySource={"Bucket": store.bucket, "Key": whole},
        StorageClass="GLACIER",
    )


def test_a_restore_asks_for_what_is_frozen_and_waits(
    site: Site, store: S3Store, moto: str, tmp_path: Path
) -> None:
    expect(site.backup())
    row = site.engine.snapshots()[0]
    key = row.id.artifact_key("files.tar.zst.gpg")
    freeze(store, key)
    slow = b'{"model_name": "s3::keyrestore", "transition": {"progression": "manual", "times": 3}}'
    address = f"{moto}/moto-api/state-manager/set-transition"
    urllib.request.urlopen(urllib.request.Request(address, slow)).close()
    assert store.chill(key).state == "frozen"
    request = RestoreRequest("etc", row.id.ref, Target("directory", str(tmp_path / "out")))
    plan = site.engine.plan(request)
    assert plan.steps[0].phase == "thaw" and plan.steps[0].seconds == 5 * 3600
    assert any("thawed first" in words for words in plan.warnings)
    job = expect(site.finish(site.engine.start_restore(request)))
    assert [w.code for w in job.warnings] == ["thaw"]
    assert any(phase.name == "thaw" for phase in job.phases)
    assert (tmp_path / "out" / str(tmp_path).lstrip("/") / "etc" / "hosts").exists()
    repository = wiring.repository(site.engine.settings)
    assert not thaw.frozen(repository, [repository.trusted(row.id)])


def test_prune_writes_the_rule_and_doctor_reads_the_others(site: Site, store: S3Store) -> None:
    expect(site.backup())
    said = [f.message for f in site.engine.doctor() if f.level != "ok"]
    assert any("does not move old artifacts" in words for words in said)
    expect(site.finish(site.engine.retention.start(PruneRequest())))
    rules = store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)["Rules"]
    breaking: Any = {
        "ID": "tidy",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 14},
    }
    store.client.put_bucket_lifecycle_configuration(
        Bucket=store.bucket, LifecycleConfiguration={"Rules": [*rules, breaking]}
    )
    found = [f for f in site.engine.doctor() if "tidy" in f.message]
    assert [f.level for f in found] == ["critical"]
    assert "after 14 days" in found[0].message and "for 90" in found[0].message
