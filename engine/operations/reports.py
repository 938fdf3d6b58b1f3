"""Reports on disk and in the store: written durably, read back as history.

<state>/reports/backup-verification/<UTC>-<kind>-<id>.json|.md|.html
<state>/reports/dr-tests/<UTC>-<kind>-<id>.json|.md|.html
v1/<host>/journal/reports/<UTC>-<kind>-<id>.json            in the store
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from engine.core.errors import DamageError, MentatError, StoreError, UsageError
from engine.core.report import REPORT_KINDS, Report, ReportKind
from engine.core.report_text import html, markdown
from engine.core.snapshot import NAME, ROOT, format_utc, parse_utc
from engine.operations import durable
from engine.ports import ObjectStore

VERIFICATION_FOLDER = "backup-verification"
DRILL_FOLDER = "dr-tests"
_MOST_BYTES = 16 << 20  # of a report that is read back


def folder(state: Path, kind: ReportKind) -> Path:
    """Where reports of this kind are kept."""
    return state / "reports" / (DRILL_FOLDER if kind.startswith("drill-") else VERIFICATION_FOLDER)


def name(report: Report) -> str:
    """`20261122T030000Z-verify-offsite-<id>`: the file's and the object's name, no suffix."""
    return f"{format_utc(report.started)}-{report.kind}-{report.id}"


def object_key(report: Report) -> str:
    return f"{ROOT}/{report.host}/journal/reports/{name(report)}.json"


def encode(report: Report) -> bytes:
    """JSON with the counts beside the checks, for readers that are not ours."""
    document = msgspec.to_builtins(report)
    document["outcome"] = report.outcome
    document["counts"] = {
        "passed": report.passed,
        "warnings": report.warnings,
        "failed": report.failed,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def decode(document: bytes) -> Report:
    """DamageError for text that is no report."""
    try:
        return msgspec.json.decode(document, type=Report)
    except msgspec.MsgspecError as error:
        remedy = "Its job can be run again."
        raise DamageError(f"the report cannot be read: {error}", remedy) from error


def save(state: Path, report: Report) -> Path:
    """Write all three forms durably; the JSON file's path. It is written last, so what has one
    has the other two. MentatError when the disk does not take them."""
    where = folder(state, report.kind) / name(report)
    try:
        durable.write(where.with_name(where.name + ".md"), markdown(report).encode())
        durable.write(where.with_name(where.name + ".html"), html(report).encode())
        file = where.with_name(where.name + ".json")
        durable.write(file, encode(report))
    except OSError as error:
        raise MentatError(
            f"the report could not be written to {where.parent}: {error.strerror}",
            "Free space there; the job's own journal has what was found.",
        ) from error
    return file


def copy(store: ObjectStore, report: Report) -> None:
    """Keep it in the store too, so that it survives this host. StoreError."""
    store.put(object_key(report), encode(report))


def history(
    state: Path, kinds: Sequence[ReportKind] = REPORT_KINDS, since: datetime | None = None
) -> list[Report]:
    """Reports kept on this host, newest first; those that cannot be read are left out."""
    found = []
    for kind in kinds:
        for file in folder(state, kind).glob(f"*-{kind}-*.json"):
            if not _before(file.name, since):
                found += _read(file)
    return sorted(found, key=lambda r: (r.started, r.id), reverse=True)


def recent(state: Path, kinds: Sequence[ReportKind], each: int) -> list[Report]:
    """The last few of each kind, newest first: cheap, however long the history is."""
    found = []
    for kind in kinds:
        files = sorted(folder(state, kind).glob(f"*-{kind}-*.json"), reverse=True)
        for file in files[:each]:
            found += _read(file)
    return sorted(found, key=lambda r: (r.started, r.id), reverse=True)


def _read(file: Path) -> list[Report]:
    try:
        return [decode(file.read_bytes())]
    except (OSError, DamageError):
        return []


def _before(file: str, since: datetime | None) -> bool:
    try:
        return since is not None and parse_utc(file.split("-", 1)[0]) < since
    except ValueError:
        return True  # not one of ours


def newest(state: Path, kind: ReportKind) -> Report | None:
    """The last report of this kind on this host."""
    for file in sorted(folder(state, kind).glob(f"*-{kind}-*.json"), reverse=True):
        for report in _read(file):
            return report
    return None


def fetch(store: ObjectStore, host: str, since: datetime | None = None) -> list[Report]:
    """A host's reports as the store has them, newest first: the history of a host that is gone.
    StoreError; what is no report is left out."""
    if not NAME.match(host):
        raise UsageError(f"{host!r} is no host's name", "`mentat-dr snapshots --all-hosts` lists.")
    found = []
    for item in store.list(f"{ROOT}/{host}/journal/reports/"):
        leaf = item.key.rsplit("/", 1)[-1]
        if item.size > _MOST_BYTES or _before(leaf, since):
            continue
        try:
            found.append(decode(store.get(item.key)))
        except (DamageError, StoreError):
            continue
    return sorted(found, key=lambda r: (r.started, r.id), reverse=True)


def find(state: Path, wanted: str) -> Report:
    """The report whose id or file name starts so, or the last one for `latest`. UsageError when
    none or several fit."""
    found = history(state)
    if wanted == "latest" and found:
        return found[0]
    fits = [r for r in found if r.id.startswith(wanted) or name(r).startswith(wanted)]
    exact = [r for r in fits if wanted in (r.id, name(r))]
    fits = exact or fits
    if len(fits) == 1:
        return fits[0]
    near = ", ".join(name(r) for r in (fits or found)[:3])
    problem = f"{len(fits)} reports match" if fits else "no report matches"
    raise UsageError(
        f"{problem} {wanted!r}",
        f"Give one of them in full, such as: {near}" if near else "None was made on this host yet.",
    )
