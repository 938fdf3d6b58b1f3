"""Restoring a physical database snapshot: its files on a new volume, prepared in a container
without a network, proven by a server that starts on them, and only then switched in."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.core.errors import DatabaseError, RestoreDiffers, UsageError
from engine.core.events import Result
from engine.core.physical import mismatch
from engine.core.snapshot import BinlogPosition, DatabaseFacts
from engine.operations import debris, physical_files, replay_binlogs, restore_database, switch
from engine.operations.progress import Phase
from engine.operations.restore_tree import LABEL, kept_words, require_space
from engine.ports import Container, Database, Volume
from engine.settings import SourceSettings

if TYPE_CHECKING:
    from engine.operations.restore import Restoring

_READY_SECONDS = 300.0  # a server may have to apply what was written while the files were copied
_ROOM = 1.1
_LOOKING = ("--event-scheduler=OFF",)
# Nothing is changed by looking; and the accounts of the snapshot may not be those configured now.
_OPEN = ("--skip-log-bin", "--skip-grant-tables")
_REFUSED = re.compile(r"\(error (?:1045|1130|1698)\)")  # the account is not known there


def run(restoring: Restoring) -> Result:
    """Into a fresh container, or in place by switching the volume. To a directory goes the plain
    stream, as restore_database does it."""
    physical_files.way_of_snapshot(restoring)
    if restoring.request.target.where == "container":
        return _to_container(restoring)
    return _in_place(restoring)


@contextlib.contextmanager
def _filled(
    restoring: Restoring, volume_name: str, model: Container | None
) -> Iterator[tuple[Volume, debris.Note]]:
    """The snapshot on a new volume, ready for a server. Removed again when the block fails; the
    note is to be dropped before the volume comes to hold live data."""
    ctx = restoring.ctx
    containers = ctx.containers()
    labels = {LABEL: "restored", f"{LABEL}.source": restoring.request.source}
    with debris.noted(ctx, "volume", volume_name) as note:
        volume = containers.create_volume(volume_name, labels)
        size = int(restoring.manifest.raw_bytes * _ROOM)
        require_space(restoring, volume.mountpoint, size)
        physical_files.unpack_onto(restoring, volume, model)
        yield volume, note


def _prove(restoring: Restoring, volume: Volume, model: Container | None) -> dict[str, object]:
    """A server without a network starts on the files and is asked for all that the manifest says
    of them. RestoreDiffers names what differs."""
    ctx = restoring.ctx
    containers, name = ctx.containers(), restoring.request.source
    looking = f"mentat-dr-look-{restoring.stamp}"
    with (
        debris.noted(ctx, "container", looking),
        Phase(ctx.emit, f"verify {name}", "Start a server on it and compare", name),
    ):
        containers.create_like(
            model,
            image=physical_files.image_of(restoring, model),
            name=looking,
            mounts={volume.name: physical_files.directory_of(restoring)},
            labels={LABEL: "verify"},
            network="none",
            command=[
                *_own_arguments(model),
                *_LOOKING,
                *(() if restoring.request.until else _OPEN),
                *physical_files.way_of_snapshot(restoring).looking,
            ],
        )
        containers.start(looking)
        try:
            database = ctx.database(_way_in(restoring, looking), looking)
            proven = _compare(restoring, looking, database)
            containers.stop(looking)  # cleanly: its last pages are on the disk
        finally:
            containers.remove_container(looking)
    return proven


def _way_in(restoring: Restoring, container: str) -> SourceSettings:
    """How to log in to the server that looks at the files. What is replayed into it may be about
    accounts, so then it has them, and the configured one must be among those of the snapshot."""
    if restoring.request.until is None:
        return restore_database.way_in(restoring, container, "")
    if restoring.source is None:
        raise UsageError(
            f"no source {restoring.request.source} is configured, so its account is not known",
            "Add it to the configuration, or restore the snapshot without --at.",
        )
    return replace(restoring.source, container=container, address="", socket="")


def _own_arguments(model: Container | None) -> Sequence[str]:
    """The arguments that the operator gave the server: some change how files are read."""
    if model is None:
        return ()
    return tuple((model.definition.get("Config") or {}).get("Cmd") or ())


def _compare(restoring: Restoring, container: str, database: Database) -> dict[str, object]:
    facts = restore_database.facts_of(restoring)
    try:
        found = database.physical.await_answer(_READY_SECONDS)
    except DatabaseError as error:
        words = restoring.ctx.containers().logs(container, 5)
        raise RestoreDiffers(
            f"no server starts on the restored files: {error.message}; its log ends: "
            f"{' | '.join(words)}",
            "Nothing live was changed. Restore another snapshot, or a logical one.",
        ) from error
    wrong = mismatch(facts.version, found.version)
    if wrong:
        raise UsageError(
            f"{wrong}; nothing was changed", physical_files.way_out(restoring.request.source)
        )
    unreadable = database.physical.unreadable(facts.schemas)
    if unreadable:
        raise RestoreDiffers(
            f"the restored files are not whole: {'; '.join(unreadable[:3])}",
            "Nothing live was changed. Restore another snapshot, or a logical one.",
        )
    compared = restore_database.compare(facts, database)
    position = database.physical.position() or facts.position
    stands = replace(facts, tables=(), position=position)
    stands, replayed = replay_binlogs.replay(restoring, database, stands)
    if facts.flavor == "mysql" and not replayed:
        stands = replace(stands, position=None)  # the files tell it which transactions it holds
    for line in database.finish_load(stands):
        restoring.ctx.warn("load", line, restoring.request.source)
    return {
        **compared,
        "version": found.version,
        "bytes": restoring.manifest.raw_bytes,
        **replayed,
    } | (_told(position) if position else {})


def _told(position: BinlogPosition) -> dict[str, object]:
    return {
        "binlog_file": position.file,
        "binlog_position": position.position,
        "gtid_set": position.gtid_set,
    }


def _words(facts: DatabaseFacts, proven: dict[str, object]) -> str:
    tables = facts.objects.get("tables")
    told = f"{tables} tables found" if tables is not None else "all tables read"
    told += f", {proven['rows']} rows compared" if facts.tables else ""
    return told + replay_binlogs.summary(proven)


def _to_container(restoring: Restoring) -> Result:
    facts = restore_database.facts_of(restoring)
    if not facts.image:
        raise UsageError(
            "the snapshot was not taken from a container, so there is no image to start",
            "Use --to DIR, and RECOVERY.md for what to do with the files.",
        )
    ctx = restoring.ctx
    name = restoring.request.target.name or f"{restoring.request.source}-restored-{restoring.stamp}"
    with (
        _filled(restoring, f"{name}-data", None) as (volume, _note),
        debris.noted(ctx, "container", name),
    ):
        proven = None
        if _stays_as_it_is(restoring):
            _start(restoring, name, volume)
            proven = _prove_serving(restoring, name)
        if proven is None:
            proven = _prove(restoring, volume, None)
            _start(restoring, name, volume)
            with Phase(ctx.emit, f"start {name}", "Wait for the server", restoring.request.source):
                _await_login(restoring, name)
    return Result(
        "done",
        f"restored into the new container {name}: {_words(facts, proven)}; it has the accounts of "
        "the snapshot",
        {**proven, "target": name, "volume": volume.name},
    )


def _start(restoring: Restoring, name: str, volume: Volume) -> None:
    containers = restoring.ctx.containers()
    containers.create_like(
        None,
        image=restore_database.facts_of(restoring).image,
        name=name,
        mounts={volume.name: physical_files.directory_of(restoring)},
        labels={LABEL: "restored", f"{LABEL}.source": restoring.request.source},
        network="bridge",
    )
    containers.start(name)


def _stays_as_it_is(restoring: Restoring) -> bool:
    """Whether a server on these files changes nothing by itself, lets us in, and has nothing to
    tell that the manifest does not, as far as is known: then one start does for proof and use."""
    facts = restore_database.facts_of(restoring)
    quiet = facts.objects.get("events") == 0 and restoring.request.until is None
    told = bool(facts.tables) or not physical_files.way_of_snapshot(restoring).looking
    return quiet and told and restoring.source is not None


def _prove_serving(restoring: Restoring, name: str) -> dict[str, object] | None:
    """The proof by the very server that stays; None, with that removed, when the configured
    account is not the snapshot's."""
    ctx = restoring.ctx
    assert restoring.source is not None
    database = ctx.database(replace(restoring.source, container=name, address="", socket=""), name)
    title = "Start the server and compare"
    with Phase(ctx.emit, f"verify {restoring.request.source}", title, restoring.request.source):
        try:
            return _compare(restoring, name, database)
        except RestoreDiffers as error:
            if not _REFUSED.search(error.message):
                raise
    ctx.containers().stop(name)
    ctx.containers().remove_container(name)
    return None


def _await_login(restoring: Restoring, name: str) -> None:
    """The server answers with the configured credentials, or says that they are not the
    snapshot's: that is no fault of what was restored."""
    ctx = restoring.ctx
    if restoring.source is None:
        ctx.warn("not-asked", f"no source is configured for {name}, so it was not asked", name)
        return
    source = replace(restoring.source, container=name, address="", socket="")
    try:
        ctx.database(source, name).wait_ready(_READY_SECONDS)
    except DatabaseError as error:
        if not _REFUSED.search(error.message):
            raise
        ctx.warn("accounts", f"{name} has other accounts than are configured: {error.message}")


def _in_place(restoring: Restoring) -> Result:
    ctx, facts = restoring.ctx, restore_database.facts_of(restoring)
    name = (restoring.source.container if restoring.source else "") or facts.container
    if not name or (restoring.source is not None and not restoring.source.container):
        raise UsageError(
            "files are switched in where a server runs in a container, and this one does not",
            "Use --to DIR, and RECOVERY.md for what to do with the files, or a logical snapshot.",
        )
    containers = ctx.containers()
    live = containers.container(name)
    volume = restore_database.live_volume(containers, live, facts)
    before = f"{volume.name}_before_{restoring.stamp}"
    model = replace(live, image_id=live.image_id or facts.image_id)
    with _filled(restoring, before, model) as (restored, note):
        switch.require_switchable(restored.mountpoint, [volume.mountpoint])
        proven = _prove(restoring, restored, model)
        with Phase(ctx.emit, "switch", "Switch the restored data in", restoring.request.source):
            switched = switch.volume(restoring, restored, volume, note)
    with Phase(ctx.emit, f"ready {name}", "Wait for the server", restoring.request.source):
        try:
            restore_database.require_serving(restoring, name, name in switched.running)
        except BaseException:
            switch.undo(restoring, switched, volume)
            raise
    return Result(
        "done",
        f"{name} is restored: {_words(facts, proven)}{kept_words(switched.kept)}",
        {**proven, "target": name, "kept": switched.kept},
    )
