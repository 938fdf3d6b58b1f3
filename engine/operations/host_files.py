"""Configuration in a host's rebuild: what is missing is put in its place, and nothing that is
there is touched, since a new machine's own network, keys and accounts must stay its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Command
from engine.core.errors import CommandFailed, MentatError, TreeError
from engine.core.events import Output
from engine.core.host_rebuild import Part, RebuildRequest, bind_sources
from engine.core.recovery import RestoreRequest, Target
from engine.operations import durable
from engine.operations.context import Context
from engine.operations.restore import restore

if TYPE_CHECKING:
    from engine.operations.host_plan import RebuildPlan


def folder(ctx: Context, plan: RebuildPlan) -> Path:
    """Where a rebuild leaves restored configuration and its report."""
    return ctx.state / "restored" / f"{plan.request.host}-{plan.host_set.id.ref}"


def place(ctx: Context, plan: RebuildPlan, part: Part, passphrase: str | None) -> None:
    """Restore a configuration source beside, then copy in what is missing on this machine: its
    whole paths, and paths that containers mount. What is there already is named."""
    beside = folder(ctx, plan) / part.source
    if not beside.exists():
        request = RestoreRequest(
            part.source,
            part.ref,
            Target("directory", path=str(beside)),
            host=plan.request.host,
            accept_unsigned=part.ref if plan.request.accept_unsigned else "",
        )
        restore(ctx, request, passphrase)
    member = plan.host_set.member(part.source)
    wanted = [Path("/") / path for path in (member.paths if member else ())]
    there = [path for path in wanted if os.path.lexists(path)]
    mounted = [
        Path(source)
        for container in (plan.facts.engine.containers if plan.facts and plan.facts.engine else ())
        for source in bind_sources(container)
    ]
    for target in [*wanted, *mounted]:
        restored = beside / str(target).lstrip("/")
        if os.path.lexists(restored) and not os.path.lexists(target):
            _copy(ctx, restored, target)
            ctx.emit(Output(f"{target} was missing and is restored"))
    for path in there:
        ctx.emit(Output(f"{path} is here and stays as it is; the restored one: {beside}{path}"))


def _copy(ctx: Context, restored: Path, target: Path) -> None:
    """Copy beside the target and rename, so that a kill leaves no half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".mentat-dr-placing-{target.name}"
    try:
        if os.path.lexists(draft):
            ctx.processes.run(_removal(draft))
        ctx.processes.run(ctx.machine().copy_command(restored, draft))
        ctx.trees.sync(draft)
        draft.rename(target)
        durable.sync_folder(target.parent)
    except (OSError, CommandFailed) as error:
        raise TreeError(
            f"{target} could not be put in its place: {error}",
            f"Its restored copy is {restored}. Mend this, then run the same command again.",
        ) from error


def _removal(path: Path) -> Command:
    return Command(("rm", "--recursive", "--force", "--one-file-system", "--", str(path)), "rm")


def report_file(ctx: Context, plan: RebuildPlan) -> Path:
    return folder(ctx, plan) / "BY-HAND.md"


def write_report(ctx: Context, plan: RebuildPlan) -> None:
    """What the rebuild leaves to people, with the lost host's own texts; mode 0600. Failing at it
    is a warning."""
    if plan.facts is None:
        return
    try:
        durable.write(report_file(ctx, plan), _report(plan.request, plan).encode())
    except (OSError, MentatError) as error:
        ctx.warn("by-hand", f"the list of what is left could not be written: {error}")


def _report(request: RebuildRequest, plan: RebuildPlan) -> str:
    facts = plan.facts
    assert facts is not None
    machine = facts.machine
    blocks = [
        f"# {request.host}: what the rebuild from {plan.host_set.id.ref} left to do",
        "\n".join(f"- {line}" for line in plan.by_hand),
        _block("Differences of this machine", [d.message for d in plan.differences]),
        _block("Addresses", [f"{k}: {', '.join(v)}" for k, v in machine.addresses.items()]),
        _block("DNS names", [f"{k}: {', '.join(v) or '-'}" for k, v in machine.names.items()]),
        _block("Packages", list(machine.packages)),
        _block("Users (/etc/passwd)", list(machine.users)),
        _block("Timers", list(machine.timers)),
        _block("File systems", [f"{m.device} {m.path} {m.type}" for m in machine.mounts]),
        _block("Firewall", machine.firewall.splitlines()),
    ]
    blocks += [_block(name, text.splitlines()) for name, text in machine.texts.items()]
    for project in facts.compose:
        blocks += [
            _block(f"compose {project.name}: {name}", text.splitlines())
            for name, text in project.files.items()
        ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _block(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    body = "\n".join(f"    {line}" for line in lines)
    return f"## {title}\n\n{body}"
