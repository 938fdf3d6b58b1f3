"""Thawing: artifacts in a colder class are asked for and waited for before they are read."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.core.cold import THAW_SECONDS, Chill
from engine.core.errors import StoreError
from engine.core.recovery import PlanStep
from engine.core.snapshot import Manifest
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.ports import Thawing
from engine.repository import Repository

POLL_SECONDS = 60.0  # at most, between two looks


def frozen(repository: Repository, links: Sequence[Manifest]) -> dict[str, Chill]:
    """Artifacts of these snapshots, by key, that cannot be read now from the store that serves
    them; none where the local tier has them. What cannot be looked at is left to the reading."""
    store = repository.mirrors[0]
    if not isinstance(store, Thawing):
        return {}
    found: dict[str, Chill] = {}
    for link in links:
        if _local(repository, link):
            continue
        for artifact in link.artifacts:
            key = link.id.artifact_key(artifact.name)
            try:
                chill = store.chill(key)
            except StoreError:
                continue
            if chill.state != "ready":
                found[key] = chill
    return found


def _local(repository: Repository, link: Manifest) -> bool:
    try:
        return repository.local is not None and repository.local.size(link.id.manifest_key) > 0
    except StoreError:
        return False


def step(cold: dict[str, Chill]) -> PlanStep:
    """What a plan says of it."""
    classes = sorted({chill.storage_class for chill in cold.values()})
    seconds = max(THAW_SECONDS.get(name, THAW_SECONDS["DEEP_ARCHIVE"]) for name in classes)
    title = f"thaw {len(cold)} objects from {', '.join(classes)}"
    return PlanStep("thaw", title, seconds, "the provider's usual time")


def await_readable(ctx: Context, links: Sequence[Manifest]) -> None:
    """Ask for all that is frozen at once, then wait until all of it can be read. StoreError when
    the store refuses."""
    cold = frozen(ctx.repository, links)
    store = ctx.repository.mirrors[0]
    if not cold or not isinstance(store, Thawing):
        return
    sizes = {link.id.artifact_key(a.name): a.stored_bytes for link in links for a in link.artifacts}
    done = sum(size for key, size in sizes.items() if key not in cold)
    hours = step(cold).seconds or 0.0
    with Phase(ctx.emit, "thaw", step(cold).title, "", sum(sizes.values())) as phase:
        phase.watch(lambda: done)
        for key, chill in cold.items():
            if chill.state == "frozen":
                store.thaw(key)
        ctx.warn("thaw", f"waiting for a cold storage class, usually up to {hours / 3600:.0f} h")
        pause = 1.0
        while cold:
            time.sleep(pause)
            pause = min(POLL_SECONDS, pause * 2)
            cold = {key: chill for key in cold if (chill := store.chill(key)).state != "ready"}
            done = sum(size for key, size in sizes.items() if key not in cold)
