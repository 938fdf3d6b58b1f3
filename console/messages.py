"""What the engine's side tells the screens. Small values, posted from the event loop only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.message import Message

from console.door import Answer
from engine.api import Job, Key, Posture, Record, SnapshotEntry


@dataclass
class PostureArrived(Message):
    """fresh: the store was asked; otherwise it is the listing kept on disk."""

    answer: Answer[Posture]
    fresh: bool


@dataclass
class InventoryArrived(Message):
    answer: Answer[Sequence[SnapshotEntry]]
    fresh: bool


@dataclass
class KeysArrived(Message):
    answer: Answer[Sequence[Key]]


@dataclass
class JobsListed(Message):
    answer: Answer[Sequence[Job]]


@dataclass
class JobAdvanced(Message):
    """A job after its newest records; `records` are those since the last message. `first`: the
    records begin at the start of the journal."""

    job: Job
    records: Sequence[Record]
    first: bool = False
