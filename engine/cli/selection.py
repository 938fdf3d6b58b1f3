"""Which snapshot the operator means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.api import Engine, SnapshotEntry
from engine.core.errors import UsageError
from engine.core.snapshot import Kind


def choose(engine: Engine, snapshot: str, source: str, host: str) -> SnapshotEntry:
    """The snapshot behind a ref, a unique start of its id, or `latest` (needs a source).

    Without a source, all sources of the host are searched. UsageError when none or several fit.
    """
    if source:
        return engine.find(source, snapshot, host)
    if snapshot == "latest":
        raise UsageError("latest of which source?", "Name it: --source NAME")
    entries = engine.snapshots(host=host or engine.settings.host)
    return only(snapshot, [entry for entry in entries if matches(entry, snapshot)])


def matches(entry: SnapshotEntry, snapshot: str) -> bool:
    """A ref, or the start of a ref or of an id at least four characters long."""
    starts = len(snapshot) >= 4 and (
        entry.id.ref.startswith(snapshot) or entry.id.id.startswith(snapshot)
    )
    return entry.id.ref == snapshot or starts


def only(snapshot: str, found: Sequence[SnapshotEntry]) -> SnapshotEntry:
    if not found:
        raise UsageError(f"no snapshot is called {snapshot!r}", "See: mentat-dr snapshots")
    if len(found) > 1:
        some = ", ".join(f"{entry.id.source} {entry.id.ref}" for entry in found[:3])
        raise UsageError(
            f"{len(found)} snapshots begin with {snapshot!r}: {some}",
            "Give more of the id, or --source NAME.",
        )
    return found[0]


def kinds(engine: Engine) -> Callable[[SnapshotEntry], Kind | None]:
    """How to tell a snapshot's kind without fetching its manifest; None where that is not told:
    another host's tree."""
    known = {source.name: source.kind for source in engine.settings.sources}

    def kind(entry: SnapshotEntry) -> Kind | None:
        if entry.id.method in ("logical", "physical"):
            return "database"
        return known.get(entry.id.source) if entry.id.host == engine.settings.host else None

    return kind


def fetched_kinds(engine: Engine) -> Callable[[SnapshotEntry], Kind]:
    """The same, asking one manifest of each source whose kind is not told by its keys."""
    told = kinds(engine)
    asked: dict[tuple[str, str], Kind] = {}

    def kind(entry: SnapshotEntry) -> Kind:
        known = told(entry)
        if known:
            return known
        source = (entry.id.host, entry.id.source)
        if source not in asked:
            asked[source] = engine.detail(entry.id).manifest.kind
        return asked[source]

    return kind
