"""What operations need from the world, as Protocols. Adapters implement them; tests may fake
them, and each fake passes the same contract suite as the real one (tests/contracts)."""

from __future__ import annotations

from engine.ports.binlogs import Binlogs
from engine.ports.cipher import Cipher, Key, SignatureCheck
from engine.ports.containers import Container, Containers, Liveness, Mount, Volume
from engine.ports.databases import Database, Dump, Loading, PhysicalCopy, PhysicalWays, Probes
from engine.ports.processes import Processes, RunningPipeline, StreamTap
from engine.ports.stores import (
    Locking,
    ObjectStore,
    PendingUpload,
    Probing,
    StoredObject,
    Thawing,
    Upload,
)
from engine.ports.telling import AlertSource, Clock, Metrics, Notifier, Silencer
from engine.ports.trees import MemberCounter, SqliteCopies, Trees, TreeSurvey

__all__ = [
    "AlertSource",
    "Binlogs",
    "Cipher",
    "Clock",
    "Container",
    "Containers",
    "Database",
    "Dump",
    "Key",
    "Liveness",
    "Loading",
    "Locking",
    "MemberCounter",
    "Metrics",
    "Mount",
    "Notifier",
    "ObjectStore",
    "PendingUpload",
    "PhysicalCopy",
    "PhysicalWays",
    "Probes",
    "Probing",
    "Processes",
    "RunningPipeline",
    "SignatureCheck",
    "Silencer",
    "SqliteCopies",
    "StoredObject",
    "StreamTap",
    "Thawing",
    "TreeSurvey",
    "Trees",
    "Upload",
    "Volume",
]
