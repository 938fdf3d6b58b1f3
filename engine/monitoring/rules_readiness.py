"""Alerts about being ready for the day: drills, keys, and monitoring itself."""

from __future__ import annotations

from engine.core.alerting import HEARTBEAT
from engine.monitoring.rule import (
    AGE,
    DAY,
    HOST,
    OF,
    Group,
    Rule,
    of_host,
    of_source,
    per,
)

RTO = of_source("backup_rto_target_seconds")
EXPIRY = per("host, key, role", "backup_key_expiry_timestamp")


READINESS = Group(
    "readiness",
    (
        Rule(
            "DisasterRecoveryTestOverdue",
            "warning",
            f"time() - {of_host('dr_last_test_timestamp')} > {90 * DAY}",
            "1h",
            f"{HOST} has held no recovery drill for {AGE}",
            "A recovery that was not rehearsed takes longer than anybody thinks.",
            "pre-flight",
            "mentat-dr drill full",
        ),
        Rule(
            "DisasterRecoveryTestFailed",
            "critical",
            per("host, kind", "dr_test_status", "min") + " == 0",
            "0m",
            f"The last {{{{ $labels.kind }}}} drill on {HOST} failed",
            "What failed in the drill would fail on the day.",
            "pre-flight",
            "mentat-dr report show latest",
        ),
        Rule(
            "RecoveryTimeObjectiveExceeded",
            "warning",
            f"{of_source('dr_test_duration_seconds')} > 7200 or "
            f"{of_source('backup_rto_measured_seconds')} > {RTO}",
            "0m",
            f"Recovering {OF} took {AGE}",
            "That is more than its RTO, or more than the two hours that the whole host has.",
            "pre-flight",
            "mentat-dr report show latest",
        ),
        Rule(
            "RecoveryTimeForecastTooLong",
            "warning",
            f"{of_source('backup_rto_forecast_seconds')} > {RTO}",
            "1h",
            f"A recovery of {OF} would take {AGE} by now",
            "Its data has grown since the last drill: the RTO will be missed.",
            "pre-flight",
            "mentat-dr drill quick",
        ),
        Rule(
            "BackupDocumentationOutdated",
            "info",
            "time() > " + per("host, document", "backup_documentation_due_timestamp"),
            "1h",
            f"The runbook {{{{ $labels.document }}}} on {HOST} is due for review",
            "Read it once, correct it, and renew its date.",
            "pre-flight",
            "mentat-dr runbook lint",
        ),
    ),
)


KEYS = Group(
    "keys",
    (
        Rule(
            "BackupKeyExpiring",
            "warning",
            f"{EXPIRY} - time() < {30 * DAY} and {EXPIRY} > time()",
            "1h",
            f"The {{{{ $labels.role }}}} key {{{{ $labels.key }}}} of {HOST} expires in {AGE}",
            "Backups stop on that day.",
            "lost-encryption-key",
            "mentat-dr key check",
        ),
        Rule(
            "BackupKeyExpired",
            "critical",
            f"{EXPIRY} - time() <= 0",
            "0m",
            f"The {{{{ $labels.role }}}} key {{{{ $labels.key }}}} of {HOST} has expired",
            "Backups cannot be made with it. What it encrypted can still be opened.",
            "lost-encryption-key",
            "mentat-dr key check",
        ),
        Rule(
            "BackupKeyCheckOverdue",
            "warning",
            f"time() - {of_host('backup_key_check_timestamp')} > {8 * DAY}",
            "1h",
            f"The keys of {HOST} were not checked for {AGE}",
            "An expired key is noticed only when a backup fails.",
            "lost-encryption-key",
            "mentat-dr key check",
        ),
        Rule(
            "KeyEscrowTestOverdue",
            "warning",
            f"time() - {of_host('backup_key_escrow_test_timestamp')} > {92 * DAY}",
            "1h",
            f"No offline key was proven to open a snapshot of {HOST} for {AGE}",
            "When this host is gone, the offline key is all there is.",
            "lost-encryption-key",
            "mentat-dr key escrow-test KEYFILE",
        ),
        Rule(
            "StoreCredentialsOld",
            "warning",
            f"time() - {per('host, store', 'backup_credentials_since_timestamp')} > {90 * DAY}",
            "1h",
            f"The credentials of {{{{ $labels.store }}}} on {HOST} are {AGE} old",
            "Make new ones at the provider, put them into the configuration, delete the old.",
            "security-breach",
            "mentat-dr doctor",
        ),
    ),
)


OURSELVES = Group(
    "monitoring",
    (
        Rule(
            "BackupMonitoringSilent",
            "critical",
            f"time() - {of_host('backup_publish_timestamp')} > 7200",
            "10m",
            f"{HOST} has published nothing for {AGE}",
            "The host is down, its schedule does not run, or it cannot reach the Pushgateway.",
            "vps-complete-failure",
            "mentat-dr publish",
        ),
        Rule(
            "BackupMetricsVanished",
            "critical",
            f"{of_host('max_over_time(backup_publish_timestamp[7d])')} unless "
            f"{of_host('backup_publish_timestamp')}",
            "15m",
            f"The metrics of {HOST} have vanished",
            "The host is down, its node_exporter is, or the Pushgateway lost its memory.",
            "vps-complete-failure",
            "mentat-dr publish",
        ),
        Rule(
            "BackupMetricsAbsent",
            "critical",
            "absent(backup_publish_timestamp)",
            "15m",
            "No host publishes backup metrics",
            "Either nothing is backed up at all, or Prometheus does not see it.",
            "observability-stack-failure",
            "mentat-dr publish",
        ),
        Rule(
            "BackupNotifierFailing",
            "warning",
            of_host("backup_notify_failures") + " > 0",
            "15m",
            f"{{{{ $value }}}} notifiers of {HOST} fail",
            "Failures may reach nobody.",
            "observability-stack-failure",
            "mentat-dr publish",
        ),
        Rule(
            HEARTBEAT,
            "info",
            "vector(1)",
            "0m",
            "Prometheus evaluates our rules and reaches the Alertmanager",
            "Fires always. Route it to a dead-man's switch outside; its silence is the alarm.",
            "observability-stack-failure",
            "mentat-dr alerts",
        ),
    ),
)
