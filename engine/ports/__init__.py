"""What operations need from the world, as Protocols. Adapters implement them; tests may fake
them, and each fake passes the same contract suite as the real one (tests/contracts)."""

from __future__ import annotations

from engine.ports.cipher import Cipher, Key, SignatureCheck
from engine.ports.containers import Container, Containers, Liveness, Mount, Volume
from engine.ports.databases import Database, Dump
from engine.ports.processes import Processes, RunningPipeline, StreamTap
from engine.ports.stores import ObjectStore, PendingUpload, StoredObject, Upload
from engine.ports.telling import Clock, Metrics, Notifier
from engine.ports.trees import MemberCounter, Trees, TreeSurvey

__all__ = [
    "Cipher",
    "Clock",
    "Container",
    "Containers",
    "Database",
    "Dump",
    "Key",
    "Liveness",
    "MemberCounter",
    "Metrics",
    "Mount",
    "Notifier",
    "ObjectStore",
    "PendingUpload",
    "Processes",
    "RunningPipeline",
    "SignatureCheck",
    "StoredObject",
    "StreamTap",
    "TreeSurvey",
    "Trees",
    "Upload",
    "Volume",
]
