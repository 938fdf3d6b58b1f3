"""kill -9 of replicate at random moments: a replica never holds half a snapshot."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from engine.core.snapshot import parse_key
from engine.repository.manifest_codec import decode
from engine.repository.reading import read_artifact
from tests.lab import Lab
from tests.replica_site import Pair, pair
from tests.site import expect

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("kill")]


def prove_replica(made: Pair) -> int:
    """Every manifest in the replica has all its artifacts, whole; how many there are."""
    replica = made.replica
    keys = [item.key for item in replica.list("v1/")]
    manifests = [key for key in keys if key.endswith("/manifest.json")]
    for key in manifests:
        assert f"{key}.sig" in keys
        manifest = decode(replica.get(key))
        for artifact in manifest.artifacts:
            stored = manifest.id.artifact_key(artifact.name)
            assert sum(len(c) for c in read_artifact([replica], stored, artifact)) > 0
    return len(manifests)


def strike(made: Pair, dice: random.Random, length: float) -> bool:
    """Start a replicate job and kill it at a random moment; whether it was hit."""
    engine = made.site.engine
    job_id = engine.replicas.start()
    while not (pid := engine.job(job_id).pid):
        time.sleep(0.01)
    time.sleep(dice.uniform(0, length))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return made.site.finish(job_id, 120).state == "interrupted"


def test_no_kill_leaves_a_manifest_without_its_artifacts(
    lab: Lab, tmp_path: Path, full: bool
) -> None:
    turns = 50 if full else 8
    with pair(lab, tmp_path, size=24 << 20) as made:
        expect(made.site.backup("conf"))
        began = time.monotonic()
        expect(made.replicate())
        length = time.monotonic() - began
        dice = random.Random(20261123)
        hits, whole = 0, prove_replica(made)
        for turn in range(turns):
            if turn % 2 == 0:
                (made.tree / "file-0").write_bytes(os.urandom(3 << 20))
                expect(made.site.backup("conf"))
            hits += strike(made, dice, length)
            found = prove_replica(made)
            assert found >= whole, "what was there stays"
            whole = found
        assert hits >= turns // 3, "most strikes came too late to prove anything"
        expect(made.replicate())  # goes on although the dead ones held the lease
        primary = {p[0] for i in made.primary.list("v1/") if (p := parse_key(i.key))}
        assert prove_replica(made) == len(primary)
        assert not made.replica.pending_uploads()
        job = expect(made.replicate())
        assert job.result is not None and job.result.facts["replicas"][0]["snapshots"] == 0
