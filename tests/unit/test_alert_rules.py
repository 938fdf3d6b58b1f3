"""Every alert fires when it should and is silent when it should, judged by promtool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import monitoring
from engine.core.alerting import HEARTBEAT
from engine.core.metrics import CATALOGUE
from engine.monitoring.rule import Rule
from engine.monitoring.rules import GROUPS

ROOT = Path(__file__).resolve().parents[2]
RULES = [rule for group in GROUPS for rule in group.rules]
STEP = 24 * 3600  # seconds between samples; the rules' longest wait is shorter
STEPS = 120  # days
END = STEP * STEPS
DAY = 86400
SOURCE = 'host="h",source="s",kind="database"'
ETC = 'host="h",source="etc",kind="config"'
HOST = 'host="h"'

# Severity of every alert that the requirements name.
PROMISED = {
    "BackupJobFailed": "critical",
    "BackupJobNotRun": "critical",
    "BackupDurationTooLong": "warning",
    "BackupVerificationFailed": "critical",
    "BackupVerificationWarnings": "warning",
    "BackupVerificationNotRun": "warning",
    "BackupStorageFull": "critical",
    "BackupSizeAbnormal": "warning",
    "OffsiteBackupMissing": "critical",
    "S3UploadSlowdown": "warning",
    "BackupEncryptionFailure": "critical",
    "DatabaseBackupMissing": "critical",
    "DatabaseBackupConsistencyIssue": "warning",
    "BackupRetentionViolation": "warning",
    "InsufficientBackupCoverage": "warning",
    "DisasterRecoveryTestOverdue": "warning",
    "RecoveryTimeObjectiveExceeded": "warning",
    "BackupDocumentationOutdated": "info",
    "CriticalFileNotBackedUp": "warning",
    "BackupChecksumMismatch": "critical",
}


def always(value: float) -> str:
    return f"{value}+0x{STEPS}"


def ago(seconds: float) -> str:
    """A time that is always so long ago."""
    return f"{-seconds:.0f}+{STEP}x{STEPS}"


def stopped(seconds: float) -> str:
    """A time that stands still since so long."""
    return always(END - seconds)


def since(seconds: float) -> str:
    """A time that has been so long ago for a whole step, so that no rule waits any more."""
    return stopped(seconds + STEP + 60)


def source_series(labels: str) -> dict[str, str]:
    return {
        f"backup_offsite_last_run_status{{{labels}}}": always(1),
        f"backup_offsite_last_run_timestamp{{{labels}}}": ago(3600),
        f"backup_offsite_last_run_duration_seconds{{{labels}}}": always(600),
        f"backup_offsite_last_run_bytes{{{labels}}}": always(1000),
        f"backup_size_average_bytes{{{labels}}}": always(1100),
        f"backup_last_run_warnings{{{labels}}}": always(0),
        f"backup_upload_bytes_per_second{{{labels}}}": always(90),
        f"backup_upload_average_bytes_per_second{{{labels}}}": always(100),
        f"backup_last_recoverable_timestamp{{{labels}}}": ago(600),
        f"backup_last_verified_timestamp{{{labels}}}": ago(DAY),
        f"backup_rpo_target_seconds{{{labels}}}": always(900),
        f"backup_rto_target_seconds{{{labels}}}": always(3600),
        f"backup_rto_forecast_seconds{{{labels}}}": always(1200),
        f"backup_rto_measured_seconds{{{labels}}}": always(1000),
        f"backup_coverage_days{{{labels}}}": always(30),
        f"backup_retention_overdue_snapshots{{{labels}}}": always(0),
        f"backup_snapshots{{{labels}}}": always(30),
    }


# A host where all is well; it publishes to a Pushgateway and to a textfile at once.
WELL: dict[str, str] = {
    **source_series(SOURCE),
    **source_series(ETC),
    **source_series(f'{SOURCE},instance="node:9100"'),
    f'backup_store_reachable{{{HOST},store="s3:b"}}': always(1),
    f'backup_store_offsite{{{HOST},store="s3:b"}}': always(1),
    f'backup_storage_size_bytes{{{HOST},path="/"}}': always(1000),
    f'backup_storage_free_bytes{{{HOST},path="/"}}': always(500),
    f'backup_verification_failed{{{HOST},scope="offsite",source="s"}}': always(0),
    f'backup_verification_warnings{{{HOST},scope="offsite",source="s"}}': always(2),
    f'backup_verification_last_run{{{HOST},scope="offsite"}}': ago(3600),
    f'dr_last_test_timestamp{{{HOST},kind="full"}}': ago(20 * DAY),
    f'dr_test_status{{{HOST},kind="full"}}': always(1),
    f'dr_test_duration_seconds{{{HOST},kind="full"}}': always(1800),
    f'backup_key_expiry_timestamp{{{HOST},key="AB",role="recipient"}}': always(END + 200 * DAY),
    f'backup_key_usable{{{HOST},key="AB",role="recipient"}}': always(1),
    f"backup_key_check_timestamp{{{HOST}}}": ago(DAY),
    f"backup_key_escrow_test_timestamp{{{HOST}}}": ago(30 * DAY),
    f'backup_credentials_since_timestamp{{{HOST},store="s3:b"}}': ago(30 * DAY),
    f'backup_job_failures{{{HOST},operation="prune",source=""}}': always(0),
    f'backup_documentation_due_timestamp{{{HOST},document="pre-flight"}}': always(END + DAY),
    f"backup_notify_failures{{{HOST}}}": always(0),
    f"backup_publish_timestamp{{{HOST}}}": ago(300),
}


def of(metric: str, value: str, labels: str = SOURCE) -> dict[str, str]:
    return {f"{metric}{{{labels}}}": value}


OFFSITE = f'{HOST},scope="offsite",source="s"'
RECIPIENT = f'{HOST},key="AB",role="recipient"'
FULL = f'{HOST},kind="full"'
STORE = f'{HOST},store="s3:b"'
REPEATED = f'{SOURCE},instance="node:9100"'

# What is wrong in each case; both places of a host tell of it.
ILL: dict[str, list[Mapping[str, str]]] = {
    "BackupJobFailed": [of("backup_offsite_last_run_status", always(0))],
    "BackupJobNotRun": [
        of("backup_offsite_last_run_timestamp", since(25 * 3600)),
        of("backup_offsite_last_run_timestamp", always(0)),
    ],
    "BackupDurationTooLong": [of("backup_offsite_last_run_duration_seconds", always(3601))],
    "RecoveryPointObjectiveMissed": [of("backup_last_recoverable_timestamp", since(25 * 3600))],
    "BackupOperationFailing": [
        of("backup_job_failures", always(2), f'{HOST},operation="prune",source=""')
    ],
    "BackupVerificationFailed": [of("backup_verification_failed", always(1), OFFSITE)],
    "BackupVerificationWarnings": [of("backup_verification_warnings", always(4), OFFSITE)],
    "BackupVerificationNotRun": [
        of("backup_verification_last_run", since(49 * 3600), f'{HOST},scope="offsite"')
    ],
    "RestoreTestOverdue": [of("backup_last_verified_timestamp", since(15 * DAY))],
    "BackupStorageFull": [of("backup_storage_free_bytes", always(99), f'{HOST},path="/"')],
    "BackupSizeAbnormal": [of("backup_offsite_last_run_bytes", always(500))],
    "OffsiteBackupMissing": [
        of("backup_last_recoverable_timestamp", since(25 * 3600)),
        of("backup_store_offsite", always(0), STORE),
    ],
    "BackupStoreUnreachable": [of("backup_store_reachable", always(0), STORE)],
    "S3UploadSlowdown": [of("backup_upload_bytes_per_second", always(49))],
    "BackupEncryptionFailure": [
        of("backup_last_run_failure", always(1), f'{SOURCE},reason="keys"'),
        of("backup_key_usable", always(0), RECIPIENT),
    ],
    "DatabaseBackupMissing": [of("backup_last_recoverable_timestamp", since(25 * 3600))],
    "DatabaseBackupConsistencyIssue": [of("backup_last_run_warnings", always(1))],
    "BackupRetentionViolation": [of("backup_retention_overdue_snapshots", always(1))],
    "InsufficientBackupCoverage": [of("backup_coverage_days", always(6.5))],
    "DisasterRecoveryTestOverdue": [
        of("dr_last_test_timestamp", since(91 * DAY), FULL),
        of("dr_last_test_timestamp", always(0), FULL),
    ],
    "DisasterRecoveryTestFailed": [of("dr_test_status", always(0), FULL)],
    "RecoveryTimeObjectiveExceeded": [
        of("dr_test_duration_seconds", always(7201), FULL),
        of("backup_rto_measured_seconds", always(3601)),
    ],
    "RecoveryTimeForecastTooLong": [of("backup_rto_forecast_seconds", always(3601))],
    "BackupDocumentationOutdated": [
        of("backup_documentation_due_timestamp", since(DAY), f'{HOST},document="pre-flight"')
    ],
    "CriticalFileNotBackedUp": [of("backup_last_recoverable_timestamp", since(25 * 3600), ETC)],
    "BackupChecksumMismatch": [
        of("backup_last_run_failure", always(1), f'{SOURCE},reason="damage"'),
        of("backup_verification_check_failed", always(1), f'{OFFSITE},check="stored-bytes"'),
    ],
    "BackupKeyExpiring": [of("backup_key_expiry_timestamp", always(END + 28 * DAY), RECIPIENT)],
    "BackupKeyExpired": [of("backup_key_expiry_timestamp", since(60), RECIPIENT)],
    "BackupKeyCheckOverdue": [of("backup_key_check_timestamp", since(9 * DAY), HOST)],
    "KeyEscrowTestOverdue": [of("backup_key_escrow_test_timestamp", since(93 * DAY), HOST)],
    "StoreCredentialsOld": [of("backup_credentials_since_timestamp", since(91 * DAY), STORE)],
    "BackupMonitoringSilent": [of("backup_publish_timestamp", since(3 * 3600), HOST)],
    "BackupMetricsVanished": [of("backup_publish_timestamp", f"-300+{STEP}x{STEPS - 3} _x3", HOST)],
    "BackupNotifierFailing": [of("backup_notify_failures", always(1), HOST)],
}

# Near misses: the alert must stay silent.
STILL_WELL: dict[str, Mapping[str, str]] = {
    "BackupJobNotRun": of("backup_offsite_last_run_timestamp", stopped(23 * 3600)),
    "BackupDurationTooLong": of("backup_offsite_last_run_duration_seconds", always(3599)),
    "BackupVerificationWarnings": of("backup_verification_warnings", always(3), OFFSITE),
    "BackupStorageFull": of("backup_storage_free_bytes", always(101), f'{HOST},path="/"'),
    "BackupSizeAbnormal": of("backup_offsite_last_run_bytes", always(551)),
    "InsufficientBackupCoverage": of("backup_coverage_days", always(7)),
    "DisasterRecoveryTestOverdue": of("dr_last_test_timestamp", stopped(89 * DAY), FULL),
    "BackupKeyExpiring": of("backup_key_expiry_timestamp", always(END + 31 * DAY), RECIPIENT),
    "StoreCredentialsOld": of("backup_credentials_since_timestamp", stopped(89 * DAY), STORE),
    "BackupChecksumMismatch": of(
        "backup_verification_check_failed", always(1), f'{OFFSITE},check="age"'
    ),
    "CriticalFileNotBackedUp": of("backup_last_recoverable_timestamp", stopped(26 * 3600)),
}


def promtool(*arguments: str) -> str:
    """promtool's output; it must succeed."""
    program = shutil.which("promtool")
    assert program, "promtool is missing: apt-get install prometheus"
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expecting(expression: str, fires: bool) -> dict[str, Any]:
    return {
        "expr": expression,
        "eval_time": f"{END}s",
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }


def firing(alert: str, host: str) -> str:
    at = f',host="{host}"' if host else ""
    return f'max(ALERTS{{alertname="{alert}",alertstate="firing"{at}}})'


def changed(change: Mapping[str, str], host: str) -> dict[str, str]:
    """The healthy host under another name, some series replaced in both places where it tells of
    them; `_` takes one away. What a case does not need is left out: promtool takes its time."""
    series = {
        name: values
        for name, values in WELL.items()
        if not change or (REPEATED not in name and ETC not in name)
    }
    for name, values in change.items():
        series[name] = values
        twin = name.replace(f"{{{SOURCE}}}", f"{{{REPEATED}}}")
        if twin in WELL:
            series[twin] = values
        if ETC in name:
            series |= {n: v for n, v in WELL.items() if ETC in n} | {name: values}
    renamed = f'host="{host}"'
    return {name.replace(HOST, renamed): v for name, v in series.items() if v != "_"}


def judged(tmp_path: Path, groups: list[tuple[Mapping[str, str], list[dict[str, Any]]]]) -> None:
    """promtool finds in each group of series what is expected of it."""
    (tmp_path / "alerts.yml").write_text(monitoring.alerts_yml())
    tests = [
        {
            "interval": f"{STEP}s",
            "input_series": [{"series": s, "values": v} for s, v in series.items()],
            "promql_expr_test": expected,
        }
        for series, expected in groups
    ]
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": f"{STEP}s", "tests": tests}
    (tmp_path / "test.yml").write_text(json.dumps(document))  # JSON is YAML
    promtool("test", "rules", str(tmp_path / "test.yml"))


def test_each_fires_when_it_should_and_is_silent_when_it_should(tmp_path: Path) -> None:
    """One host for each case, all in one Prometheus: promtool takes long for each group."""
    series: dict[str, str] = changed({}, "well")
    others = f'max(ALERTS{{alertname!="{HEARTBEAT}",host="well"}})'
    expected = [expecting(others, False), expecting(firing(HEARTBEAT, ""), True)]
    for alert, changes in ILL.items():
        for number, change in enumerate(changes):
            host = f"{alert}-{number}"
            series |= changed(change, host)
            expected.append(expecting(firing(alert, host), True))
    for alert, change in STILL_WELL.items():
        host = f"{alert}-near"
        series |= changed(change, host)
        expected.append(expecting(firing(alert, host), False))
    absent = "BackupMetricsAbsent"
    expected.append(expecting(firing(absent, ""), False))
    judged(
        tmp_path, [(series, expected), ({"up": always(1)}, [expecting(firing(absent, ""), True)])]
    )


def test_promtool_accepts_the_file() -> None:
    file = ROOT / "engine/monitoring" / monitoring.ALERTS
    assert f"{len(RULES)} rules" in promtool("check", "rules", str(file))


def test_every_alert_has_a_case() -> None:
    assert set(ILL) | {HEARTBEAT, "BackupMetricsAbsent"} == {rule.name for rule in RULES}
    assert len(RULES) == len({rule.name for rule in RULES})


def test_every_promised_alert_is_there_with_its_severity() -> None:
    found = {rule.name: rule.severity for rule in RULES}
    assert {name: found.get(name) for name in PROMISED} == PROMISED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_leads_somewhere(rule: Rule) -> None:
    """To a runbook and a command that there are, by metrics that are published."""
    from engine.cli.main import COMMANDS

    assert (ROOT / "runbooks" / f"{rule.runbook}.toml").is_file()
    for command in rule.command.split("&&"):
        program, verb, *_ = command.split()
        assert program == "mentat-dr"
        assert verb in COMMANDS or verb in COMING, verb
    for metric in re.findall(r"\b(?:backup|dr)_[a-z_]+", rule.expr):
        assert metric in CATALOGUE, metric


COMING = {"verify", "drill", "report", "runbook", "prune"}


def test_the_files_beside_the_generator_are_as_it_makes_them() -> None:
    """Else: python -m engine.monitoring"""
    folder = ROOT / "engine/monitoring"
    assert (folder / monitoring.ALERTS).read_text() == monitoring.alerts_yml()
    assert (folder / monitoring.DASHBOARD).read_text() == monitoring.dashboard_json()
