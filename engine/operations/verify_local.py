"""What only the local tier is asked: modes and owners of its files, room on its disk, and whether
it has what the bucket has."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from engine.core.errors import StoreError
from engine.core.report import Check, failed, passed, warning
from engine.core.snapshot import ROOT, SnapshotEntry
from engine.core.verification import judge_space
from engine.operations.verify_store import Holding, StoreCheck
from engine.repository import Repository
from engine.settings import SourceSettings, StoreSettings

_SHOWN = 3
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_files(check: StoreCheck, store: StoreSettings) -> None:
    """Every file of this host is ours, mode 0600; folders are open to nobody else."""
    base = Path(store.path) / store.prefix if store.prefix else Path(store.path)
    open_to_others: list[Path] = []
    foreign: list[Path] = []
    count = 0
    for path in _walk(base / ROOT / check.host):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue  # removed meanwhile
        count += 1
        if found.st_uid != os.geteuid():
            foreign.append(path)
        elif found.st_mode & _OTHERS:
            open_to_others.append(path)
    check.tell(*_judge_files(count, open_to_others, foreign))


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(parent, name)


def _judge_files(
    count: int, open_to_others: Sequence[Path], foreign: Sequence[Path]
) -> list[Check]:
    checks = []
    if open_to_others:
        checks.append(
            warning(
                "modes",
                "",
                f"{len(open_to_others)} files or folders are open to others: "
                + _named(open_to_others),
                "chmod go= on them; see who changed them.",
                files=len(open_to_others),
            )
        )
    if foreign:
        checks.append(
            failed(
                "owners",
                "",
                f"{len(foreign)} files or folders belong to somebody else: {_named(foreign)}",
                "See who wrote them; give them back with chown.",
                files=len(foreign),
            )
        )
    return checks or [passed("modes", "", f"{count} files and folders are private", files=count)]


def _named(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(str(path) for path in paths[:_SHOWN]) + more


def check_space(check: StoreCheck, store: StoreSettings) -> None:
    """Room on the disk that local snapshots are written to."""
    try:
        found = os.statvfs(store.path)
    except OSError as error:
        said = f"{store.path} cannot be looked at: {error.strerror}"
        check.tell(failed("disk-space", "", said, "Mount it, or make it, or change [local]."))
        return
    size = found.f_frsize
    check.tell(judge_space(store.path, found.f_bavail * size, found.f_blocks * size))


def check_complete(
    check: StoreCheck,
    bucket: Repository,
    source: SourceSettings,
    held: Sequence[Holding],
    days: int,
) -> None:
    """Snapshots of the last days that the bucket has and the local tier has not: a warning, since
    they can be restored, only not so fast."""
    try:
        rows = bucket.entries(check.host, source.name)
    except StoreError:
        return  # verify offsite tells of that
    have = {holding.entry.id for holding in held}
    lacking = [row for row in rows if _expected(row, check.now, days) and row.id not in have]
    if lacking:
        check.tell(
            warning(
                "local-copies",
                source.name,
                f"{len(lacking)} snapshots of the last {days} days have no local copy, such as "
                f"{lacking[0].id.ref}",
                "See why in the backups' journals; the next backup writes a copy again.",
                lacking=len(lacking),
            )
        )
    else:
        check.tell(passed("local-copies", source.name, f"the last {days} days are here", lacking=0))


def _expected(row: SnapshotEntry, now: datetime, days: int) -> bool:
    return row.committed and now - row.id.at < timedelta(days=days)
