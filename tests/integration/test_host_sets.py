"""The recovery point of a whole host: written by a backup of all its sources, and by no other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.core.host_rebuild import RebuildRequest
from engine.settings import SourceSettings, StoreSettings
from tests import site as sites
from tests.site import HOUR, PASSPHRASE, Site, expect


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name in ("etc", "opt"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    sources = [
        SourceSettings(name, "config", HOUR, HOUR, paths=(str(tmp_path / name),))
        for name in ("etc", "opt")
    ]
    (tmp_path / "store").mkdir()
    store = StoreSettings("directory", path=str(tmp_path / "store"))
    nowhere = f"unix://{tmp_path}/no.sock"
    with sites.site(tmp_path / "site", store, sources, docker=nowhere, local=True) as site:
        yield site


def test_a_backup_of_everything_names_its_snapshots_and_keeps_the_facts_encrypted(
    site: Site, tmp_path: Path
) -> None:
    job = expect(site.backup())
    (entry,) = site.engine.hosts.sets()
    assert entry.signed
    found = site.engine.hosts.open()
    assert [(m.source, m.fresh) for m in found.members] == [("etc", True), ("opt", True)]
    assert {m.ref for m in found.members} == {s.ref for s in job.snapshots}
    assert found.spread.total_seconds() >= 0 and found.complete
    facts = site.engine.hosts.facts(found, PASSPHRASE)
    assert facts is not None and facts.host == "landsraad" and facts.machine.kernel
    assert facts.engine is None
    stored = tmp_path / "store" / entry.id.artifact_key("facts.json.zst.gpg")
    assert facts.machine.kernel.encode() not in stored.read_bytes()
    local = site.root / "local"
    assert (local / entry.id.key).exists()
    assert not [row for row in site.engine.snapshots() if row.id.source == "sets"]


def test_a_backup_of_some_sources_writes_none(site: Site) -> None:
    expect(site.backup("etc"))
    assert site.engine.hosts.sets() == []


def test_a_source_that_failed_is_named_by_its_earlier_snapshot(site: Site, tmp_path: Path) -> None:
    expect(site.backup())
    earlier = site.engine.find("opt", "latest").id.ref
    (tmp_path / "opt" / "file").unlink()
    (tmp_path / "opt").rmdir()
    assert site.backup().state == "failed"
    found = site.engine.hosts.open()
    assert len(site.engine.hosts.sets()) == 2 and not found.complete
    assert [(m.source, m.fresh) for m in found.members] == [("etc", True), ("opt", False)]
    member = found.member("opt")
    assert member is not None and member.ref == earlier


def test_an_altered_set_is_refused(site: Site, tmp_path: Path) -> None:
    expect(site.backup())
    (entry,) = site.engine.hosts.sets()
    for store in (tmp_path / "store", site.root / "local"):
        file = store / entry.id.key
        file.chmod(0o600)
        file.write_bytes(file.read_bytes().replace(b'"etc"', b'"opt"'))
    with pytest.raises(Exception, match="cannot be trusted"):
        site.engine.hosts.open()


def test_the_fleet_is_told_without_any_host(site: Site) -> None:
    expect(site.backup())
    (host,) = site.engine.hosts.overview()
    assert (host.host, host.sources, host.snapshots) == ("landsraad", ("etc", "opt"), 2)


def test_newer_snapshots_go_before_the_set_s_unless_it_or_a_moment_is_named(site: Site) -> None:
    expect(site.backup())
    first = site.engine.hosts.open()
    time.sleep(1.1)  # keys tell whole seconds
    job = expect(site.backup("etc"))
    asked = RebuildRequest("landsraad")

    def refs(request: RebuildRequest) -> dict[str, str]:
        plan = site.engine.hosts.plan(request, PASSPHRASE)
        assert plan.host_set.id == first.id
        return {part.source: part.ref for part in plan.parts}

    in_set = {member.source: member.ref for member in first.members}
    newest = {**in_set, "etc": job.snapshots[0].ref}
    assert newest != in_set
    assert refs(asked) == newest
    assert refs(replace(asked, set=first.id.ref)) == in_set
    assert refs(replace(asked, at=first.id.at)) == in_set
    assert refs(replace(asked, set=first.id.ref, refs=newest)) == newest


def test_a_set_whose_snapshot_is_gone_is_refused_before_anything_starts(site: Site) -> None:
    expect(site.backup())
    found = site.engine.hosts.open()
    member = found.member("opt")
    assert member is not None
    for store in (site.engine.door.repo().store, site.engine.door.repo().local):
        assert store is not None
        for item in list(store.list(f"v1/landsraad/opt/{member.ref}/")):
            store.delete(item.key)
    asked = RebuildRequest("landsraad", set=found.id.ref)
    (said,) = site.engine.hosts.plan(asked, PASSPHRASE).blockers
    assert f"{member.ref} of opt is gone" in said
    assert site.engine.hosts.plan(replace(asked, without=("opt",)), PASSPHRASE).blockers == ()
