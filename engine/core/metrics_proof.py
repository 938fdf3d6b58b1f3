"""Metrics of verifications and drills, from their reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.metrics import Sheet
from engine.core.objectives import SourcePosture
from engine.core.report import DRILLS, VERIFICATIONS, Report


def put_proofs(sheet: Sheet, reports: Sequence[Report], sources: Sequence[SourcePosture]) -> None:
    """The last report of each kind; reports are newest first. What was never done is as old as
    can be."""
    newest: dict[str, Report] = {}
    for report in reports:
        newest.setdefault(report.kind, report)
    verified = [newest[kind] for kind in VERIFICATIONS if kind in newest]
    for report in verified:
        _put_verification(sheet, report)
    if not verified:
        sheet.put("backup_verification_last_run", 0, scope="")
    drills = [newest[kind] for kind in DRILLS if kind in newest]
    for report in drills:
        _put_drill(sheet, report)
    if not drills:
        sheet.put("dr_last_test_timestamp", 0, kind="")
    _put_recovery_times(sheet, reports, {source.source: source.kind for source in sources})


def _put_verification(sheet: Sheet, report: Report) -> None:
    scope = report.kind.removeprefix("verify-")
    sheet.put("backup_verification_last_run", report.finished, scope=scope)
    for source in _subjects(report):
        checks = report.of(source)
        counted = {"scope": scope, "source": source}
        for name, outcome in (("passed", "passed"), ("failed", "failed"), ("warnings", "warning")):
            number = sum(check.outcome == outcome for check in checks)
            sheet.put(f"backup_verification_{name}", number, **counted)
        for check in checks:
            if check.outcome == "failed":
                sheet.put("backup_verification_check_failed", 1, check=check.name, **counted)
    if not report.checks:  # it proved nothing
        sheet.put("backup_verification_failed", 1, scope=scope, source="")


def _subjects(report: Report) -> Iterable[str]:
    return sorted({check.source for check in report.checks})


def _put_drill(sheet: Sheet, report: Report) -> None:
    kind = report.kind.removeprefix("drill-")
    sheet.put("dr_test_passed", report.passed, kind=kind)
    sheet.put("dr_test_failed", report.failed, kind=kind)
    sheet.put("dr_test_duration_seconds", report.seconds, kind=kind)
    sheet.put("dr_last_test_timestamp", report.finished, kind=kind)
    sheet.put("dr_test_status", report.outcome != "failed", kind=kind)


def _put_recovery_times(sheet: Sheet, reports: Sequence[Report], kinds: dict[str, str]) -> None:
    """The newest measured recovery time of each source, and of the whole host."""
    told: set[str] = set()
    for report in reports:
        for measured in report.rto:
            if measured.source in told:
                continue
            told.add(measured.source)
            labels = {
                "source": measured.source,
                "kind": kinds.get(measured.source, measured.kind if measured.source else ""),
            }
            sheet.put("backup_rto_measured_seconds", measured.seconds, **labels)
            if not measured.source:
                sheet.put("backup_rto_target_seconds", measured.target_seconds, **labels)
