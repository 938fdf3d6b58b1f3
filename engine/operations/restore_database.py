"""Restoring a logical database snapshot: loaded into a fresh server, compared with the manifest
row by row count and checksum, and only then switched in."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.core.errors import DatabaseError, RestoreDiffers, UsageError
from engine.core.events import Result
from engine.core.recovery import RestoreRequest
from engine.core.snapshot import DatabaseFacts, Manifest, TableFacts
from engine.operations import (
    debris,
    load_split,
    rates,
    replay_binlogs,
    restore_plain,
    restore_server,
    server_notes,
    switch,
)
from engine.operations.backup_database import DUMP, USERS
from engine.operations.progress import Phase
from engine.operations.restore_tree import LABEL, kept_words, require_space
from engine.ports import Container, Containers, Database, Volume
from engine.settings import Secret, SourceSettings

if TYPE_CHECKING:
    from engine.operations.restore import Restoring

_READY_SECONDS = 180.0
_ASK_SECONDS = 5.0  # between two looks whether the container still runs


def run(restoring: Restoring) -> Result:
    where = restoring.request.target.where
    refusal = part_refusal(restoring.request, restoring.manifest)
    if refusal:
        raise UsageError(refusal, PARTS_WAY)
    if where == "directory":
        return restore_plain.to_directory(restoring)
    if restoring.snapshot.method == "physical":
        from engine.operations import restore_physical

        return restore_physical.run(restoring)
    if where == "container":
        return _to_container(restoring)
    return _in_place(restoring)


PARTS_WAY = "Choose a logical snapshot and --to container, or --to DIR, and take them from there."


def part_refusal(request: RestoreRequest, manifest: Manifest) -> str:
    """Why the chosen schemas and tables cannot be restored so; empty when they can."""
    if not request.parts:
        return ""
    if manifest.database is None:
        return "schemas and tables are parts of databases only"
    if manifest.id.method == "physical":
        return "a physical snapshot is restored as a whole, not by schemas or tables"
    if request.target.where == "in-place":
        return "schemas and tables are not switched in by themselves: rows of others refer to them"
    if request.until is not None:
        return "logs are replayed onto a whole snapshot, not onto single schemas or tables"
    return ""


def facts_of(restoring: Restoring) -> DatabaseFacts:
    facts = restoring.manifest.database
    if facts is None:
        raise DatabaseError("the manifest says nothing of a database", "Choose another snapshot.")
    return facts


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
    ctx, facts = restoring.ctx, facts_of(restoring)
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
    source = way_in(restoring, name, password)
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


def way_in(restoring: Restoring, container: str, password: str) -> SourceSettings:
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


def load(restoring: Restoring, database: Database, *, fresh: bool = True) -> dict[str, object]:
    """Dump, then accounts, then the comparison with the manifest. fresh: see Database.loading."""
    ctx, name = restoring.ctx, restoring.request.source
    facts = load_split.selected(facts_of(restoring), load_split.selection_of(restoring.request))
    dump = restore_plain.artifact_of(restoring, DUMP)
    loading = database.loading(fresh=fresh)
    with server_notes.undone(ctx, name, loading):
        title = "Download, decrypt, load"
        with Phase(ctx.emit, f"load {name}", title, name, dump.raw_bytes) as phase:
            loading.begin()
            load_split.feed(restoring, dump, loading.take, phase)
            loading.settle()
        _remember(restoring, "load", phase)
        with Phase(ctx.emit, f"verify {name}", "Compare rows and checksums", name) as phase:
            compared = compare(facts, database)
        _remember(restoring, "verify", phase)
        with Phase(ctx.emit, f"users {name}", "Users and grants", name):
            users = restore_plain.read_small(restoring, restore_plain.artifact_of(restoring, USERS))
            for line in database.load_users(users):
                ctx.warn("users", line, name)
        facts, replayed = replay_binlogs.replay(restoring, database, facts)
        with Phase(ctx.emit, f"finish {name}", "Statistics and settings", name):
            for line in database.finish_load(facts):
                ctx.warn("load", line, name)
    return {**compared, "bytes": dump.raw_bytes, **replayed}


def _remember(restoring: Restoring, step: str, phase: Phase) -> None:
    """A rate for the next plan; that of a part says nothing of the whole."""
    if not restoring.request.parts:
        ctx, name = restoring.ctx, restoring.request.source
        size = restore_plain.artifact_of(restoring, DUMP).raw_bytes
        rates.record(
            ctx.state, (f"{step} {name}", f"{step} database"), size, phase.seconds, ctx.clock()
        )


def compare(facts: DatabaseFacts, database: Database) -> dict[str, object]:
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
    facts = facts_of(restoring)
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
    ctx, facts = restoring.ctx, facts_of(restoring)
    name = (restoring.source.container if restoring.source else "") or facts.container
    if not name or (restoring.source is not None and not restoring.source.container):
        return restore_server.run(restoring)
    containers = ctx.containers()
    live = containers.container(name)
    volume = live_volume(containers, live, facts)
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
            require_serving(restoring, name, name in switched.running)
        except BaseException:
            switch.undo(restoring, switched, volume)
            raise
    return Result(
        "done",
        f"{name} is restored: {checked['tables']} tables, {checked['rows']} rows "
        f"compared{kept_words(switched.kept)}",
        {**checked, "target": name, "kept": switched.kept},
    )


def live_volume(containers: Containers, live: Container, facts: DatabaseFacts) -> Volume:
    directory = facts.data_directory or "/var/lib/mysql"
    for mount in live.mounts:
        if mount.destination.rstrip("/") == directory and mount.volume:
            return containers.volume(mount.volume)
    raise UsageError(
        f"{live.name} keeps its data in no volume at {directory}, so it cannot be switched",
        "Use --to container, look at the result, and point your service at it.",
    )


def require_serving(restoring: Restoring, name: str, ran: bool) -> None:
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
