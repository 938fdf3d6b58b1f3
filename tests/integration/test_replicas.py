"""Replicas as an operator meets them: copied, watched, made primary, and back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import UsageError
from engine.core.recovery import Target
from engine.repository.lease import BUCKET_WORK, StoreHolder, StoreLease
from engine.wiring import utc_now
from tests.lab import Lab
from tests.replica_site import FILES, pair
from tests.site import Site, expect

pytestmark = [pytest.mark.lab]


def run(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli.main", "--config", str(site.config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def document(site: Site, *words: str) -> Any:
    return json.loads(run(site, *words, "--json").stdout)


def test_replicate_brings_everything_and_repairs(lab: Lab, tmp_path: Path) -> None:
    with pair(lab, tmp_path, size=20 << 20) as made:
        expect(made.site.backup("conf"))
        before = document(made.site, "status")["replicas"][0]
        assert before["missing"] == 1 and before["level"] == "critical"
        extra = {
            "v1/landsraad/db/binlog/uuid/20261123T000000Z-binlog.000001.zst.gpg": b"b" * 9_000_000,
            "v1/landsraad/db/binlog/uuid/index.json": b"{}",
            "v1/landsraad/journal/reports/one.json": b"{}\n",
            "kit/wheelhouse.tar": b"kit",
        }
        for key, body in extra.items():
            made.primary.put(key, body)
        ours = {i.key: i.size for i in made.primary.list() if not i.key.startswith("lease/")}
        done = run(made.site, "replicate", "--plain")
        assert done.returncode == 0, done.stderr
        theirs = {i.key: i.size for i in made.replica.list()}
        ours.pop("RECOVERY.md")
        assert theirs.items() >= ours.items() and "RECOVERY.md" in theirs
        assert all(made.replica.get(key) == made.primary.get(key) for key in ours)
        assert made.replica_settings.bucket in made.replica.get("RECOVERY.md").decode()
        after = document(made.site, "status")["replicas"][0]
        assert after["missing"] == 0 and after["level"] == "ok"
        assert "behind" in run(made.site, "status", "--plain").stdout

        made.primary.put("v1/landsraad/db/binlog/uuid/index.json", b'{"newer": 1}')
        snapshot = made.site.engine.find("conf", "latest").id
        made.replica.delete(snapshot.artifact_key(FILES))
        expect(made.replicate())
        assert made.replica.get("v1/landsraad/db/binlog/uuid/index.json") == b'{"newer": 1}'
        assert made.replica.size(snapshot.artifact_key(FILES))


def test_one_that_cannot_be_copied_does_not_hold_up_the_others(lab: Lab, tmp_path: Path) -> None:
    with pair(lab, tmp_path) as made:
        expect(made.site.backup("conf"))
        damaged = made.site.engine.find("conf", "latest").id
        made.spoil(made.primary, damaged.artifact_key(FILES))
        expect(made.site.backup("conf"))
        good = made.site.engine.find("conf", "latest").id
        job = expect(made.replicate(), "failed")
        assert job.exit_code == 7 and job.failure is not None
        assert damaged.ref in job.failure.message and "1 snapshots" in job.failure.message
        keys = {item.key for item in made.replica.list("v1/")}
        assert good.manifest_key in keys and damaged.manifest_key not in keys
        assert damaged.artifact_key(FILES) not in keys


def test_the_lease_keeps_a_second_one_out(lab: Lab, tmp_path: Path) -> None:
    with pair(lab, tmp_path) as made:
        expect(made.site.backup("conf"))
        other = StoreHolder("mentat", "root", "j1", "prune", 99)
        with StoreLease.acquire(made.replica, BUCKET_WORK, other, utc_now):
            job = expect(made.replicate(), "failed")
        assert job.exit_code == 6 and job.failure is not None
        assert "job j1 of root on mentat" in job.failure.message
        expect(made.replicate())


def test_failover_for_reading_and_for_writing_and_back(lab: Lab, tmp_path: Path) -> None:
    with pair(lab, tmp_path) as made:
        site, engine = made.site, made.site.engine
        primary, replica = made.primary_settings.shown, made.replica_settings.shown
        expect(site.backup("conf"))
        expect(made.replicate())
        first = engine.find("conf", "latest").id
        expect(site.backup("conf"))  # in the primary only

        assert run(site, "failover", "nowhere").returncode == 2
        refused = run(site, "failover", replica, "--confirm", "wrong")
        assert refused.returncode == 2 and engine.failover.state() is None
        done = run(site, "failover", replica, "--confirm", replica, "--reason", "eu is down")
        assert done.returncode == 8, done.stderr  # it lacks one snapshot, and that is said
        assert engine.posture().failover.startswith(f"FAILED OVER to {replica} for reading")
        assert "FAILED OVER" in run(site, "status", "--plain").stdout
        state = document(site, "failover")
        assert state["primary"] == primary and state["failover"]["reason"] == "eu is down"
        assert [row.id for row in engine.snapshots()] == [first], "what the replica holds"
        expect(site.backup("conf"))  # still goes to the primary
        assert len({i.key.split("/")[3] for i in made.primary.list("v1/landsraad/conf/")}) == 3

        done = run(site, "failover", replica, "--write", "--confirm", replica)
        assert done.returncode == 8, done.stderr
        assert engine.settings.repository.shown == replica
        expect(site.backup("conf"))
        written = engine.find("conf", "latest").id
        assert written.manifest_key in {i.key for i in made.replica.list("v1/")}
        assert written.manifest_key not in {i.key for i in made.primary.list("v1/")}
        expect(site.restore("conf", Target("directory", str(tmp_path / "out"))))
        assert made.restored(tmp_path / "out") == ""

        back = run(site, "failover", "--back", "--confirm", primary)
        assert back.returncode == 2 and "left behind" in back.stderr
        expect(made.replicate())  # now from the replica to the configured primary
        assert written.manifest_key in {i.key for i in made.primary.list("v1/")}
        done = run(site, "failover", "--back", "--confirm", primary)
        assert done.returncode == 0, done.stderr
        assert engine.failover.state() is None and engine.posture().failover == ""
        assert engine.settings.repository.shown == primary
        assert len(engine.snapshots()) == 4


def test_failover_for_writing_when_the_primary_is_gone(lab: Lab, tmp_path: Path) -> None:
    with pair(lab, tmp_path) as made:
        expect(made.site.backup("conf"))
        expect(made.replicate())
        made.destroy(made.primary_settings)
        replica = made.replica_settings.shown
        done = run(made.site, "failover", replica, "--write", "--confirm", replica)
        assert done.returncode == 8 and "does not answer" in done.stderr + done.stdout
        expect(made.site.backup("conf"))
        posture = made.site.engine.posture()
        assert posture.store.reachable and posture.sources[0].snapshots == 2
        with pytest.raises(UsageError, match="already"):
            made.site.engine.failover.plan(replica)


def test_a_host_that_stopped_writing_stands_out(lab: Lab, tmp_path: Path) -> None:
    with pair(lab, tmp_path) as made:
        expect(made.site.backup("conf"))
        for day in range(10, 16):
            ref = f"202611{day}T020000Z-full-0000000{day - 10}"
            made.primary.put(f"v1/mentat/etc/{ref}/manifest.json", b"{}")
        done = run(made.site, "status", "--all-hosts", "--plain")
        assert done.returncode == 2 and "STOPPED WRITING" in done.stdout
        hosts = {
            h["host"]: h["level"] for h in document(made.site, "status", "--all-hosts")["hosts"]
        }
        assert hosts == {"mentat": "critical", "landsraad": "ok"}
        assert "STOPPED WRITING" in run(made.site, "status", "--plain").stdout
