"""The plan of a restore: what it reads, changes, destroys and stops, and how long it takes."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from engine.core.errors import MentatError
from engine.core.recovery import PlanLine, PlanStep, RestorePlan, RestoreRequest
from engine.core.snapshot import Manifest, SnapshotEntry
from engine.operations import rates
from engine.operations.restore import confirm_name
from engine.operations.restore_tree import target_problem
from engine.ports import Containers, SignatureCheck
from engine.settings import Settings, SourceSettings


@dataclass(slots=True)
class _Lines:
    reads: list[PlanLine] = field(default_factory=list)
    changes: list[PlanLine] = field(default_factory=list)
    destroys: list[PlanLine] = field(default_factory=list)
    stops: list[PlanLine] = field(default_factory=list)
    unknown: list[PlanLine] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Planning:
    """What a plan is made from; Docker is asked only where the target needs it."""

    settings: Settings
    store_name: str
    state: Path
    containers: Callable[[], Containers]
    now: datetime


def plan(
    planning: Planning,
    request: RestoreRequest,
    entry: SnapshotEntry,
    manifest: Manifest,
    signature: SignatureCheck,
) -> RestorePlan:
    """The plan. What cannot be found out now stands under `unknown`; what would stop it under
    `blockers`. Touches nothing."""
    source = next((s for s in planning.settings.sources if s.name == request.source), None)
    lines = _Lines()
    lines.reads.append(
        PlanLine(f"{planning.store_name}: snapshot {entry.id.ref}", manifest.stored_bytes)
    )
    if not signature.good and request.accept_unsigned != entry.id.ref:
        lines.blockers.append(f"the manifest cannot be trusted: {signature.problem}")
    if entry.proven_at is None:
        lines.warnings.append("this snapshot was never proven by a restore")
    lines.warnings.extend(manifest.warnings)
    _target_lines(planning, request, manifest, source, lines)
    name = confirm_name(manifest, source, request)
    return RestorePlan(
        request=replace(request, snapshot=entry.id.ref),
        snapshot=entry.id,
        kind=manifest.kind,
        title=_title(request, manifest, name),
        recoverable_to=manifest.recoverable_to,
        proven_at=entry.proven_at,
        reads=tuple(lines.reads),
        changes=tuple(lines.changes),
        destroys=tuple(lines.destroys),
        stops=tuple(lines.stops),
        unknown=tuple(lines.unknown),
        steps=_steps(planning, manifest, request),
        confirm_name=name,
        command=shell_command(planning.settings, request, entry.id.ref, name),
        warnings=tuple(lines.warnings),
        blockers=tuple(lines.blockers),
    )


def _title(request: RestoreRequest, manifest: Manifest, name: str) -> str:
    where = {
        "directory": f"to {request.target.path}",
        "container": "into a fresh container",
        "in-place": f"in place on {name}",
    }[request.target.where]
    return f"{request.source} as of {manifest.recoverable_to:%Y-%m-%d %H:%M:%S} UTC, {where}"


def shell_command(settings: Settings, request: RestoreRequest, ref: str, name: str) -> str:
    """The command line that does the same, ready to paste."""
    words = ["mentat-dr", "restore", ref, "--source", request.source]
    if request.host and request.host != settings.host:
        words += ["--host", request.host]
    where = request.target.where
    words += ["--to", request.target.path if where == "directory" else where]
    if request.target.name:
        words += ["--name", request.target.name]
    if request.accept_unsigned:
        words += ["--accept-unsigned", request.accept_unsigned]
    if name:
        words += ["--confirm", name]
    return shlex.join(words)


def _target_lines(
    planning: Planning,
    request: RestoreRequest,
    manifest: Manifest,
    source: SourceSettings | None,
    lines: _Lines,
) -> None:
    size = manifest.raw_bytes
    where = request.target.where
    if where == "directory":
        lines.changes.append(PlanLine(f"directory {request.target.path} (created)", size))
        problem = target_problem(Path(request.target.path))
        if problem is not None:
            lines.blockers.append(f"{problem.message}. {problem.remedy}")
        return
    try:
        if where == "container":
            _new_container_lines(planning, request, manifest, lines)
        elif manifest.tree is not None and not manifest.tree.volume:
            _paths_lines(manifest, lines)
        elif _on_a_server(manifest, source):
            _server_lines(manifest, source, lines)
        else:
            _in_place_lines(planning, manifest, source, lines)
    except MentatError as error:
        lines.unknown.append(PlanLine(f"{error.message} ({error.remedy})"))
        lines.blockers.append(error.message)


def _new_container_lines(
    planning: Planning, request: RestoreRequest, manifest: Manifest, lines: _Lines
) -> None:
    planning.containers().ping()
    if manifest.database is not None:
        name = request.target.name or f"{request.source}-restored-<time>"
        lines.changes.append(PlanLine(f"volume {name}-data (created)", manifest.raw_bytes))
        lines.changes.append(
            PlanLine(f"container {name} of image {manifest.database.image} (created, left running)")
        )
        if not manifest.database.image:
            lines.blockers.append("the snapshot names no image to start")
    elif manifest.tree is not None and manifest.tree.volume:
        name = request.target.name or f"{manifest.tree.volume}_restored_<time>"
        lines.changes.append(PlanLine(f"volume {name} (created)", manifest.raw_bytes))
    else:
        lines.blockers.append("configuration paths cannot be restored into a container")


def _paths_lines(manifest: Manifest, lines: _Lines) -> None:
    assert manifest.tree is not None
    for path in manifest.tree.paths:
        lines.changes.append(PlanLine(f"/{path} (replaced by the restored copy)"))
    first = "/" + manifest.tree.paths[0]
    lines.destroys.append(
        PlanLine(
            f"nothing: what is there now is kept in {first}_before_<time> until you release it"
        )
    )


def _on_a_server(manifest: Manifest, source: SourceSettings | None) -> bool:
    """Whether the database is reached by address or socket, not in a container."""
    if manifest.database is None:
        return False
    return not (source.container if source else manifest.database.container)


def _server_lines(manifest: Manifest, source: SourceSettings | None, lines: _Lines) -> None:
    assert manifest.database is not None
    if source is None:
        lines.blockers.append("no source of this name is configured, so the server is not known")
        return
    where = source.socket or f"{source.address}:{source.port}"
    schemas = ", ".join(manifest.database.schemas)
    lines.changes.append(
        PlanLine(f"the server at {where}: schemas {schemas} (loaded)", manifest.raw_bytes)
    )
    lines.destroys.append(
        PlanLine(
            f"what the schemas {schemas} hold now: it is first saved as a new snapshot of "
            f"{source.name}, then they are dropped"
        )
    )
    lines.stops.append(PlanLine("nothing, but the schemas are incomplete while they are loaded"))


def _in_place_lines(
    planning: Planning, manifest: Manifest, source: SourceSettings | None, lines: _Lines
) -> None:
    containers = planning.containers()
    volume_name, using = _live(containers, manifest, source)
    lines.changes.append(PlanLine(f"volume {volume_name} (switched)", manifest.raw_bytes))
    if manifest.database is not None:
        lines.changes.append(
            PlanLine("a fresh server beside it, until the switch (created, removed after)")
        )
    lines.destroys.append(
        PlanLine(
            f"nothing: the data of {volume_name} is kept as {volume_name}_before_<time> until you "
            "release it"
        )
    )
    for name in using:
        lines.stops.append(PlanLine(f"{name}, for the switch only"))


def _live(
    containers: Containers, manifest: Manifest, source: SourceSettings | None
) -> tuple[str, list[str]]:
    facts = manifest.database
    if facts is not None:
        container = containers.container((source.container if source else "") or facts.container)
        directory = facts.data_directory or "/var/lib/mysql"
        name = next(
            (m.volume for m in container.mounts if m.destination.rstrip("/") == directory), ""
        )
    else:
        assert manifest.tree is not None
        name = (source.volume if source else "") or manifest.tree.volume
    running = [c.name for c in containers.using(name) if c.state in ("running", "paused")]
    return name, running


def _steps(planning: Planning, manifest: Manifest, request: RestoreRequest) -> tuple[PlanStep, ...]:
    known = rates.load(planning.state)
    name, kind, size = request.source, manifest.kind, manifest.raw_bytes

    def step(phase: str, title: str) -> PlanStep:
        seconds, basis = known.seconds((f"{phase} {name}", f"{phase} {kind}"), size)
        return PlanStep(phase, title, seconds, basis)

    if kind == "database" and request.target.where != "directory":
        return (step("load", "download, decrypt, load"), step("verify", "compare rows, checksums"))
    if kind == "database":
        return (step("write", "download, decrypt, write"),)
    return (step("unpack", "download, decrypt, unpack, count"),)
