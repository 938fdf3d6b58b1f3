"""Reports: what they count, how they are written, kept and read back; foreign text is harmless."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.adapters.local_store import LocalStore
from engine.core.errors import UsageError
from engine.core.report import (
    Check,
    Report,
    ReportKind,
    RtoMeasured,
    TimedPhase,
    failed,
    passed,
    warning,
)
from engine.core.report_text import html, markdown
from engine.operations import reports

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)
EVIL = '<script>alert("x")</script> | `a` [b](c) \x1b[31m\nnext & so on'


def report(
    *checks: Check, kind: ReportKind = "drill-full", at: datetime = AT, job: str = "job-1"
) -> Report:
    return Report(
        kind=kind,
        id=job,
        host="landsraad",
        started=at,
        finished=at + timedelta(seconds=90),
        checks=checks,
        phases=(TimedPhase("load shop-db", "shop-db", 12.5, 1000),),
        rto=(
            RtoMeasured("shop-db", "database", 30, 3600, "ref", 1000, 100),
            RtoMeasured("", "whole", 4000, 3600),
        ),
        store="wasabi:mentat",
        environment="production",
    )


GOOD = passed("rows", "shop-db", "all there", rows=12, seconds=1.5)
WARNED = warning("size", "media", "small", "Look.")
BAD = failed("objects", "media", EVIL, "Take another.")


def test_it_counts_and_the_worst_decides() -> None:
    assert report(GOOD).outcome == "passed"
    assert report(GOOD, WARNED).outcome == "warning"
    found = report(GOOD, WARNED, BAD)
    assert (found.passed, found.warnings, found.failed, found.outcome) == (1, 1, 1, "failed")
    assert report().outcome == "failed", "what checked nothing proves nothing"
    assert found.sources == ("shop-db", "media") and found.seconds == 90 and found.drill
    assert found.whole is not None and not found.whole.met and found.rto[0].met
    assert found.summary == "1 checks passed, 1 warning, 1 failed"


def test_it_is_kept_in_three_forms_and_read_back_the_same(tmp_path: Path) -> None:
    found = report(GOOD, WARNED, BAD)
    file = reports.save(tmp_path, found)
    assert file.parent == tmp_path / "reports" / "dr-tests"
    assert {f.suffix for f in file.parent.iterdir()} == {".json", ".md", ".html"}
    assert all(f.stat().st_mode & 0o777 == 0o600 for f in file.parent.iterdir())
    document = json.loads(file.read_text())
    assert document["counts"] == {"passed": 1, "warnings": 1, "failed": 1}
    assert reports.history(tmp_path) == [found]
    assert reports.newest(tmp_path, "drill-full") == found
    assert reports.newest(tmp_path, "drill-quick") is None


def test_history_is_newest_first_and_skips_what_cannot_be_read(tmp_path: Path) -> None:
    kinds: list[ReportKind] = ["verify-offsite", "verify-local", "verify-offsite"]
    made = [
        report(GOOD, kind=kind, at=AT + timedelta(days=n), job=f"job-{n}")
        for n, kind in enumerate(kinds)
    ]
    for one in made:
        reports.save(tmp_path, one)
    folder = tmp_path / "reports" / "backup-verification"
    (folder / "20261130T000000Z-verify-local-x.json").write_text('{"kind": "nonsense"}')
    (folder / "20261130T000000Z-verify-local-y.json").write_bytes(b"\xff\x00")
    assert reports.history(tmp_path) == made[::-1]
    assert reports.history(tmp_path, ["verify-local"]) == [made[1]]
    assert reports.history(tmp_path, since=AT + timedelta(days=1)) == [made[2], made[1]]
    assert reports.recent(tmp_path, ["verify-offsite"], 1) == [made[2]]
    assert reports.find(tmp_path, "latest") == made[2]
    assert reports.find(tmp_path, "job-1") == made[1]
    for wanted in ("job-", "nothing"):
        with pytest.raises(UsageError):
            reports.find(tmp_path, wanted)


def test_the_store_keeps_a_copy_that_outlives_the_host(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    found = report(GOOD)
    reports.copy(store, found)
    keys = [item.key for item in store.list("v1/landsraad/journal/reports/")]
    assert keys == ["v1/landsraad/journal/reports/20261122T030000Z-drill-full-job-1.json"]
    store.put("v1/landsraad/journal/reports/20261122T040000Z-drill-full-x.json", b"no report")
    assert reports.fetch(store, "landsraad") == [found]
    with pytest.raises(UsageError):
        reports.fetch(store, "../other")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_foreign_text_stays_text() -> None:
    page = html(report(GOOD, WARNED, BAD))
    seen = _Tags()
    seen.feed(page)
    assert "script" not in seen.tags and not seen.addresses
    assert seen.tags.count("svg") == 2
    assert '<script>alert("x")</script>' in seen.text
    assert "4000.0 of 3600 s" in seen.text


def test_markdown_says_what_is_wrong_first_and_keeps_its_tables() -> None:
    text = markdown(report(GOOD, WARNED, BAD))
    assert text.index("**FAILED**") < text.index("**WARNING**") < text.index("## Checks")
    assert "\x1b" not in text and "\nnext" not in text and "<script>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| media")]
    assert len(rows) == 2
    assert "**MISSED**" in text
