"""Prometheus' data: from its own snapshot, restored, and asked by a query of another server."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine import settings_file
from engine.core.errors import ConfigurationError
from engine.core.recovery import Target
from engine.settings import SourceSettings
from tests import site as sites
from tests.lab import Lab, processes
from tests.lab.packages import program
from tests.site import HOUR, expect

pytestmark = [pytest.mark.lab]


def ask(url: str, query: str) -> list[str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    text = urllib.parse.urlencode({"query": query})
    answer = json.load(opener.open(f"{url}/api/v1/query?{text}", timeout=15))
    return [row["value"][1] for row in answer["data"]["result"]]


def until(question: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_metrics_come_back_and_answer_a_query(lab: Lab, tmp_path: Path) -> None:
    body = b"mentat_kept_number 4711\n"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(
        f"{lab.pushgateway_url}/metrics/job/kept", data=body, method="POST"
    )
    opener.open(request, timeout=15).close()
    until(lambda: ask(lab.prometheus_url, "mentat_kept_number") == ["4711"])
    words = processes.command_line(lab.server_process("prometheus").pid)
    live = Path(next(w for w in words if w.startswith("--storage.tsdb.path=")).split("=", 1)[1])
    source = SourceSettings(
        "metrics", "observability", HOUR, HOUR, paths=(str(live),), prometheus=lab.prometheus_url
    )
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    with sites.site(tmp_path / "site", store, [source]) as site:
        assert settings_file.load(site.config).sources == (source,)
        expect(site.backup())
        assert not list((live / "snapshots").iterdir()), "the snapshot is removed again"
        out = tmp_path / "out"
        expect(site.restore("metrics", Target("directory", str(out))))
        wrong = replace(site.engine.settings, sources=(replace(source, paths=("/a", "/b")),))
        settings_file.save(wrong)
        with pytest.raises(ConfigurationError, match="one volume or path"):
            settings_file.load(site.config)
    config = tmp_path / "prometheus.yml"
    config.write_text("global: {}\n")
    (port,) = processes.free_ports(1)
    log = tmp_path / "log"
    argv = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={out}"]
    argv.append(f"--web.listen-address=127.0.0.1:{port}")
    process = processes.start("restored-prometheus", argv, log=log)
    try:
        url = f"http://127.0.0.1:{port}"
        processes.wait_until(
            lambda: processes.answers(f"{url}/-/ready"),
            what="prometheus",
            seconds=60,
            process=process,
            log=log,
        )
        assert ask(url, "last_over_time(mentat_kept_number[1h])") == ["4711"]
    finally:
        processes.stop([process], seconds=5)
