"""The plan of a host's rebuild: its parts in order, and what of this machine is in the way."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from engine.core.errors import MentatError, UsageError
from engine.core.host_differences import Here, differences
from engine.core.host_facts import EngineFacts, HostFacts
from engine.core.host_rebuild import (
    Difference,
    Part,
    RebuildRequest,
    bind_sources,
    chosen,
    parts,
)
from engine.core.host_set import HostSet
from engine.core.recovery import PlanStep
from engine.core.snapshot import format_utc
from engine.operations import host_moments, host_progress, rates, sets
from engine.operations.context import Context
from engine.ports import SignatureCheck
from engine.repository.sets import HostSets


@dataclass(frozen=True, slots=True)
class RebuildPlan:
    """Everything a rebuild will do, in order, and what is in its way. `done` are the parts that
    an interrupted rebuild of this set has behind it; `already` those that are here and stay as
    they are."""

    request: RebuildRequest
    host_set: HostSet
    signature: SignatureCheck
    parts: tuple[Part, ...]
    left_out: tuple[Part, ...]
    done: frozenset[str]
    already: frozenset[str]
    differences: tuple[Difference, ...]
    steps: tuple[PlanStep, ...]
    command: str
    by_hand: tuple[str, ...] = ()
    facts: HostFacts | None = field(default=None, repr=False)

    @property
    def confirm_name(self) -> str:
        return self.request.host

    @property
    def blockers(self) -> tuple[str, ...]:
        """Why it cannot start as it stands."""
        found = [f"{d.message}. {d.remedy}" for d in self.differences if d.level == "critical"]
        if not self.signature.good and self.request.accept_unsigned != self.host_set.id.ref:
            found.insert(0, f"the set cannot be trusted: {self.signature.problem}")
        return tuple(found)

    @property
    def spread(self) -> timedelta:
        return self.host_set.spread

    @property
    def seconds(self) -> float | None:
        """The whole time expected, or None when any step is unknown."""
        known = [step.seconds for step in self.steps]
        return None if None in known else sum(s for s in known if s is not None)


def plan(ctx: Context, request: RebuildRequest, passphrase: str | None) -> RebuildPlan:
    """Look at everything, touch nothing. UsageError when there is no such set."""
    sets_of = HostSets(ctx.repository)
    entry = sets_of.find(request.host, request.set, request.at)
    opened = sets_of.open(entry.id)
    facts = sets.read_facts(ctx, opened.host_set, passphrase)
    host_set = host_moments.nearest(ctx, opened.host_set, request)
    untils, told = host_moments.untils(ctx, host_set, request)
    every = parts(host_set, facts, untils)
    wanted = tuple(p for p in every if chosen(p, request.only, request.without))
    if not wanted:
        raise UsageError(
            "these patterns leave no part of the host",
            f"Its parts: {', '.join(p.id for p in every[:12])}",
        )
    present = _engine(ctx)
    here = _here(ctx, facts, wanted, present)
    done = host_progress.done(ctx.state, entry.id) if not request.afresh else frozenset()
    left = [part for part in wanted if part.id not in done]
    gone = host_moments.gone(ctx, host_set, {part.source for part in left})
    return RebuildPlan(
        request=request,
        host_set=host_set,
        signature=opened.signature,
        parts=wanted,
        left_out=tuple(p for p in every if p not in wanted),
        done=done,
        already=_already(wanted, present[0]),
        differences=(*differences(facts, left, here, request.addresses), *told, *gone),
        steps=tuple(_step(ctx, part) for part in left),
        command=command_line(request, host_set),
        by_hand=by_hand(facts),
        facts=facts,
    )


def _engine(ctx: Context) -> tuple[EngineFacts | None, str]:
    try:
        return ctx.host_engine().facts(), ""
    except MentatError as error:
        return None, error.message


def _already(wanted: Sequence[Part], engine: EngineFacts | None) -> frozenset[str]:
    """Parts that are here: containers, networks and volumes of the same name."""
    if engine is None:
        return frozenset()
    names = {
        "container": {str(c.get("Name", "")).lstrip("/") for c in engine.containers},
        "network": {str(n.get("Name")) for n in engine.networks},
        "volume": {str(v.get("Name")) for v in engine.volumes},
    }
    return frozenset(part.id for part in wanted if part.name in names.get(part.kind, ()))


def _here(
    ctx: Context,
    facts: HostFacts | None,
    wanted: Sequence[Part],
    present: tuple[EngineFacts | None, str],
) -> Here:
    engine, problem = present
    images = [p.name for p in wanted if p.kind == "image"] if engine else []
    sources = [
        path
        for c in (facts.engine.containers if facts and facts.engine else ())
        for path in bind_sources(c)
    ]
    docker_root = _existing(Path(engine.root)) if engine and engine.root else None
    state = _existing(ctx.state)
    return Here(
        machine=ctx.machine().facts(),
        engine=engine,
        images=frozenset(name for name in images if ctx.host_engine().has_image(name)),
        paths=frozenset(path for path in sources if os.path.lexists(path)),
        free_docker=ctx.trees.free_bytes(docker_root) if docker_root else None,
        free_state=ctx.trees.free_bytes(state),
        one_disk=docker_root is None or docker_root.stat().st_dev == state.stat().st_dev,
        docker_problem=problem,
    )


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _step(ctx: Context, part: Part) -> PlanStep:
    """How long it should take: data by measured rates, the rest by what Docker usually takes."""
    if part.source and part.size is not None:
        known = rates.load(ctx.state)
        phase, kind = ("load", "database") if part.kind == "database" else ("unpack", "volume")
        seconds, basis = known.seconds((f"{phase} {part.source}", f"{phase} {kind}"), part.size)
        return PlanStep(part.id, part.title, seconds, basis)
    return PlanStep(part.id, part.title, 5.0 if part.kind == "health" else 1.0, "")


def by_hand(facts: HostFacts | None) -> tuple[str, ...]:
    """What the rebuild leaves to the operator, as far as the facts know it."""
    if facts is None:
        return ()
    machine = facts.machine
    lines = []
    if machine.firewall.strip():
        lines.append("firewall rules: compare with the lost host's")
    crontabs = [name for name in machine.texts if "cron" in name]
    if crontabs or machine.timers:
        lines.append(f"{len(crontabs)} crontabs and {len(machine.timers)} timers to look through")
    if machine.packages:
        lines.append(f"{len(machine.packages)} packages were installed by hand")
    ending = sorted((c.expires, c.path) for c in machine.certificates if c.expires is not None)
    lines += [f"certificate {path} ends {expires:%Y-%m-%d}" for expires, path in ending[:3]]
    named = sorted(machine.names)
    if named:
        lines.append(f"DNS names it served: {', '.join(named[:8])}")
    return tuple(lines)


def command_line(request: RebuildRequest, host_set: HostSet) -> str:
    """The command that does the same, ready to paste."""
    words = ["mentat-dr", "restore", "--host", request.host]
    if request.set and not request.refs:
        words += ["--set", host_set.id.ref]
    if request.at is not None:
        words += ["--at", format_utc(request.at)]
    for option, values in (("--only", request.only), ("--without", request.without)):
        for value in values:
            words += [option, value]
    for old, new in request.addresses.items():
        words += ["--address", f"{old}={new}"]
    if request.accept_unsigned:
        words += ["--accept-unsigned", request.accept_unsigned]
    return shlex.join([*words, "--confirm", request.host])
