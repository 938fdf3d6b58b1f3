"""Labels make sources at the next backup, and status knows what nothing protects."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from engine.core.recovery import Target
from engine.settings import SourceSettings
from tests import site as sites
from tests.lab import Lab
from tests.site import HOUR, expect

pytestmark = [pytest.mark.lab]


def test_a_labelled_container_is_backed_up_and_the_unprotected_are_named(
    lab: Lab, tmp_path: Path
) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "file").write_text("x")
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    sources = [
        SourceSettings("conf", "config", HOUR, HOUR, paths=(str(conf),)),
        SourceSettings("lost", "volume", HOUR, HOUR, volume="never-made"),
    ]
    tag = secrets.token_hex(3)
    bare, named = lab.new_volume(f"bare-{tag}"), lab.new_volume(f"label-{tag}")
    (lab.volume_path(named) / "upload").write_text("kept")
    labels = {"backup": "true", "name": "by-label", "rpo": "15m"}
    options = [f"--label=mentat-dr.{key}={value}" for key, value in labels.items()]
    with (
        sites.site(tmp_path / "site", store, sources, docker=lab.docker_host) as site,
        lab.run_app(volumes={named: "/data"}, options=options),
        lab.run_app(volumes={bare: "/data"}),
    ):
        job = site.backup()
        assert {s.source for s in job.snapshots} == {"conf", "by-label"}
        out = tmp_path / "out"
        expect(site.restore("by-label", Target("directory", str(out))))
        assert (out / "upload").read_text() == "kept"
        again = type(site.engine).open(site.config)
        posture = again.posture()
        assert [(s.source, s.rpo.total_seconds()) for s in posture.sources if s.snapshot] == [
            ("conf", 3600),
            ("by-label", 900),
        ]
        coverage = again.hosts.coverage()
        assert coverage is not None
        specs = [thing.spec for thing in coverage.unprotected]
        assert f"volume:{bare}" in specs and f"volume:{named}" not in specs
        assert coverage.gone == ("lost: there is no volume never-made",)
        said = " ".join(words for _, words in posture.notices)
        assert "not protected: " in said and "protected, but gone: lost" in said
