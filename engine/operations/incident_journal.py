"""An incident's own journal: JSON lines, each on the disk before anything goes on.

`<state>/incidents/<id>/journal.jsonl`. One line is one write; what a crash or a full disk tore is
cut off by the next writer and ignored by readers. Who may write is settled elsewhere (a lock).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.core.errors import DamageError, MentatError, NoSpace, UsageError
from engine.core.incident import Incident, declare, fold
from engine.core.incident_events import NAMES, WORDS, Declared, IncidentEvent, Line, Who
from engine.operations import durable, runbook_reading

ID = re.compile(r"\d{8}T\d{6}Z-[a-z0-9][a-z0-9-]{0,47}-[0-9a-f]{4}\Z")
LINE_LIMIT = 1 << 20  # bytes; the first line holds the whole runbook


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one incident."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def copied(self) -> Path:
        return self.folder / "copied.json"


def place(state: Path, incident_id: str) -> Place:
    """UsageError for what is no incident's id."""
    if not ID.match(incident_id):
        raise UsageError(f"{incident_id!r} is no incident", "See: mentat-dr incident list")
    return Place(state / "incidents" / incident_id)


def ids(state: Path) -> list[str]:
    """All incidents on this host, newest first."""
    try:
        names = [path.name for path in (state / "incidents").iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((name for name in names if ID.match(name)), reverse=True)


def new_id(runbook: str, now: datetime) -> str:
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{runbook}-{os.urandom(2).hex()}"


def encode(line: Line) -> bytes:
    """One line with its newline."""
    body: dict[str, Any] = {
        "seq": line.seq,
        "at": line.at,
        "who": asdict(line.who),
        "event": WORDS[type(line.event)],
        **_plain(line.event),
    }
    text = msgspec.json.encode(body, enc_hook=str) + b"\n"
    if len(text) > LINE_LIMIT:
        raise UsageError("this is too long for the journal", "Keep it in a file, as evidence.")
    return text


def _plain(event: IncidentEvent) -> dict[str, Any]:
    made = msgspec.to_builtins(event, enc_hook=str)
    assert isinstance(made, dict)
    return made


def decode(text: bytes) -> Line | None:
    """The line; None for an event of a later version. DamageError for what is no line."""
    try:
        body = msgspec.json.decode(text)
        kind = NAMES.get(body["event"])
        if kind is None:
            return None
        at = datetime.fromisoformat(str(body["at"]).replace("Z", "+00:00"))
        who = msgspec.convert(body["who"], Who)
        return Line(int(body["seq"]), at, who, msgspec.convert(body, kind))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise DamageError(
            f"a line of the incident's journal cannot be read: {error}",
            "The bucket has a copy: mentat-dr incident take ID",
        ) from error


def lines(content: bytes) -> list[Line]:
    """Every whole line; a torn last one is left out."""
    whole = content[: content.rfind(b"\n") + 1]
    decoded = (decode(text) for text in whole.split(b"\n") if text)
    return [line for line in decoded if line is not None]


def read(where: Place) -> list[Line]:
    """UsageError when there is no such incident here."""
    try:
        return lines(where.journal.read_bytes())
    except FileNotFoundError:
        raise UsageError(
            f"there is no incident {where.id} on this host",
            f"mentat-dr incident list; from the bucket: mentat-dr incident take {where.id}",
        ) from None


def folded(found: Sequence[Line], incident_id: str) -> Incident:
    """The incident of these lines. DamageError when the first one does not declare it."""
    if not found or not isinstance(found[0].event, Declared):
        raise DamageError(
            f"the journal of {incident_id} does not begin with its declaration",
            f"The bucket has a copy: mentat-dr incident take {incident_id}",
        )
    book = runbook_reading.from_document(found[0].event.runbook, incident_id)
    return fold(declare(found[0], book), found[1:])


def append(where: Place, made: Iterable[Line]) -> None:
    """Add lines durably, all or none. The caller holds the lock. NoSpace, MentatError."""
    content = b"".join(encode(line) for line in made)
    try:
        fresh = not where.folder.exists()
        where.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(where.journal, flags, 0o600)
        try:
            size = _whole(fd)
            try:
                if os.write(fd, content) != len(content):
                    raise OSError(28, os.strerror(28))
                os.fsync(fd)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)
        durable.sync_folder(where.folder)
        if fresh:
            durable.sync_folder(where.folder.parent)
    except OSError as error:
        raise _unwritable(where, error) from error


def _whole(fd: int) -> int:
    """Cut a torn last line off; the size that is left."""
    size = os.fstat(fd).st_size
    tail = os.pread(fd, LINE_LIMIT, max(0, size - LINE_LIMIT))
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        os.ftruncate(fd, size - torn)
    return size - torn


def _unwritable(where: Place, error: OSError) -> MentatError:
    if error.errno in (28, 122):
        return NoSpace(
            "the incident's journal cannot be written: the disk is full",
            f"Free some space on the disk of {where.folder}; nothing was done.",
        )
    return MentatError(
        f"the incident's journal {where.journal} cannot be written: {error.strerror}",
        "Nothing was done. Run as root, or name a state directory in MENTAT_DR_STATE.",
    )
