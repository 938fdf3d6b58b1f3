"""Doctor's look at the host: configuration, programs, state directory, jobs, schedule."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine import secrets_source
from engine.core.commands import Command
from engine.core.errors import CommandFailed, MentatError
from engine.core.findings import Finding, failure
from engine.core.job import Job
from engine.core.objectives import Level
from engine.ports import Processes, Trees
from engine.settings import Secret, Settings

SPACE_WARNING = 1_000_000_000  # bytes
SPACE_CRITICAL = 100_000_000
PACKAGES = {"gpg": "gnupg", "zstd": "zstd", "tar": "tar", "docker": "docker.io"}
SCHEDULES = (
    "etc/crontab",
    "etc/cron.d/*",
    "var/spool/cron/crontabs/*",
    "etc/systemd/system/*.service",
    "usr/lib/systemd/system/mentat-dr*.service",
)


def configuration(settings: Settings) -> Iterator[Finding]:
    """The file is ours alone, and every secret it points to can be read."""
    secrets_source.refuse_shared(settings.file, settings.file.stat())
    if not settings.sources:
        yield Finding(
            "configuration",
            "warning",
            "no sources are configured: nothing is protected",
            f"Add [[source]] tables to {settings.file}.",
        )
    broken = False
    for secret in _secrets(settings):
        try:
            secret.reveal()
        except MentatError as error:
            broken = True
            yield failure("configuration", error)
    if not broken:
        yield Finding("configuration", "ok", f"{settings.file} is private and complete")


def _secrets(settings: Settings) -> list[Secret]:
    stores = [settings.repository, *settings.replicas]
    found = [secret for store in stores for secret in (store.access_key, store.secret_key)]
    found += [source.password for source in settings.sources if source.password]
    found += [settings.encryption.passphrase] if settings.encryption.passphrase else []
    return [secret for secret in (*found, *settings.notify) if secret]


def needs_docker(settings: Settings) -> bool:
    return any(source.container or source.volume for source in settings.sources)


def programs(settings: Settings, processes: Processes) -> Iterator[Finding]:
    """The programs in the pipe are installed and start."""
    wanted = ["gpg", "zstd", "tar", *(["docker"] if needs_docker(settings) else [])]
    for program in wanted:
        try:
            ended = processes.run(Command((program, "--version")), timeout=20)
        except CommandFailed as error:
            remedy = f"apt-get install {PACKAGES[program]}"
            yield Finding("programs", "critical", error.message, remedy)
            continue
        version = ended.stdout.decode("utf-8", "replace").split("\n", 1)[0][:80]
        if program == "tar" and "GNU" not in version:
            yield Finding("programs", "critical", "tar is not GNU tar", "apt-get install tar")
        else:
            yield Finding("programs", "ok", version)
    if any(source.address or source.socket for source in settings.sources):
        yield _database_clients()


def _database_clients() -> Finding:
    for client, dump in (("mysql", "mysqldump"), ("mariadb", "mariadb-dump")):
        if shutil.which(client) and shutil.which(dump):
            return Finding("programs", "ok", f"{client} and {dump} are here")
    return Finding(
        "programs",
        "critical",
        "a database is reached by host or socket, but no client is installed here",
        "apt-get install default-mysql-client (or the client of your server's version)",
    )


def state(settings: Settings, trees: Trees) -> Iterator[Finding]:
    """Jobs can be written, and there is room for them."""
    folder = settings.state
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            pass
    except OSError as error:
        yield Finding(
            "state",
            "critical",
            f"{folder} cannot be written: {error.strerror}",
            "Run as root, or name another: `state` in the configuration, or $MENTAT_DR_STATE.",
        )
        return
    yield space("state", folder, trees)
    for store in (settings.local, settings.repository):
        if store and store.provider == "directory" and Path(store.path).exists():
            yield space("store", Path(store.path), trees)


def space(check: str, path: Path, trees: Trees) -> Finding:
    """Is there room on that disk."""
    free = trees.free_bytes(path)
    words = f"{free / 1e9:.1f} GB free for {path}"
    if free >= SPACE_WARNING:
        return Finding(check, "ok", words)
    level: Level = "critical" if free < SPACE_CRITICAL else "warning"
    return Finding(check, level, f"only {words}", "Free space there, or choose another disk.")


def jobs(found: Sequence[Job], stale_leases: Sequence[str]) -> Iterator[Finding]:
    """Jobs that died without an end and were not done since, and leases they left."""
    done: set[tuple[str, tuple[str, ...]]] = set()
    trouble = False
    for job in found:  # newest first
        what = (job.operation, job.sources)
        if job.state == "interrupted" and what not in done:
            trouble = True
            yield Finding(
                "jobs",
                "warning",
                f"job {job.id} ({job.title}) was interrupted and not done since",
                f"Start it again; see mentat-dr job log {job.id}",
            )
        if job.state in ("done", "warnings", "interrupted"):
            done.add(what)
    for source in stale_leases:
        trouble = True
        yield Finding(
            "jobs",
            "warning",
            f"a dead job left the lease of {source} behind",
            f"The next job takes it over by itself: mentat-dr backup {source}",
        )
    if not trouble:
        yield Finding("jobs", "ok", "no job was interrupted, no lease is stale")


def schedule(root: Path) -> Iterator[Finding]:
    """Something starts backups by itself."""
    for pattern in SCHEDULES:
        for file in sorted(root.glob(pattern)):
            if file.is_file() and _starts_backups(file):
                yield Finding("schedule", "ok", f"{file} starts backups")
                return
    yield Finding(
        "schedule",
        "warning",
        "neither cron nor systemd starts backups here",
        "Put this into /etc/cron.d/mentat-dr: 0 2 * * * root mentat-dr backup --plain",
    )


def _starts_backups(file: Path) -> bool:
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    return any(
        "mentat-dr" in line and "backup" in line and line.lstrip()[:1] != "#" for line in lines
    )
