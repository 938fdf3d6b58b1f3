"""The chain for real: a backup breaks, Prometheus fires, the Alertmanager tells a webhook,
`mentat-dr alerts` shows it with its runbook; silenced there; and told by our own notifier."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import monitoring, settings_file
from engine.api import Engine
from engine.cli.main import run
from engine.settings import MonitoringSettings, Secret, SourceSettings, StoreSettings
from tests.integration.webhook import Webhook, until, webhook
from tests.lab import Lab
from tests.site import HOUR, Site, expect, site

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("monitoring")]
HOST = "chain-host"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture(scope="module")
def told() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture(scope="module")
def place(
    lab: Lab, receiver: Webhook, told: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site that publishes to the lab's Pushgateway; our rules are loaded, without their waits,
    and the Alertmanager tells the receiver."""
    servers = lab.monitoring
    rules = re.sub(r"\n        for: \w+", "", monitoring.alerts_yml())
    (servers.rules / "mentat-dr.yml").write_text(rules)
    servers.reload()
    (config,) = sorted(servers.rules.parent.glob("alertmanager-*/alertmanager.yml"))[-1:]
    before = config.read_text()
    config.write_text(f"""\
route: {{receiver: hook, group_by: ["..."], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: hook, webhook_configs: [{{url: "{receiver.url}"}}]}}]
""")
    post(f"{servers.alertmanager_url}/-/reload")
    root = tmp_path_factory.mktemp("chain")
    tree = root / "tree"
    tree.mkdir()
    (tree / "file").write_text("kept")
    (root / "store").mkdir()
    source = SourceSettings("tree", "config", HOUR, HOUR, paths=(str(tree),))
    store = StoreSettings("directory", path=str(root / "store"))
    with site(root, store, [source], host=HOST) as made:
        settings = replace(
            made.engine.settings,
            monitoring=MonitoringSettings(
                pushgateway=servers.pushgateway_url,
                prometheus=servers.prometheus_url,
                alertmanager=servers.alertmanager_url,
            ),
            notify=(Secret(value=f"json://user:s3cr3t-word@127.0.0.1:{told.port}/x"),),
        )
        settings_file.save(settings)
        yield replace(made, engine=Engine.open(settings.file))
    config.write_text(before)
    post(f"{servers.alertmanager_url}/-/reload")
    (servers.rules / "mentat-dr.yml").unlink()
    servers.reload()
    group = f"{servers.pushgateway_url}/metrics/job/mentat-dr/host/{HOST}"
    urllib.request.urlopen(urllib.request.Request(group, method="DELETE"), timeout=10).close()


def post(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()


@pytest.fixture(autouse=True)
def configured(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTAT_DR_CONFIG", str(place.config))
    monkeypatch.setenv("MENTAT_DR_STATE", str(place.state))


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def of_ours(receiver: Webhook, name: str, status: str) -> list[dict[str, Any]]:
    return [
        alert
        for message in receiver.received
        for alert in message["alerts"]
        if alert["labels"]["alertname"] == name
        and alert["labels"].get("host") == HOST
        and alert["status"] == status
    ]


def test_a_broken_backup_reaches_people_and_leads_to_its_runbook(
    place: Site, receiver: Webhook, told: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = place.root / "tree"
    expect(place.backup("tree"))
    assert told.received == [], "success alone is no news"

    # Broken: what is to be backed up is gone.
    tree.rename(place.root / "gone")
    job = expect(place.backup("tree"), "failed")
    assert not [w for w in job.warnings if w.code == "monitoring"]
    (message,) = told.received
    assert message["title"] == f"{HOST}: backup tree FAILED"
    assert message["type"] == "failure" and job.id in message["message"]

    # Prometheus fires, the Alertmanager tells the receiver.
    (alert,) = until(
        "BackupJobFailed at the webhook", lambda: of_ours(receiver, "BackupJobFailed", "firing")
    )[:1]
    assert alert["labels"]["severity"] == "critical" and alert["labels"]["source"] == "tree"
    assert alert["annotations"]["runbook"] == "pre-flight"

    # We show it, and where it leads.
    def shown() -> Any:
        code, board = ask(capsys, "alerts")
        found = [
            a
            for a in board["alerts"]
            if (a["name"], a["host"], a["told"]) == ("BackupJobFailed", HOST, True)
        ]
        return (code, found[0], board) if found else None

    code, seen, board = until("the alert in `mentat-dr alerts`", shown)
    assert (code, seen["state"], seen["source"]) == (2, "firing", "tree")
    assert seen["command"] == "mentat-dr job list && mentat-dr backup tree"
    assert [w["problem"] for w in board["watches"]] == ["", ""]
    assert run(["alerts"]) == 2
    assert "mentat-dr runbook show pre-flight" in capsys.readouterr().out

    # Acknowledged: a silence with a reason, of this alert alone.
    silence = ["alerts", "silence", "BackupJobFailed", "--host", HOST]
    assert run(silence) == 2, "a reason is asked for"
    code, made = ask(capsys, *silence, "--reason", "disk is being replaced", "--for", "1h")
    assert code == 0

    def silenced() -> Any:
        _, board = ask(capsys, "alerts")
        return [a for a in board["alerts"] if a["state"] == "silenced" and a["host"] == HOST]

    (quiet,) = until("the silenced alert", silenced)
    assert quiet["silence"]["reason"] == "disk is being replaced"
    assert run(["alerts", "unsilence", made["id"]]) == 0

    # Mended: resolved there, told once here.
    (place.root / "gone").rename(tree)
    expect(place.backup("tree"))
    until("the end at the webhook", lambda: of_ours(receiver, "BackupJobFailed", "resolved"))
    assert [message["type"] for message in told.received] == ["failure", "success"]
    assert "works again" in told.received[1]["title"]


def test_a_notifier_that_fails_is_visible_and_fails_no_job(
    place: Site, told: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = place.root / "tree"
    told.answer = 500
    sent = len(told.received)
    tree.rename(place.root / "gone")
    try:
        job = expect(place.backup("tree"), "failed")
        assert job.failure and job.failure.code != "notify"
        (warned,) = [w for w in job.warnings if w.code == "monitoring"]
        assert "notifier 1 (json) could not send" in warned.message
        everything = "".join(
            file.read_text("utf-8", "replace")
            for file in place.state.rglob("*")
            if file.is_file() and "gnupg" not in file.parts
        )
        assert "s3cr3t-word" not in everything
        run(["status"])
        assert "not published or told: notifier 1" in capsys.readouterr().out
        # It is tried again: nobody was told yet.
        told.answer = 200
        assert run(["publish"]) == 0
        assert [m["type"] for m in told.received[sent:]] == ["failure"]
    finally:
        told.answer = 200
        (place.root / "gone").rename(tree)
    expect(place.backup("tree"))
    run(["status"])
    assert "not published" not in capsys.readouterr().out


def test_a_pushgateway_that_is_away_fails_no_job(place: Site) -> None:
    settings = place.engine.settings
    away = replace(
        settings, monitoring=replace(settings.monitoring, pushgateway="http://127.0.0.1:1")
    )
    settings_file.save(away)
    try:
        job = expect(place.backup("tree"))
        (warned,) = [w for w in job.warnings if w.code == "monitoring"]
        assert "does not take metrics: Connection refused" in warned.message
        assert job.exit_code == 0
        assert any("Pushgateway" in said for _, said in place.engine.posture().notices)
    finally:
        settings_file.save(settings)


def test_the_published_metrics_are_well_formed(place: Site, tmp_path: Path) -> None:
    """By promtool, from the textfile that node_exporter reads."""
    import shutil
    import subprocess

    settings = place.engine.settings
    local = replace(settings.monitoring, textfile_directory=str(tmp_path))
    settings_file.save(replace(settings, monitoring=local))
    try:
        assert run(["publish"]) == 0
    finally:
        settings_file.save(settings)
    (file,) = tmp_path.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("mentat-dr.prom", 0o644)
    text = file.read_text()
    assert (
        f'backup_offsite_last_run_status{{host="{HOST}",kind="config",source="tree"}} 1.0' in text
    )
    promtool = shutil.which("promtool")
    assert promtool
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, text=True, capture_output=True
    )
    assert "error" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr


def test_watchers_that_cannot_be_relied_on_are_shown_so(
    place: Site, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = place.engine.settings
    away = replace(settings.monitoring, prometheus="http://127.0.0.1:1", alertmanager="")
    settings_file.save(replace(settings, monitoring=away))
    try:
        assert run(["alerts"]) == 3
        shown = capsys.readouterr().out
        assert "NOBODY WATCHES" in shown
        assert "Connection refused" in shown and "Alertmanager is not configured" in shown
        # A server that is something else altogether.
        odd = replace(settings.monitoring, prometheus=lab.pushgateway_url)
        settings_file.save(replace(settings, monitoring=odd))
        _, board = ask(capsys, "alerts")
        (trouble,) = [w for w in board["watches"] if w["name"] == "Prometheus"]
        assert not trouble["reachable"] and "404" in trouble["problem"]
    finally:
        settings_file.save(settings)
