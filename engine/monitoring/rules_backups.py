"""Alerts about backups being made, proven and kept."""

from __future__ import annotations

from engine.monitoring.rule import (
    AGE,
    BACKUP,
    DAILY,
    DAY,
    HOST,
    OF,
    SOURCE,
    STATUS,
    Group,
    Rule,
    of_host,
    of_source,
    per,
)

RECOVERABLE = of_source("backup_last_recoverable_timestamp")
# Checks whose failure means that stored bytes are not those that were written.
DAMAGE_CHECKS = ".*(checksum|hash|stored-bytes|signature|decrypt|manifest).*"


def of_kind(kind: str) -> str:
    return of_source(f'backup_last_recoverable_timestamp{{kind="{kind}"}}')


EXECUTION = Group(
    "execution",
    (
        Rule(
            "BackupJobFailed",
            "critical",
            of_source("backup_offsite_last_run_status", "min") + " == 0",
            "0m",
            f"The last backup of {OF} failed",
            "It made no snapshot. What was there before stays; the RPO runs.",
            "pre-flight",
            f"mentat-dr job list && {BACKUP}",
        ),
        Rule(
            "BackupJobNotRun",
            "critical",
            f"time() - {of_source('backup_offsite_last_run_timestamp')} "
            f"> on(host, source, kind) {DAILY}",
            "1h",
            f"No backup of {OF} has run for {AGE}",
            "The schedule does not run, or the host is down. A missing run is as bad as a failed "
            "one.",
            "pre-flight",
            f"mentat-dr doctor && {BACKUP}",
        ),
        Rule(
            "BackupDurationTooLong",
            "warning",
            of_source("backup_offsite_last_run_duration_seconds") + " > 3600",
            "0m",
            f"The last backup of {OF} took {AGE}",
            "Longer than an hour: it may run into the next one, and a restore takes as long.",
            "pre-flight",
            "mentat-dr job list",
        ),
        Rule(
            "RecoveryPointObjectiveMissed",
            "critical",
            f"time() - {RECOVERABLE} > on(host, source, kind) "
            + of_source("backup_rpo_target_seconds"),
            "5m",
            f"{OF} can only be brought back to {AGE} ago",
            "That is more than its RPO allows.",
            "pre-flight",
            f"{STATUS} && {BACKUP}",
        ),
        Rule(
            "BackupOperationFailing",
            "warning",
            per("host, source, operation", 'backup_job_failures{operation!="backup"}') + " > 0",
            "0m",
            "{{ $labels.operation }} "
            + f"{SOURCE} on {HOST} failed {{{{ $value }}}} times in a row",
            "Jobs other than backups keep snapshots proven, pruned and copied.",
            "pre-flight",
            "mentat-dr job list",
        ),
    ),
)


VERIFICATION = Group(
    "verification",
    (
        Rule(
            "BackupVerificationFailed",
            "critical",
            per("host, scope, source", "backup_verification_failed") + " > 0",
            "0m",
            f"Verification ({{{{ $labels.scope }}}}) found {{{{ $value }}}} failures: {OF}",
            "A backup that cannot be proven does not count. Find out which snapshots are affected.",
            "application-data-loss",
            "mentat-dr report show latest",
        ),
        Rule(
            "BackupVerificationWarnings",
            "warning",
            per("host, scope", per("host, scope, source", "backup_verification_warnings"), "sum")
            + " > 3",
            "0m",
            f"Verification ({{{{ $labels.scope }}}}) gave {{{{ $value }}}} warnings on {HOST}",
            "More than three at once are rarely chance.",
            "pre-flight",
            "mentat-dr report show latest",
        ),
        Rule(
            "BackupVerificationNotRun",
            "warning",
            f"time() - {of_host('backup_verification_last_run')} > {2 * DAY}",
            "1h",
            f"Nothing was verified on {HOST} for {AGE}",
            "Backups that nobody reads may be unreadable.",
            "pre-flight",
            "mentat-dr verify all",
        ),
        Rule(
            "RestoreTestOverdue",
            "warning",
            f"time() - {of_source('backup_last_verified_timestamp')} > {14 * DAY}",
            "1h",
            f"No snapshot of {OF} was proven by a restore for {AGE}",
            "RPO is counted from the newest proven snapshot.",
            "pre-flight",
            f"mentat-dr verify restore --source {SOURCE}",
        ),
    ),
)


STORAGE = Group(
    "storage",
    (
        Rule(
            "BackupStorageFull",
            "critical",
            per("host, path", "backup_storage_free_bytes / backup_storage_size_bytes") + " < 0.10",
            "5m",
            f"{{{{ $labels.path }}}} on {HOST}: {{{{ $value | humanizePercentage }}}} free",
            "Backups, or what is needed to make them, will soon not fit.",
            "pre-flight",
            "mentat-dr prune --plan",
        ),
        Rule(
            "BackupSizeAbnormal",
            "warning",
            f"{of_source('backup_offsite_last_run_bytes')} < 0.5 * "
            f"{of_source('backup_size_average_bytes')} "
            f"and {of_source('backup_offsite_last_run_status')} == 1",
            "0m",
            f"The last backup of {OF} is less than half its usual size",
            "{{ $value | humanize1024 }}B were stored. Data may be missing at its source.",
            "application-data-loss",
            f"mentat-dr snapshots --source {SOURCE}",
        ),
    ),
)


OFFSITE = Group(
    "offsite",
    (
        Rule(
            "OffsiteBackupMissing",
            "critical",
            f"time() - {RECOVERABLE} > on(host, source, kind) {DAILY} "
            f"or {of_host('backup_store_offsite', 'min')} == 0",
            "1h",
            f"No fresh snapshot of {OF} is offsite",
            "Either none was stored for longer than a day, or the repository is a directory on "
            "the machine itself.",
            "pre-flight",
            f"mentat-dr snapshots --source {SOURCE}",
        ),
        Rule(
            "BackupStoreUnreachable",
            "critical",
            per("host, store", "backup_store_reachable", "min") + " == 0",
            "30m",
            f"The store {{{{ $labels.store }}}} does not answer {HOST}",
            "No backup can be made and none can be read there.",
            "cross-region-failover",
            "mentat-dr doctor",
        ),
        Rule(
            "S3UploadSlowdown",
            "warning",
            f"{of_source('backup_upload_bytes_per_second')} < 0.5 * "
            f"{of_source('backup_upload_average_bytes_per_second')} "
            f"and {of_source('backup_offsite_last_run_duration_seconds')} > 60",
            "0m",
            f"Uploads of {OF} run at less than half their usual speed",
            "{{ $value | humanize1024 }}B/s. A restore would be as slow.",
            "pre-flight",
            "mentat-dr doctor",
        ),
        Rule(
            "BackupEncryptionFailure",
            "critical",
            of_source('backup_last_run_failure{reason="keys"}')
            + " == 1 or "
            + per("host, key, role", "backup_key_usable", "min")
            + " == 0",
            "0m",
            f"Backups on {HOST} cannot be encrypted or signed",
            "A key is missing, expired or revoked: no backup is made until that is mended.",
            "lost-encryption-key",
            "mentat-dr key check",
        ),
    ),
)


DATABASE = Group(
    "database",
    (
        Rule(
            "DatabaseBackupMissing",
            "critical",
            f"time() - {of_kind('database')} > {DAY}",
            "30m",
            f"The database {OF} has had no snapshot for {AGE}",
            "Everything written since is lost with the server.",
            "database-corruption",
            BACKUP,
        ),
        Rule(
            "DatabaseBackupConsistencyIssue",
            "warning",
            of_source('backup_last_run_warnings{kind="database"}') + " > 0",
            "0m",
            f"The last backup of the database {OF} came with {{{{ $value }}}} warnings",
            "Tables without transactions, definers that do not exist, or rows that could not be "
            "checked: a restore may differ.",
            "database-corruption",
            f"mentat-dr show latest --source {SOURCE}",
        ),
    ),
)


RETENTION = Group(
    "retention",
    (
        Rule(
            "BackupRetentionViolation",
            "warning",
            of_source("backup_retention_overdue_snapshots") + " > 0",
            "1h",
            f"{{{{ $value }}}} snapshots of {OF} are kept longer than they should be",
            "Prune does not run, or an Object Lock holds them: costs grow, and so does what a "
            "thief would find.",
            "pre-flight",
            "mentat-dr prune --plan",
        ),
        Rule(
            "InsufficientBackupCoverage",
            "warning",
            of_source("backup_coverage_days") + " < 7",
            "1h",
            f"Snapshots of {OF} reach back only {{{{ $value | humanize }}}} days without a gap",
            "Damage that is noticed late cannot be undone. New sources need a week to get there.",
            "pre-flight",
            f"mentat-dr snapshots --source {SOURCE}",
        ),
    ),
)


FILES = Group(
    "files",
    (
        Rule(
            "CriticalFileNotBackedUp",
            "warning",
            f"time() - {of_kind('config')} > {DAY}",
            "1h",
            f"The files of {OF} were last stored {AGE} ago",
            "Configuration is small, and without it nothing else comes up again.",
            "application-data-loss",
            BACKUP,
        ),
        Rule(
            "BackupChecksumMismatch",
            "critical",
            of_source('backup_last_run_failure{reason="damage"}')
            + " == 1 or "
            + per(
                "host, scope, source, check",
                f'backup_verification_check_failed{{check=~"{DAMAGE_CHECKS}"}}',
            )
            + " == 1",
            "0m",
            f"Stored bytes of {OF} are not those that were written",
            "Trust no snapshot of this source before it is verified again; replicas may be whole.",
            "application-data-loss",
            f"mentat-dr verify offsite --source {SOURCE}",
        ),
    ),
)
