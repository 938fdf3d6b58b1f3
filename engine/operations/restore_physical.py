"""Restoring a physical database snapshot: its files on a new volume, prepared in a container
without a network, proven by a server that starts on them, and only then switched in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Command
from engine.core.errors import DatabaseError, RestoreDiffers, UsageError
from engine.core.events import Result
from engine.core.physical import Way, mismatch, way_of
from engine.core.snapshot import BinlogPosition, DatabaseFacts
from engine.operations import debris, rates, replay_binlogs, restore_database, switch
from engine.operations.progress import Phase
from engine.operations.restore_tree import LABEL, kept_words, require_space
from engine.operations.streams import announce, unpack
from engine.ports import Container, Database, Volume
from engine.settings import SourceSettings

if TYPE_CHECKING:
    from engine.operations.restore import Restoring

_READY_SECONDS = 300.0  # a server may have to apply what was written while the files were copied
_PREPARE_SECONDS = 6 * 3600.0
_ROOM = 1.1
_IDLE = ("sleep", "604800")
# Without binlogs or events of its own: nothing is changed by looking. And without accounts, since
# those of the snapshot may not be those that are configured now.
_LOOKING = ("--skip-log-bin", "--event-scheduler=OFF")
_OPEN = "--skip-grant-tables"
_USUAL = "/var/lib/mysql"


def run(restoring: Restoring) -> Result:
    """Into a fresh container, or in place by switching the volume. To a directory goes the plain
    stream, as restore_database does it."""
    _way(restoring)
    if restoring.request.target.where == "container":
        return _to_container(restoring)
    return _in_place(restoring)


def _way(restoring: Restoring) -> Way:
    facts = restore_database.facts_of(restoring)
    way = way_of(facts.flavor, [a.name for a in restoring.manifest.artifacts])
    if way is None:
        raise DatabaseError(
            "this mentat-dr does not know how this physical snapshot was made",
            "Use a newer one, or restore a logical snapshot.",
        )
    return way


def _directory(restoring: Restoring) -> str:
    """Where the image's server keeps its data."""
    return restore_database.facts_of(restoring).data_directory.rstrip("/") or _USUAL


@dataclass(frozen=True, slots=True)
class _Filled:
    """A volume that holds a data directory which a server has been seen to serve."""

    volume: Volume
    note: debris.Note
    proven: dict[str, object]


@contextlib.contextmanager
def _filled(restoring: Restoring, volume_name: str, model: Container | None) -> Iterator[_Filled]:
    """The snapshot on a new volume, prepared and proven. Removed again when the block fails."""
    ctx = restoring.ctx
    containers = ctx.containers()
    labels = {LABEL: "restored", f"{LABEL}.source": restoring.request.source}
    with debris.noted(ctx, "volume", volume_name) as note:
        volume = containers.create_volume(volume_name, labels)
        size = int(restoring.manifest.raw_bytes * _ROOM)
        require_space(restoring, volume.mountpoint, size)
        _unpack(restoring, volume, model)
        yield _Filled(volume, note, _prove(restoring, volume, model))


def _image(restoring: Restoring, model: Container | None) -> str:
    return model.image_id if model else restore_database.facts_of(restoring).image


def _unpack(restoring: Restoring, volume: Volume, model: Container | None) -> None:
    """Files onto the volume, owned as the image wants them, ready for a server."""
    ctx, way = restoring.ctx, _way(restoring)
    containers, name = ctx.containers(), restoring.request.source
    artifact = restoring.manifest.artifacts[0]
    workshop = f"mentat-dr-prepare-{restoring.stamp}"
    with debris.noted(ctx, "container", workshop):
        containers.create_like(
            None,
            image=_image(restoring, model),
            name=workshop,
            mounts={volume.name: _directory(restoring)},
            labels={LABEL: "prepare"},
            network="none",
            command=_IDLE,
        )
        containers.start(workshop)
        try:
            _require_series(restoring, workshop, way)
            owner = volume.mountpoint.stat()
            _empty(volume.mountpoint)
            title = "Download, decrypt, unpack"
            with Phase(ctx.emit, f"unpack {name}", title, name, artifact.raw_bytes) as phase:
                unpack(
                    ctx,
                    restoring.snapshot,
                    artifact,
                    _extraction(restoring, workshop, volume, way),
                    restoring.passphrase,
                    phase,
                )
            steps = (f"unpack {name} physical", "unpack physical")
            rates.record(ctx.state, steps, artifact.raw_bytes, phase.seconds, ctx.clock())
            with Phase(ctx.emit, f"prepare {name}", "Apply what came while it was copied", name):
                _prepare(restoring, workshop, way)
                _own(volume.mountpoint, owner.st_uid, owner.st_gid)
        finally:
            containers.remove_container(workshop)


def _extraction(restoring: Restoring, workshop: str, volume: Volume, way: Way) -> Command:
    ctx = restoring.ctx
    if not way.extract:
        return ctx.trees.unpack_command(volume.mountpoint)
    argv = way.extract_into(_directory(restoring))
    return ctx.containers().exec_command(workshop, argv, label=argv[0], marker=ctx.marker)


def _require_series(restoring: Restoring, workshop: str, way: Way) -> None:
    """The image's server must be of the series that the files are of."""
    ctx = restoring.ctx
    command = ctx.containers().exec_command(
        workshop, [way.server, "--no-defaults", "--version"], label="version", marker=ctx.marker
    )
    ended = ctx.processes.run(command, timeout=60, check=False)
    said = ended.stdout.decode("utf-8", "replace")
    version = said.partition("Ver ")[2] or said
    wrong = mismatch(restore_database.facts_of(restoring).version, version)
    if ended.ok and wrong:
        raise UsageError(f"{wrong}; nothing was changed", way_out(restoring.request.source))


def way_out(source: str) -> str:
    """What to do where files of another version cannot be used."""
    return (
        "A logical snapshot loads into any newer version: mentat-dr snapshots --source "
        f"{source}; or use --to container with the image of the old version."
    )


def _prepare(restoring: Restoring, workshop: str, way: Way) -> None:
    if not way.prepare:
        return
    ctx = restoring.ctx
    argv = way.prepare_in(_directory(restoring))
    command = ctx.containers().exec_command(workshop, argv, label=argv[0], marker=ctx.marker)
    announce(ctx, command)
    ended = ctx.processes.run(command, timeout=_PREPARE_SECONDS, check=False)
    if not ended.ok or not any(way.done in line for line in ended.stderr[-5:]):
        last = next((line for line in reversed(ended.stderr) if line.strip()), "it said nothing")
        raise DatabaseError(
            f"the files could not be prepared: {last[:300]}",
            "Nothing live was changed. Restore another snapshot, or a logical one.",
        )


def _empty(folder: Path) -> None:
    """Remove what the image brought along: the snapshot must not mix with it."""
    for path in folder.rglob("*"):
        if not path.is_dir() or path.is_symlink():
            path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()


def _own(folder: Path, uid: int, gid: int) -> None:
    """Give all of it to the account that the image's data directory belongs to."""
    os.chown(folder, uid, gid)
    for path in folder.rglob("*"):
        os.chown(path, uid, gid, follow_symlinks=False)


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
            image=_image(restoring, model),
            name=looking,
            mounts={volume.name: _directory(restoring)},
            labels={LABEL: "verify"},
            network="none",
            command=[
                *_own_arguments(model),
                *_LOOKING,
                *(() if restoring.request.until else (_OPEN,)),
                *_way(restoring).looking,
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
        raise UsageError(f"{wrong}; nothing was changed", way_out(restoring.request.source))
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
    ctx, facts = restoring.ctx, restore_database.facts_of(restoring)
    if not facts.image:
        raise UsageError(
            "the snapshot was not taken from a container, so there is no image to start",
            "Use --to DIR, and RECOVERY.md for what to do with the files.",
        )
    containers = ctx.containers()
    name = restoring.request.target.name or f"{restoring.request.source}-restored-{restoring.stamp}"
    with _filled(restoring, f"{name}-data", None) as filled, debris.noted(ctx, "container", name):
        containers.create_like(
            None,
            image=facts.image,
            name=name,
            mounts={filled.volume.name: _directory(restoring)},
            labels={LABEL: "restored", f"{LABEL}.source": restoring.request.source},
            network="bridge",
        )
        containers.start(name)
        with Phase(ctx.emit, f"start {name}", "Wait for the server", restoring.request.source):
            _await_login(restoring, name)
    return Result(
        "done",
        f"restored into the new container {name}: {_words(facts, filled.proven)}; it has the "
        "accounts of the snapshot",
        {**filled.proven, "target": name, "volume": filled.volume.name},
    )


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
        if "(error 1045)" not in error.message:
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
    with _filled(restoring, before, model) as filled:
        switch.require_switchable(filled.volume.mountpoint, [volume.mountpoint])
        with Phase(ctx.emit, "switch", "Switch the restored data in", restoring.request.source):
            switched = switch.volume(restoring, filled.volume, volume, filled.note)
    with Phase(ctx.emit, f"ready {name}", "Wait for the server", restoring.request.source):
        try:
            restore_database.require_serving(restoring, name, name in switched.running)
        except BaseException:
            switch.undo(restoring, switched, volume)
            raise
    return Result(
        "done",
        f"{name} is restored: {_words(facts, filled.proven)}{kept_words(switched.kept)}",
        {**filled.proven, "target": name, "kept": switched.kept},
    )
