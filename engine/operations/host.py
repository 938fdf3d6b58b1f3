"""restore --host: a whole host from a set, part by part, each durable before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.core.errors import ContainersError, UsageError
from engine.core.events import Event, Output, Result, Warned
from engine.core.host_facts import EngineFacts, name_of
from engine.core.host_rebuild import (
    Part,
    RebuildRequest,
    anonymous_binds,
    moved,
    networks_of,
    published,
    ran,
)
from engine.core.recovery import RestoreRequest, Target
from engine.operations import host_files, host_plan, kept
from engine.operations.context import Context
from engine.operations.host_progress import Progress
from engine.operations.progress import Phase
from engine.operations.restore import restore
from engine.settings import Settings

_HEALTH_SECONDS = 300.0
_LOOK_SECONDS = 0.5
_QUIET = frozenset({"not-running", "not-asked"})  # said by a restore of a server that is to wait


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """One rebuild under way."""

    ctx: Context
    plan: host_plan.RebuildPlan
    progress: Progress
    passphrase: str | None

    @property
    def request(self) -> RebuildRequest:
        return self.plan.request

    @property
    def engine(self) -> EngineFacts:
        facts = self.plan.facts
        assert facts is not None and facts.engine is not None
        return facts.engine

    def definition(self, name: str) -> Mapping[str, Any]:
        """The container's inspect, with new addresses and with others by their names."""
        found = next(c for c in self.engine.containers if name_of(c) == name)
        names = {str(c.get("Id", "")): name_of(c) for c in self.engine.containers}
        return moved(found, self.request.addresses, names)


def rebuild(ctx: Context, request: RebuildRequest, passphrase: str | None) -> Result:
    """Bring the host back. Everything that can be refused is refused before anything is made; run
    again after any interruption it goes on where it was."""
    with Phase(ctx.emit, "plan", "Compare this machine with the lost one"):
        planned = host_plan.plan(ctx, request, passphrase)
    if planned.blockers:
        raise UsageError("; ".join(planned.blockers), "Nothing was changed.")
    if request.confirm != planned.confirm_name:
        raise UsageError(
            f"this rebuilds {request.host} on this machine: its name must be given to confirm it",
            f"Look at --plan, then add --confirm {planned.confirm_name}",
        )
    warned: list[Warned] = []
    ctx = replace(ctx, emit=_telling(ctx, warned), settings=_settings_of(ctx, request.host))
    with ctx.lease(f"host-{request.host}"):
        progress = Progress(ctx.state, planned.host_set.id, ctx.clock(), afresh=request.afresh)
        work = Rebuilding(ctx, planned, progress, passphrase)
        if progress.resumed:
            ctx.emit(Output(f"going on with the rebuild begun at {progress.started:%H:%M:%S} UTC"))
        for part in planned.parts:
            if progress.is_done(part.id):
                ctx.emit(Output(f"{part.id}: done before"))
                continue
            with Phase(ctx.emit, part.id, part.title, part.source, None):
                _STEPS[part.kind](work, part)
            progress.step(part.id)
        host_files.write_report(ctx, planned)
        progress.finish()
    return _result(ctx, planned, progress, warned)


def _telling(ctx: Context, warned: list[Warned]) -> Callable[[Event], None]:
    tell = ctx.emit

    def emit(event: Event) -> None:
        if isinstance(event, Warned):
            if event.code in _QUIET:
                return
            warned.append(event)
        tell(event)

    return emit


def _settings_of(ctx: Context, host: str) -> Settings:
    """The configuration without its sources where it is another host's: theirs are not ours."""
    if ctx.settings.host == host:
        return ctx.settings
    return replace(ctx.settings, sources=())


def _result(
    ctx: Context, planned: host_plan.RebuildPlan, progress: Progress, warned: list[Warned]
) -> Result:
    seconds = (ctx.clock() - progress.started).total_seconds()
    host = planned.request.host
    count = len(planned.parts)
    summary = f"{host} is rebuilt from {planned.host_set.id.ref}: {count} parts in {seconds:.0f} s"
    if planned.by_hand:
        summary += f"; left to do by hand: {host_files.report_file(ctx, planned)}"
    facts = {
        "set": planned.host_set.id.ref,
        "parts": [part.id for part in planned.parts],
        "seconds": seconds,
        "spread_seconds": planned.spread.total_seconds(),
    }
    return Result("warnings" if warned else "done", summary, facts)


def _image(work: Rebuilding, part: Part) -> None:
    engine = work.ctx.host_engine()
    if not engine.has_image(part.name):
        engine.pull(part.name)


def _network(work: Rebuilding, part: Part) -> None:
    definition = next(n for n in work.engine.networks if n["Name"] == part.name)
    engine = work.ctx.host_engine()
    try:
        engine.create_network(definition)
    except ContainersError as error:
        if _has_fixed_addresses(work, part.name):
            raise
        # Its address range is in use here. Nothing names an address in it, so another one serves.
        work.ctx.warn("network", f"{part.name} gets another address range: {error.message}")
        engine.create_network(definition, same_subnet=False)


def _has_fixed_addresses(work: Rebuilding, network: str) -> bool:
    for container in work.engine.containers:
        if network in networks_of(container):
            endpoint = container["NetworkSettings"]["Networks"][network]
            if (endpoint.get("IPAMConfig") or {}).get("IPv4Address"):
                return True
    return False


def _volume(work: Rebuilding, part: Part) -> None:
    engine = work.ctx.host_engine()
    if engine.exists("volume", part.name):
        return
    work.progress.made(part.name)
    definition = next(v for v in work.engine.volumes if v["Name"] == part.name)
    engine.create_volume(definition)


def _tree(work: Rebuilding, part: Part) -> None:
    member = work.plan.host_set.member(part.source)
    assert member is not None
    _restore(work, part, member.volume)


def _database(work: Rebuilding, part: Part) -> None:
    """The server's container is made and left stopped; its data is loaded beside and switched in,
    as in any restore in place."""
    member = work.plan.host_set.member(part.source)
    assert member is not None
    if member.container:
        _make_container(work, member.container)
    _restore(work, part, member.container or part.source)


def _restore(work: Rebuilding, part: Part, confirm: str) -> None:
    ctx = work.ctx
    request = RestoreRequest(
        part.source,
        part.ref,
        Target("in-place"),
        host=work.request.host,
        confirm=confirm,
        accept_unsigned=part.ref if work.request.accept_unsigned else "",
        until=part.until,
    )
    restore(ctx, request, work.passphrase)
    _keep_apart(work, part)


def _keep_apart(work: Rebuilding, part: Part) -> None:
    """Give the record of what was there before a name of its own: this job has several."""
    ctx = work.ctx
    for record in kept.listed(ctx.state):
        if record.id == ctx.job_id and record.switched:
            kept.record(ctx.state, replace(record, id=f"{ctx.job_id}-{part.source}"))
            kept.forget(ctx.state, ctx.job_id)


def _config(work: Rebuilding, part: Part) -> None:
    host_files.place(work.ctx, work.plan, part, work.passphrase)


def _container(work: Rebuilding, part: Part) -> None:
    _make_container(work, part.name)
    if ran(work.definition(part.name)):
        work.ctx.containers().start(part.name)


def _make_container(work: Rebuilding, name: str) -> None:
    definition = work.definition(name)
    restored = [m.volume for m in work.plan.host_set.members if m.volume]
    binds = anonymous_binds(definition, restored)
    if not work.ctx.host_engine().create_container(definition, binds):
        work.ctx.emit(Output(f"the container {name} is here already and stays as it is"))


def _health(work: Rebuilding, part: Part) -> None:
    """Running, healthy by its own check where it has one, and its published ports taken."""
    ctx = work.ctx
    engine, machine = ctx.host_engine(), ctx.machine()
    definition = work.definition(part.name)
    ports = [port for _, port in published(definition)]
    # What its own check found wrong before the loss, too, is no fault of the rebuild.
    was_ill = ((definition.get("State") or {}).get("Health") or {}).get("Status") == "unhealthy"
    good = ("", "none", "healthy", *(("unhealthy",) if was_ill else ()))
    until = time.monotonic() + _HEALTH_SECONDS
    while True:
        state, health = engine.health(part.name)
        closed = [port for port in ports if not machine.listens(port)]
        if state == "running" and health in good and not closed:
            if health == "unhealthy":
                ctx.warn("health", f"{part.name} is unhealthy, as it was before the loss")
            return
        if state in ("exited", "dead") or time.monotonic() > until:
            said = f"is {state}" + (f", {health}" if health else "")
            ports_said = f"; nothing listens on {closed}" if closed else ""
            words = " | ".join(ctx.containers().logs(part.name, 5))
            raise ContainersError(
                f"{part.name} does not serve: it {said}{ports_said}; its log ends: {words}",
                "Mend it, then run the same command again: it goes on here. Or add "
                f"--without {part.id}",
            )
        time.sleep(_LOOK_SECONDS)


_STEPS: Mapping[str, Callable[[Rebuilding, Part], None]] = {
    "image": _image,
    "network": _network,
    "volume": _volume,
    "config": _config,
    "data": _tree,
    "database": _database,
    "container": _container,
    "health": _health,
}
