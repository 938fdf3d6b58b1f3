"""Restoring a logical database snapshot: loaded into a fresh server, compared with the manifest
row by row count and checksum, and only then switched in."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Command
from engine.core.errors import DatabaseError, RestoreDiffers, UsageError
from engine.core.events import Result
from engine.core.snapshot import Artifact, DatabaseFacts, TableFacts
from engine.operations import debris, rates, restore_server, switch
from engine.operations.backup_database import DUMP, USERS
from engine.operations.progress import Phase
from engine.operations.restore_tree import (
    LABEL,
    empty_target,
    kept_words,
    move_in,
    require_space,
    staging_beside,
)
from engine.operations.streams import unpack
from engine.ports import Container, Containers, Database, Volume
from engine.settings import Secret, SourceSettings

if TYPE_CHECKING:
    from engine.operations.restore import Restoring

_READY_SECONDS = 180.0
_ASK_SECONDS = 5.0  # between two looks whether the container still runs


def run(restoring: Restoring) -> Result:
    where = restoring.request.target.where
    if where == "directory":
        return _to_directory(restoring)
    if where == "container":
        return _to_container(restoring)
    return _in_place(restoring)


def _facts(restoring: Restoring) -> DatabaseFacts:
    facts = restoring.manifest.database
    if facts is None:
        raise DatabaseError("the manifest says nothing of a database", "Choose another snapshot.")
    return facts


def _artifact(restoring: Restoring, name: str) -> Artifact:
    for artifact in restoring.manifest.artifacts:
        if artifact.name == name:
            return artifact
    raise DatabaseError(f"the manifest names no {name}", "Choose another snapshot.")


def _to_directory(restoring: Restoring) -> Result:
    """Plain SQL files, proven by hash: for reading, or for a client by hand."""
    ctx = restoring.ctx
    target = empty_target(restoring.request.target.path)
    with staging_beside(ctx, target.parent) as (staging, _note):
        require_space(restoring, staging, restoring.manifest.raw_bytes)
        for artifact in restoring.manifest.artifacts:
            plain = staging / artifact.name.removesuffix(".zst.gpg")
            _write_plain(restoring, artifact, plain)
        move_in(staging, target)
    facts = {"bytes": restoring.manifest.raw_bytes, "target": str(target)}
    return Result("done", f"plain SQL written to {target}, its hash proven", facts)


def _write_plain(restoring: Restoring, artifact: Artifact, file: Path) -> None:
    ctx = restoring.ctx
    with Phase(
        ctx.emit,
        f"write {file.name}",
        "Download and decrypt",
        restoring.request.source,
        artifact.raw_bytes,
    ) as phase:
        command = Command(
            ("dd", f"of={file}", "bs=1M", "iflag=fullblock", "conv=fsync", "status=none"),
            label="dd",
        )
        unpack(ctx, restoring.snapshot, artifact, command, restoring.passphrase, phase)


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A server made for this restore: its container, its volume, and the way in. `note` is the
    volume's, to be dropped before the volume comes to hold live data."""

    note: debris.Note
    container: Container
    volume: Volume
    source: SourceSettings
    database: Database


@contextlib.contextmanager
def _fresh_server(
    restoring: Restoring, name: str, volume_name: str, model: Container | None, network: str
) -> Iterator[_Fresh]:
    """Start an empty server of the snapshot's image on a new volume. Both are removed again when
    the block fails."""
    ctx = restoring.ctx
    containers = ctx.containers()
    labels = {LABEL: "restored", f"{LABEL}.source": restoring.request.source}
    with (
        debris.noted(ctx, "volume", volume_name) as note,
        debris.noted(ctx, "container", name),
    ):
        volume = containers.create_volume(volume_name, labels)
        # Loaded tables take about the room of their dump; a full disk would hurt live servers too.
        require_space(restoring, volume.mountpoint, restoring.manifest.raw_bytes)
        yield _start_server(restoring, name, volume, model, network, labels, note)


def _start_server(
    restoring: Restoring,
    name: str,
    volume: Volume,
    model: Container | None,
    network: str,
    labels: dict[str, str],
    note: debris.Note,
) -> _Fresh:
    ctx, facts = restoring.ctx, _facts(restoring)
    containers = ctx.containers()
    password = secrets.token_urlsafe(18)
    container = containers.create_like(
        model,
        image=model.image_id if model else facts.image,
        name=name,
        mounts={volume.name: facts.data_directory or "/var/lib/mysql"},
        labels=labels,
        environment=_root_password(password),
        network=network,
    )
    containers.start(name)
    source = _way_in(restoring, name, password)
    database = ctx.database(source, name)
    with Phase(ctx.emit, f"start {name}", "Start an empty server", restoring.request.source):
        database.wait_ready(_READY_SECONDS)
    return _Fresh(note, container, volume, source, database)


def _root_password(password: str) -> dict[str, str]:
    """For images in the manner of the official ones: a password of our own, nothing of the
    model's first-start settings. The snapshot's accounts replace it."""
    cleared = ("PASSWORD_FILE", "HOST", "HOST_FILE")
    values = {}
    for flavor in ("MYSQL", "MARIADB"):
        values[f"{flavor}_ROOT_PASSWORD"] = password
        values.update({f"{flavor}_ROOT_{name}": "" for name in cleared})
        values.update(
            {
                f"{flavor}_{name}": ""
                for name in (
                    "DATABASE",
                    "USER",
                    "PASSWORD",
                    "RANDOM_ROOT_PASSWORD",
                    "ALLOW_EMPTY_PASSWORD",
                    "ALLOW_EMPTY_ROOT_PASSWORD",
                )
            }
        )
    return values


def _way_in(restoring: Restoring, container: str, password: str) -> SourceSettings:
    from datetime import timedelta

    base = restoring.source or SourceSettings(
        restoring.request.source, "database", timedelta(0), timedelta(0)
    )
    return replace(
        base,
        container=container,
        address="",
        socket="",
        user="root",
        password=Secret(value=password),
    )


def load(restoring: Restoring, database: Database) -> dict[str, object]:
    """Dump, then accounts, then the comparison with the manifest."""
    ctx, facts = restoring.ctx, _facts(restoring)
    name = restoring.request.source
    dump = _artifact(restoring, DUMP)
    with Phase(ctx.emit, f"load {name}", "Download, decrypt, load", name, dump.raw_bytes) as phase:
        unpack(
            ctx,
            restoring.snapshot,
            dump,
            database.load_command(),
            restoring.passphrase,
            phase,
            database.explain,
        )
    rates.record(
        ctx.state, (f"load {name}", "load database"), dump.raw_bytes, phase.seconds, ctx.clock()
    )
    with Phase(ctx.emit, f"verify {name}", "Compare rows and checksums", name) as phase:
        compared = _compare(facts, database)
    rates.record(
        ctx.state,
        (f"verify {name}", "verify database"),
        dump.raw_bytes,
        phase.seconds,
        ctx.clock(),
    )
    with Phase(ctx.emit, f"users {name}", "Users and grants", name):
        users = _read_small(restoring, _artifact(restoring, USERS))
        for line in database.load_users(users):
            ctx.warn("users", line, name)
        for line in database.finish_load(facts):
            ctx.warn("load", line, name)
    return {**compared, "bytes": dump.raw_bytes}


def _read_small(restoring: Restoring, artifact: Artifact) -> bytes:
    """The plain bytes of a small artifact, proven; accounts, never table data."""
    ctx = restoring.ctx
    folder = ctx.state / "jobs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f".users-{ctx.job_id}.sql"
    try:
        _write_plain(restoring, artifact, file)
        return file.read_bytes()
    finally:
        file.unlink(missing_ok=True)


def _compare(facts: DatabaseFacts, database: Database) -> dict[str, object]:
    """Every table and object count against the manifest; RestoreDiffers names what differs."""
    found = {(t.schema, t.table): t for t in database.tables(facts)}
    differing = [line for t in facts.tables if (line := _difference(t, found))]
    objects = database.objects(facts.schemas)
    for kind, count in facts.objects.items():
        if kind != "users" and objects.get(kind, 0) != count:
            differing.append(f"{kind}: {objects.get(kind, 0)} instead of {count}")
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise RestoreDiffers(
            f"the restored database differs: {'; '.join(differing[:3])}{more}",
            "The live data is untouched. Try another snapshot; see the journal.",
        )
    checked = sum(t.checksum is not None for t in facts.tables)
    return {
        "tables": len(facts.tables),
        "rows": sum(t.rows for t in facts.tables),
        "checksums": checked,
    }


def _difference(wanted: TableFacts, found: dict[tuple[str, str], TableFacts]) -> str:
    table = f"{wanted.schema}.{wanted.table}"
    got = found.get((wanted.schema, wanted.table))
    if got is None:
        return f"{table} is missing"
    if got.rows != wanted.rows:
        return f"{table} has {got.rows} rows instead of {wanted.rows}"
    if wanted.checksum is not None and got.checksum != wanted.checksum:
        return f"{table} has other contents (checksum)"
    return ""


def _to_container(restoring: Restoring) -> Result:
    facts = _facts(restoring)
    if not facts.image:
        raise UsageError(
            "the snapshot was not taken from a container, so there is no image to start",
            "Use --to DIR and load the plain SQL into a server of your own.",
        )
    name = restoring.request.target.name or f"{restoring.request.source}-restored-{restoring.stamp}"
    with _fresh_server(restoring, name, f"{name}-data", None, "bridge") as fresh:
        checked = load(restoring, fresh.database)
    return Result(
        "done",
        f"restored into the new container {name}: {checked['tables']} tables, "
        f"{checked['rows']} rows compared",
        {**checked, "target": name, "volume": fresh.volume.name},
    )


def _in_place(restoring: Restoring) -> Result:
    ctx, facts = restoring.ctx, _facts(restoring)
    name = (restoring.source.container if restoring.source else "") or facts.container
    if not name or (restoring.source is not None and not restoring.source.container):
        return restore_server.run(restoring)
    containers = ctx.containers()
    live = containers.container(name)
    volume = _data_volume(containers, live, facts)
    stamp = restoring.stamp
    before = f"{volume.name}_before_{stamp}"
    model = replace(live, image_id=live.image_id or facts.image_id)
    with _fresh_server(restoring, f"mentat-dr-restore-{stamp}", before, model, "none") as fresh:
        switch.require_switchable(fresh.volume.mountpoint, [volume.mountpoint])
        checked = load(restoring, fresh.database)
        containers.stop(fresh.container.name)
        containers.remove_container(fresh.container.name)
        with Phase(ctx.emit, "switch", "Switch the restored data in", restoring.request.source):
            switched = switch.volume(restoring, fresh.volume, volume, fresh.note)
    with Phase(ctx.emit, f"ready {name}", "Wait for the server", restoring.request.source):
        try:
            _require_serving(restoring, name, name in switched.running)
        except BaseException:
            switch.undo(restoring, switched, volume)
            raise
    return Result(
        "done",
        f"{name} is restored: {checked['tables']} tables, {checked['rows']} rows "
        f"compared{kept_words(switched.kept)}",
        {**checked, "target": name, "kept": switched.kept},
    )


def _data_volume(containers: Containers, live: Container, facts: DatabaseFacts) -> Volume:
    directory = facts.data_directory or "/var/lib/mysql"
    for mount in live.mounts:
        if mount.destination.rstrip("/") == directory and mount.volume:
            return containers.volume(mount.volume)
    raise UsageError(
        f"{live.name} keeps its data in no volume at {directory}, so it cannot be switched",
        "Use --to container, look at the result, and point your service at it.",
    )


def _require_serving(restoring: Restoring, name: str, ran: bool) -> None:
    """A server that ran before answers again, with the configured credentials. One that did not
    run is left as it was found."""
    ctx = restoring.ctx
    if not ran:
        ctx.warn("not-running", f"{name} was not running before and was not started", name)
        return
    if restoring.source is None:
        ctx.warn("not-asked", f"no source is configured for {name}, so it was not asked", name)
        return
    database = ctx.database(restoring.source, name)
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            database.wait_ready(_ASK_SECONDS)
            return
        except DatabaseError as error:
            state = ctx.containers().container(name).state
            if state in ("exited", "dead") or time.monotonic() > until:
                words = ctx.containers().logs(name, 5)
                raise DatabaseError(
                    f"{name} does not serve after the switch: it is {state}: {error.message}; "
                    f"its log ends: {' | '.join(words)}",
                    "Its old data is put back. Try --to container, and look at the server there.",
                ) from error
