"""The copy of an incident's journal in the store, so that the record survives the host.

`v1/<host>/journal/incidents/<id>/<first line's number>.jsonl`: each object holds the lines since
the one before, put only if its key is free. Two machines that both go on from line N want the same
key, and one of them is refused: that is how they notice each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from engine.core.errors import HeldError, MentatError, ObjectExists, UsageError
from engine.core.incident_events import Line
from engine.core.snapshot import ROOT
from engine.operations import durable, incident_journal
from engine.operations.incident_journal import ID, Place
from engine.ports import ObjectStore


class Copied(msgspec.Struct, frozen=True):
    """How far the store has it: up to line `seq`. `problem` says why not further."""

    seq: int = 0
    at: datetime | None = None
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """An incident that the store knows of."""

    host: str
    id: str


def folder(host: str, incident_id: str = "") -> str:
    """The prefix of an incident's keys, or of all of a host's."""
    return f"{ROOT}/{host}/journal/incidents/" + (f"{incident_id}/" if incident_id else "")


def state_of(where: Place) -> Copied:
    try:
        return msgspec.json.decode(where.copied.read_bytes(), type=Copied)
    except (OSError, msgspec.MsgspecError):
        return Copied()


def copy(store: ObjectStore, where: Place, host: str, now: datetime) -> Copied:
    """Bring the store up to date; what keeps it from that is kept in the answer and on the disk,
    and tried again by the next call. Never raises for the store."""
    done = state_of(where)
    found = incident_journal.read(where)
    try:
        seq = _put(store, where, host, found, done.seq)
        now_done = Copied(seq, now)
    except MentatError as error:
        # What was put before the failure is found again by its key.
        now_done = Copied(done.seq, done.at, error.message, error.remedy)
    if now_done != done:
        durable.write(where.copied, msgspec.json.encode(now_done))
    return now_done


def _put(store: ObjectStore, where: Place, host: str, found: Sequence[Line], seq: int) -> int:
    while pending := [line for line in found if line.seq > seq]:
        key = f"{folder(host, where.id)}{pending[0].seq:06}.jsonl"
        body = b"".join(incident_journal.encode(line) for line in pending)
        try:
            store.put(key, body, if_absent=True)
            return pending[-1].seq
        except ObjectExists:
            there = store.get(key)
            if not body.startswith(there) or not there.endswith(b"\n"):
                raise _diverged(where.id, pending[0].seq) from None
            seq = pending[there.count(b"\n") - 1].seq
    return seq


def _diverged(incident_id: str, seq: int) -> HeldError:
    return HeldError(
        f"another machine has written this incident from line {seq} on",
        f"Watch it there, or take it over here: mentat-dr incident take {incident_id}",
    )


def remote(store: ObjectStore, host: str) -> list[Remote]:
    """The incidents of a host that the store has, newest first. StoreError."""
    prefix = folder(host)
    names = {item.key.removeprefix(prefix).split("/")[0] for item in store.list(prefix)}
    return [Remote(host, name) for name in sorted(names, reverse=True) if ID.match(name)]


def fetch(store: ObjectStore, host: str, incident_id: str) -> bytes:
    """The journal as the store has it, checked for gaps. UsageError when there is none."""
    prefix = folder(host, incident_id)
    keys = sorted(item.key for item in store.list(prefix) if item.key.endswith(".jsonl"))
    content = b"".join(store.get(key) for key in keys)
    found = incident_journal.lines(content)
    if not found:
        raise UsageError(
            f"the store has no incident {incident_id} of {host}",
            "Name the host it was declared on: --host HOST",
        )
    numbers = [line.seq for line in found]
    if numbers != sorted(set(numbers)) or numbers[0] != 1:
        raise MentatError(
            f"the store's journal of {incident_id} has lines missing or twice",
            "Look at its objects by hand; they are JSON lines.",
        )
    return content


def adopt(where: Place, content: bytes, now: datetime) -> None:
    """Make the store's journal the one here. A different one that was here is kept beside it."""
    try:
        here = where.journal.read_bytes()
    except FileNotFoundError:
        here = b""
    if here and not content.startswith(here):
        durable.write(where.folder / f"diverged-{now:%Y%m%dT%H%M%SZ}.jsonl", here)
    durable.write(where.journal, content)
    last = incident_journal.lines(content)[-1].seq
    durable.write(where.copied, msgspec.json.encode(Copied(last, now)))
