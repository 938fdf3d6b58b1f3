"""Importing a `backup-config.env`, the shell configuration that this product replaces.

The file is read as data: nothing in it is ever executed or expanded. Every key in it ends up
somewhere: in the configuration, among the secrets, or named as left out and why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)\Z", re.DOTALL)
_COMPUTED = re.compile(r"\$|`")
_PLACEHOLDER = re.compile(r"\A(?:your[-_ ]|<.*>\Z|change[-_ ]?me|xxx+\Z)", re.IGNORECASE)


@dataclass(slots=True)
class Imported:
    """What the file gave.

    values    by the names below in FIELDS
    unknown   keys that mean nothing here
    left_out  (key, why): known, but not to be taken over
    """

    values: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


FIELDS: dict[str, tuple[str, ...]] = {
    "provider": ("S3_PROVIDER",),
    "bucket": ("S3_BUCKET", "S3_BUCKET_NAME", "AWS_S3_BUCKET"),
    "prefix": ("S3_PREFIX", "S3_PATH"),
    "endpoint": ("S3_ENDPOINT", "S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    "region": ("S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    "access_key": ("AWS_ACCESS_KEY_ID", "S3_ACCESS_KEY", "S3_ACCESS_KEY_ID", "B2_KEY_ID"),
    "secret_key": (
        "AWS_SECRET_ACCESS_KEY",
        "S3_SECRET_KEY",
        "S3_SECRET_ACCESS_KEY",
        "B2_APPLICATION_KEY",
    ),
    "replica_bucket": ("S3_REPLICA_BUCKET", "REPLICA_BUCKET", "CROSS_REGION_BUCKET"),
    "replica_region": ("S3_REPLICA_REGION", "REPLICA_REGION", "CROSS_REGION_REGION"),
    "method": ("ENCRYPTION_METHOD", "ENCRYPTION_TYPE"),
    "recipients": ("GPG_RECIPIENT", "GPG_RECIPIENTS", "GPG_KEY_ID", "ENCRYPTION_RECIPIENT"),
    "passphrase": ("ENCRYPTION_PASSPHRASE", "GPG_PASSPHRASE", "BACKUP_PASSPHRASE"),
    "passphrase_file": ("ENCRYPTION_PASSPHRASE_FILE", "GPG_PASSPHRASE_FILE", "PASSPHRASE_FILE"),
    "local_days": ("LOCAL_RETENTION_DAYS", "RETENTION_LOCAL_DAYS", "RETENTION_DAYS_LOCAL"),
    "offsite_days": (
        "OFFSITE_RETENTION_DAYS",
        "RETENTION_OFFSITE_DAYS",
        "S3_RETENTION_DAYS",
        "BACKUP_RETENTION_DAYS",
        "RETENTION_DAYS",
    ),
    "config_days": ("CONFIG_RETENTION_DAYS", "RETENTION_CONFIG_DAYS"),
    "local_path": ("BACKUP_DIR", "LOCAL_BACKUP_DIR", "BACKUP_ROOT", "BACKUP_BASE_DIR"),
    "pushgateway": ("PUSHGATEWAY_URL", "PROMETHEUS_PUSHGATEWAY", "PROMETHEUS_PUSHGATEWAY_URL"),
    "prometheus": ("PROMETHEUS_URL",),
    "alertmanager": ("ALERTMANAGER_URL",),
    "textfile_directory": ("NODE_EXPORTER_TEXTFILE_DIR", "TEXTFILE_DIRECTORY", "TEXTFILE_DIR"),
    "email": ("ALERT_EMAIL", "NOTIFY_EMAIL", "NOTIFICATION_EMAIL", "ADMIN_EMAIL"),
    "slack": ("SLACK_WEBHOOK", "SLACK_WEBHOOK_URL"),
    "webhook": ("ALERT_WEBHOOK_URL", "NOTIFICATION_WEBHOOK", "WEBHOOK_URL"),
    "mysql_container": ("MYSQL_CONTAINER", "MYSQL_CONTAINER_NAME", "DB_CONTAINER"),
    "mysql_host": ("MYSQL_HOST", "DB_HOST"),
    "mysql_port": ("MYSQL_PORT", "DB_PORT"),
    "mysql_socket": ("MYSQL_SOCKET",),
    "mysql_user": ("MYSQL_USER", "DB_USER", "DB_USERNAME"),
    "mysql_password": ("MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD", "DB_PASSWORD"),
    "mysql_databases": ("MYSQL_DATABASES", "MYSQL_DATABASE", "DB_NAME", "DB_DATABASE"),
    "volumes": ("DOCKER_VOLUMES", "BACKUP_VOLUMES", "VOLUMES"),
    "paths": ("CONFIG_PATHS", "BACKUP_PATHS", "CONFIG_DIRS", "BACKUP_CONFIG_PATHS"),
    "exclude": ("BACKUP_EXCLUDE", "EXCLUDE_PATTERNS"),
    "host": ("BACKUP_HOST", "BACKUP_HOSTNAME", "HOST_NAME", "HOSTNAME", "VPS_NAME"),
    "environment": ("ENVIRONMENT", "APP_ENV", "DEPLOY_ENV"),
}
NOT_TAKEN = {
    "ENCRYPTION_ENABLED": "encryption is always on",
    "ENABLE_ENCRYPTION": "encryption is always on",
    "VERIFY_AFTER_UPLOAD": "every upload is checked",
    "VERIFY_UPLOADS": "every upload is checked",
    "COMPRESSION": "compression is zstd",
    "COMPRESSION_LEVEL": "compression is zstd",
    "PARALLEL_UPLOADS": "uploads are parallel by themselves",
    "MAX_PARALLEL_UPLOADS": "uploads are parallel by themselves",
    "S3_STORAGE_CLASS": "set the storage class by a rule of the bucket",
    "STORAGE_CLASS": "set the storage class by a rule of the bucket",
    "ENABLE_GLACIER": "set archiving by a rule of the bucket",
    "GLACIER_DAYS": "set archiving by a rule of the bucket",
    "LOG_DIR": "jobs keep their journals in the state directory",
    "LOG_FILE": "jobs keep their journals in the state directory",
    "AWS_PROFILE": "credentials are given by themselves",
}
_FIELD_OF = {key: name for name, keys in FIELDS.items() for key in keys}


def read_classic(text: str) -> Imported:
    """The assignments of a shell file, as data. Never raises: what is odd is told."""
    found = Imported()
    ranks: dict[str, int] = {}
    for key, raw in _assignments(text):
        value = _unquoted(raw)
        if value is None or (_COMPUTED.search(value) and not raw.lstrip().startswith("'")):
            found.left_out.append((key, "a shell would compute it; give its value by hand"))
        elif not value or _PLACEHOLDER.match(value):
            found.left_out.append((key, "it is empty or a placeholder"))
        elif key in NOT_TAKEN:
            found.left_out.append((key, NOT_TAKEN[key]))
        elif key not in _FIELD_OF:
            found.unknown.append(key)
        else:
            _keep(found, ranks, key, value)
    return found


def _keep(found: Imported, ranks: dict[str, int], key: str, value: str) -> None:
    """The more specific of two keys for one field wins; the other is told, not dropped."""
    name = _FIELD_OF[key]
    rank = FIELDS[name].index(key)
    other = ranks.get(name)
    if other is not None and other < rank:
        found.left_out.append((key, f"{FIELDS[name][other]} says the same thing"))
        return
    if other is not None and other != rank:
        found.left_out.append((FIELDS[name][other], f"{key} says the same thing"))
    ranks[name] = rank
    found.values[name] = value


def _assignments(text: str) -> list[tuple[str, str]]:
    """Name and raw value of each assignment; a quoted value may span lines."""
    found = []
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        match = _ASSIGNMENT.match(line)
        if line.lstrip().startswith("#") or not match:
            continue
        name, raw = match[1], match[2]
        while _open_quote(raw):
            following = next(lines, None)
            if following is None:
                break
            raw += "\n" + following
        found.append((name, raw))
    return found


def _open_quote(raw: str) -> bool:
    quote = raw[:1]
    return quote in ('"', "'") and _closing(raw, quote) < 0


def _closing(raw: str, quote: str) -> int:
    """Where the value's first quote ends; -1 when it does not."""
    at = 1
    while at < len(raw):
        if quote == '"' and raw[at] == "\\":
            at += 2
            continue
        if raw[at] == quote:
            return at
        at += 1
    return -1


def _unquoted(raw: str) -> str | None:
    """The value as a shell would have it, without expansion; None where that cannot be told."""
    quote = raw[:1]
    if quote in ('"', "'"):
        end = _closing(raw, quote)
        rest = raw[end + 1 :].strip()
        if end < 0 or (rest and not rest.startswith("#")):
            return None
        inner = raw[1:end]
        return re.sub(r'\\(["\\$`])', r"\1", inner) if quote == '"' else inner
    if raw.startswith("("):
        return _array(raw)
    return re.split(r"\s", raw.strip(), maxsplit=1)[0].replace("\\", "") if raw.strip() else ""


def _array(raw: str) -> str | None:
    """A bash array on one line, as words."""
    match = re.match(r"\(([^)]*)\)\s*(?:#.*)?\Z", raw.strip())
    return " ".join(item.strip("\"'") for item in match[1].split()) if match else None
